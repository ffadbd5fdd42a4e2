//! The task that decides which node serves which topic.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use super::entry::LinkStage;
use super::hub::Hub;
use super::link::keep_link;
use super::nodes::SubscriptionNodes;
use super::state::{AddedLink, Plan};
use super::topic::{Reach, Topic};
use crate::connect::cluster::{Cluster, MapStamp};
use crate::connect::node::Node;
use crate::error::Error;
use crate::task::spawn;
use crate::time::{Backoff, Deadline};

/// The pauses while no node can be chosen, or while each chosen node fails.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

fn pauses() -> Backoff {
    Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)
}

/// Assigns the topics to nodes: new ones when they are added, and all of them when nodes change or
/// the chosen node fails. Ends when no topic is left.
pub(super) async fn assign_topics(hub: Arc<Hub>, nodes: Arc<dyn SubscriptionNodes>) {
    let (mut pause, mut pause_of_unserved) = (pauses(), pauses());
    let mut any: Option<Arc<Node>> = None;
    // The map that the topics were assigned by.
    let mut assigned_by: Option<Option<MapStamp>> = None;
    loop {
        if hub.end_if_unused() {
            return;
        }
        let mut plan = Plan::Single(Arc::clone(nodes.home()));
        let (mut stamp, mut is_other) = (None, false);
        let cluster = nodes.cluster();
        // Subscribed before the map is read, so that no change is missed.
        let map_changed = cluster.map(Cluster::changed);
        if let Some(cluster) = cluster {
            let deadline = Deadline::after(nodes.home().settings.timeout);
            let ready = tokio::select! {
                outcome = cluster.ready(deadline) => outcome,
                () = hub.unused() => continue,
            };
            if let Err(error) = ready {
                hub.cannot_assign(error);
                sleep(pause.pause()).await;
                continue;
            }
            // Before the map is used: a later one is noticed.
            stamp = Some(cluster.map_stamp());
            let masters = cluster.masters();
            (any, is_other) = choose(&masters, any.take(), |node| hub.is_failing(node));
            if is_other {
                // Each node in turn may fail at once.
                sleep(pause.pause()).await;
            } else if hub.is_connected() {
                pause = pauses();
            }
            let owner = |slot| cluster.owners(std::iter::once(slot)).into_iter().flatten().next();
            let any = any.clone();
            let place = move |topic: &Topic| match topic.reach {
                Reach::AnyNode => any.iter().cloned().collect(),
                Reach::Slot(slot) => owner(slot).into_iter().collect(),
                Reach::EveryMaster => masters.clone(),
            };
            plan = Plan::Cluster(Box::new(place));
        }
        let is_same = !is_other && assigned_by.as_ref() == Some(&stamp);
        assign(&hub, &plan, !is_same, &nodes);
        assigned_by = Some(stamp);
        drop(plan);
        let map_changed = async {
            match map_changed {
                Some(changed) => changed.await,
                None => std::future::pending().await,
            }
        };
        let retry = async {
            match cluster.filter(|_| hub.has_unserved()) {
                Some(cluster) => {
                    cluster.refresh();
                    sleep(pause_of_unserved.pause()).await;
                }
                None => {
                    pause_of_unserved = pauses();
                    std::future::pending().await
                }
            }
        };
        tokio::select! {
            () = hub.changed() => {}
            () = map_changed => {}
            () = retry => {}
        }
    }
}

/// Assigns topics, and starts the connections that are needed.
fn assign(hub: &Arc<Hub>, plan: &Plan<'_>, all: bool, nodes: &Arc<dyn SubscriptionNodes>) {
    for AddedLink { number, node, wake } in hub.assign(plan, all) {
        let (of_task, nodes) = (Arc::clone(hub), Arc::clone(nodes));
        let keep = move || {
            let (node, wake) = (Arc::clone(&node), Arc::clone(&wake));
            keep_link(Arc::clone(&of_task), number, node, wake, Arc::clone(&nodes))
        };
        let task = spawn(hub.runtime(), keep_in_spite_of_panics(Arc::clone(hub), number, keep));
        hub.set_link_task(number, task);
    }
}

/// Runs the task of a connection, and runs it again if it panics: it calls wakers and log
/// subscribers of the application.
async fn keep_in_spite_of_panics<F: Future<Output = ()>>(hub: Arc<Hub>, link: u64, keep: impl Fn() -> F) {
    loop {
        let mut keeping = pin!(keep());
        let ended = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| keeping.as_mut().poll(context)));
            polled.unwrap_or(Poll::Ready(()))
        });
        ended.await;
        hub.lost(link, &Error::connection_lost("its task panicked"), LinkStage::Connecting);
        sleep(LONGEST_PAUSE).await;
    }
}

