//! The task that decides which node serves which topic.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::hub::{Hub, Plan};
use super::link::keep_link;
use super::nodes::SubscriptionNodes;
use super::topic::{Reach, Topic};
use crate::connect::cluster::Cluster;
use crate::connect::node::Node;
use crate::time::{Backoff, Deadline};

/// The pauses while no node can be chosen, or while each chosen node fails.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Assigns the topics to nodes again and again: when topics or nodes change, and when a node fails.
/// Ends when no topic is left.
pub(super) async fn assign_topics(hub: Arc<Hub>, nodes: Arc<dyn SubscriptionNodes>) {
    let mut wanted = hub.changes();
    let pauses = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut pause = pauses();
    let mut any: Option<Arc<Node>> = None;
    loop {
        wanted.mark_unchanged();
        let mut plan = Plan::Single(Arc::clone(nodes.home()));
        // Subscribed before the map is read, so that no change is missed.
        let changed = nodes.cluster().map(Cluster::changed);
        if let Some(cluster) = nodes.cluster() {
            let deadline = Deadline::after(nodes.home().settings.timeout);
            if let Err(error) = cluster.ready(deadline).await {
                hub.delayed(error);
                sleep(pause.pause()).await;
                continue;
            }
            let masters = cluster.masters();
            let (chosen, is_other) = choose(&masters, any.take(), &hub);
            any = chosen;
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
        if !assign(&hub, &plan, &nodes) {
            return;
        }
        drop(plan);
        let news = async {
            match changed {
                Some(changed) => changed.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = wanted.changed() => {}
            () = news => {}
        }
    }
}

/// Assigns the topics, and starts the connections that are needed. Returns `false` if no topic is
/// left.
fn assign(hub: &Arc<Hub>, plan: &Plan<'_>, nodes: &Arc<dyn SubscriptionNodes>) -> bool {
    let Some(added) = hub.assign(plan) else { return false };
    for link in added {
        let task = keep_link(Arc::clone(hub), link.number, link.node, link.wake, Arc::clone(nodes));
        hub.started(link.number, hub.runtime().spawn(task).abort_handle());
    }
    true
}

/// Chooses the node for the topics that any node serves: the same as before, if it still serves
/// slots and can be reached. Returns whether it is another one because that one failed.
fn choose(masters: &[Arc<Node>], before: Option<Arc<Node>>, hub: &Hub) -> (Option<Arc<Node>>, bool) {
    let place = before.and_then(|before| masters.iter().position(|master| Arc::ptr_eq(master, &before)));
    let Some(place) = place else { return (masters.first().cloned(), false) };
    match masters.get(place) {
        Some(master) if !hub.is_failing(master) => (Some(Arc::clone(master)), false),
        _ => (masters.get((place + 1) % masters.len().max(1)).cloned(), masters.len() > 1),
    }
}