/// Chooses the node for the topics that any node serves: the same as before, if it still serves
/// slots and can be reached. Otherwise one at random, so that the processes of a program do not all
/// use the same. Returns whether it is another one because that one failed.
fn choose(
    masters: &[Arc<Node>],
    before: Option<Arc<Node>>,
    is_failing: impl Fn(&Arc<Node>) -> bool,
) -> (Option<Arc<Node>>, bool) {
    let before = before.filter(|before| masters.iter().any(|master| Arc::ptr_eq(master, before)));
    let Some(before) = before else { return (fastrand::choice(masters).cloned(), false) };
    let others: Vec<_> = masters.iter().filter(|master| !Arc::ptr_eq(master, &before)).collect();
    match fastrand::choice(others).filter(|_| is_failing(&before)) {
        Some(other) => (Some(Arc::clone(other)), true),
        None => (Some(before), false),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::runtime::Handle;
    use tokio::time::timeout;

    use super::*;
    use crate::config::{Endpoint, Settings};
    use crate::connect::attempt::Origin;
    use crate::connect::facts::ServerFacts;
    use crate::connect::subscription::subscribe;

    /// A cluster whose nodes can't be reached.
    struct Unreachable {
        home: Arc<Node>,
        cluster: Cluster,
    }

    impl SubscriptionNodes for Unreachable {
        fn home(&self) -> &Arc<Node> {
            &self.home
        }

        fn cluster(&self) -> Option<&Cluster> {
            Some(&self.cluster)
        }
    }

    fn node(settings: &Arc<Settings>) -> Arc<Node> {
        let facts = Arc::new(ServerFacts::new(settings));
        Arc::new(Node::new(Origin::new(Arc::clone(settings), facts, Handle::current())))
    }

    #[tokio::test]
    async fn any_node_is_chosen_and_any_other_one_after_it_fails() {
        let masters: Vec<_> = (0..3).map(|_| node(&Arc::default())).collect();
        let place = |node: &Arc<Node>| masters.iter().position(|master| Arc::ptr_eq(master, node)).unwrap();
        let (mut first, mut second) = ([0; 3], [0; 3]);
        for _ in 0..300 {
            let (chosen, is_other) = choose(&masters, None, |_| true);
            assert!(!is_other);
            first[place(&chosen.unwrap())] += 1;
            let (chosen, is_other) = choose(&masters, Some(Arc::clone(&masters[1])), |_| true);
            assert!(is_other);
            second[place(&chosen.unwrap())] += 1;
        }
        assert!(first.iter().all(|count| *count > 30), "{first:?}");
        assert!(second[0] > 30 && second[1] == 0 && second[2] > 30, "{second:?}");
        // It stays while it can be reached, or if there is no other one.
        let before = || Some(Arc::clone(&masters[1]));
        for (masters, fails) in [(&masters[..], false), (&masters[1..2], true)] {
            let (chosen, is_other) = choose(masters, before(), |_| fails);
            assert!(Arc::ptr_eq(&chosen.unwrap(), &masters[masters.len() / 2]) && !is_other);
        }
        // It is not a master any more.
        let (chosen, is_other) = choose(&masters[2..], before(), |_| false);
        assert!(Arc::ptr_eq(&chosen.unwrap(), &masters[2]) && !is_other);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_task_panics_is_opened_again() {
        let hub = Arc::new(Hub::new(Handle::current()));
        let _added = hub.add(&Topic::channel("a".to_owned(), None), 1).unwrap();
        let link = hub.assign(&Plan::Single(node(&Arc::default())), true)[0].number;
        let runs = Arc::<AtomicUsize>::default();
        let (of_task, counted) = (Arc::clone(&hub), Arc::clone(&runs));
        let keep = move || {
            let (hub, run) = (Arc::clone(&of_task), counted.fetch_add(1, Ordering::Relaxed));
            async move {
                hub.opened(link);
                assert_eq!(run, 2, "a panic of the test");
                std::future::pending().await
            }
        };
        tokio::spawn(keep_in_spite_of_panics(Arc::clone(&hub), link, keep));
        for (run, connections) in [(1, 0), (2, 0), (3, 1)] {
            while runs.load(Ordering::Relaxed) < run {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(hub.status().connections, connections);
        }
    }

    /// Without subscriptions, nothing asks for the nodes of a cluster again and again.
    #[tokio::test]
    async fn the_task_ends_with_the_last_subscription_even_if_the_cluster_is_not_ready() {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
        let settings = Arc::new(Settings { endpoint, ..Settings::default() });
        let home = node(&settings);
        let cluster = Cluster::start(Arc::clone(&home));
        let nodes = Arc::new(Unreachable { home, cluster });
        let hub = Arc::new(Hub::new(Handle::current()));
        for _ in 0..2 {
            let topic = Topic::channel("a".to_owned(), None);
            let listener = subscribe(&hub, Arc::clone(&nodes) as _, topic, 1).unwrap();
            let failed = listener.established(Deadline::after(Duration::from_millis(100))).await;
            assert!(failed.is_err());
            drop(listener);
            let ended = async {
                while Arc::strong_count(&nodes) > 1 {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(Duration::from_secs(30), ended).await.expect("the task ends");
        }
    }
}
