//! The task that asks the nodes which slots they serve.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::shared::ClusterShared;
use super::view::ClusterView;
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind};
use crate::key::SLOTS;
use crate::protocol::{Request, read};
use crate::sync::{ClosedFlag, lock};
use crate::time::{Backoff, Deadline, jittered};

/// The pause after the map was refreshed. It grows while refreshing it changes nothing, so that
/// many clients do not burden a cluster that is down.
const FIRST_PAUSE: Duration = Duration::from_millis(40);
/// Commands must succeed within a second after a replica was promoted.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait for a node before another one is asked too.
const NEXT_NODE: Duration = Duration::from_millis(150);
/// How many former nodes are asked.
const MOST_FORMER: usize = 8;
/// How often the map is refreshed without a reason, because a node that left the cluster may go on
/// serving its slots.
const REGULARLY: Duration = Duration::from_secs(60);

/// Refreshes the map whenever there is trouble, and regularly. Ends with the cluster, or when the
/// pool is closed.
pub(super) async fn keep_up_to_date(shared: Arc<ClusterShared>) {
    let pauses = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut pause = pauses();
    loop {
        // A master that is down may be replaced at any time, and nothing else reports that.
        let is_in_trouble = shared.is_in_trouble();
        let longest = if is_in_trouble { LONGEST_PAUSE } else { REGULARLY };
        let is_quiet = timeout(jittered(longest), shared.origin().trouble().notified()).await.is_err();
        if shared.origin().closed().is_set() {
            return;
        }
        if is_quiet && !is_in_trouble && !shared.is_in_use() {
            continue;
        }
        let before = shared.map.load_full();
        shared.refresh().await;
        if is_quiet || !before.agrees_with(&shared.map.load()) {
            pause = pauses();
        }
        // What happens meanwhile is one reason for the next refresh.
        sleep(pause.pause()).await;
    }
}

impl ClusterShared {
    fn is_in_use(&self) -> bool {
        self.map.load().nodes().iter().any(|entry| entry.node.own.is_open())
    }

    /// Whether a master that commands need does not answer, as far as is known.
    fn is_in_trouble(&self) -> bool {
        self.map.load().masters().any(|node| node.facts.is_in_trouble())
    }

    async fn refresh(&self) {
        let asked_at = lock(&self.state).redirections;
        match self.ask_any().await {
            Ok((view, asked)) => self.apply(&view, &asked, asked_at),
            Err(error) => {
                event!(warn, "no node of the cluster reports its slots", error = %error);
                lock(&self.state).failure = Some(error);
                self.failures.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
    }

    /// Asks one node after the other, and does not wait long for any of them.
    async fn ask_any(&self) -> Result<(ClusterView, Arc<Node>), Error> {
        let (mut last, mut partial, mut alone, mut foreign) =
            (None, None::<(ClusterView, Arc<Node>)>, None, None);
        let served = usize::from(SLOTS) - self.map.load().unserved();
        for candidates in [Self::known, Self::others] {
            let mut candidates = candidates(self).into_iter();
            let mut asked = FuturesUnordered::new();
            loop {
                match candidates.next() {
                    Some(node) => asked.push(self.ask(node)),
                    None if asked.is_empty() => break,
                    None => {}
                }
                let is_last = candidates.len() == 0;
                let has_answer = alone.is_some() || partial.is_some();
                let answer = if is_last && !has_answer {
                    asked.next().await
                } else {
                    timeout(NEXT_NODE, asked.next()).await.unwrap_or_default()
                };
                match answer {
                    Some(Ok((view, node))) => match self.relation(&view, &node) {
                        Relation::Same if view.served() >= served => return Ok((view, node)),
                        // A node that has just joined does not know all others. If no node knows
                        // more, the slots are gone.
                        Relation::Same => {
                            let best = partial.as_ref().map_or(0, |(best, _)| best.served());
                            partial = Some((view, node)).filter(|(view, _)| view.served() > best).or(partial);
                        }
                        // If no other node answers, the cluster has shrunk to this one.
                        Relation::OnlyAsked => alone = alone.or(Some((view, node))),
                        // A former node may have joined another cluster. But if the configuration
                        // names the node, and no other one answers, the cluster was created again.
                        Relation::Foreign => {
                            let message = format!("{} belongs to another cluster", node.settings.endpoint);
                            last = Some(Error::new(ErrorKind::Unavailable, message));
                            foreign = foreign.or(Arc::ptr_eq(&node, &self.home).then_some((view, node)));
                        }
                    },
                    Some(Err(error)) => last = Some(error),
                    None if is_last && has_answer => break,
                    None => {}
                }
            }
            if let Some(answer) = partial.take().or(alone.take()) {
                return Ok(answer);
            }
        }
        let last = last.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "the cluster has no nodes"));
        foreign.ok_or(last)
    }

    /// The nodes of the map, in random order.
    fn known(&self) -> Vec<Arc<Node>> {
        let map = self.map.load();
        let mut known: Vec<_> = map.nodes().iter().map(|entry| Arc::clone(&entry.node)).collect();
        fastrand::shuffle(&mut known);
        // Connected nodes first: a new connection takes more time, and may be refused.
        known.sort_by_key(|node| (node.facts.is_failing(), !node.own.is_open()));
        known
    }

    /// The nodes to ask if none of those answers: the one that the configuration names, and some
    /// that left the map.
    fn others(&self) -> Vec<Arc<Node>> {
        let mut former = lock(&self.state).former.clone();
        fastrand::shuffle(&mut former);
        let former = former.iter().take(MOST_FORMER).map(|(host, port)| self.new_node(host, *port));
        let home = Some(Arc::clone(&self.home));
        let is_new =
            |node: &Arc<Node>| !self.map.load().nodes().iter().any(|known| Arc::ptr_eq(&known.node, node));
        home.into_iter().filter(is_new).chain(former).collect()
    }

    async fn ask(&self, node: Arc<Node>) -> Result<(ClusterView, Arc<Node>), Error> {
        let deadline = Deadline::after(self.home.settings.connect_timeout);
        let request = Request::One(ClusterView::request());
        let answer = node.run(&request, "", deadline, &ClosedFlag::default(), None).await;
        let answer = answer.and_then(|(replies, run)| Ok((read::one(replies)?, run)));
        let (reply, run) = answer.map_err(|error| match error.code() {
            Some("ERR") => error.explained(&format!(
                "{} is not a node of a cluster; to use it as a single server, set `cluster(false)`",
                node.settings.endpoint
            )),
            Some("NOPERM") => error.explained(
                "clusters require more permissions: see `Catalog::acl_rules` and its option `cluster`; or set \
                 `cluster(false)` to use one node only",
            ),
            _ => error,
        })?;
        let mut view = ClusterView::read(reply)?;
        if let Some(host) = node.facts.host_of(run) {
            view.fill_hosts(&host);
        }
        if view.nodes().next().is_none() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the cluster node {} does not know who serves any slot", node.settings.endpoint),
            ));
        }
        Ok((view, node))
    }

    /// Compares the view of a node with the map.
    fn relation(&self, view: &ClusterView, asked: &Arc<Node>) -> Relation {
        let map = self.map.load();
        let is_viewed = |id: &str| view.nodes().any(|viewed| viewed.id == id);
        let known: Vec<_> = map.nodes().iter().filter(|entry| !entry.id.is_empty()).collect();
        let mut viewed = known.iter().filter(|entry| is_viewed(&entry.id));
        let Some(first) = viewed.next() else {
            return if known.is_empty() { Relation::Same } else { Relation::Foreign };
        };
        let is_only_asked = Arc::ptr_eq(&first.node, asked) && viewed.next().is_none();
        if is_only_asked && known.len() > 1 { Relation::OnlyAsked } else { Relation::Same }
    }
}

/// How a view is related to the map.
#[derive(Debug, PartialEq, Eq)]
enum Relation {
    /// It is a view of the same cluster: it contains another node of the map than the one asked.
    Same,
    /// It contains only the node that was asked, which may have joined another cluster.
    OnlyAsked,
    Foreign,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::cluster::view::{SlotRange, ViewedNode};

    #[tokio::test]
    async fn the_id_of_the_asked_node_alone_does_not_prove_that_a_view_is_of_the_same_cluster() {
        let shared = ClusterShared::for_tests();
        let view = |ids: &[&str]| {
            let node = |id: &&str| ViewedNode { id: (*id).to_owned(), host: (*id).to_owned(), port: 7000 };
            let mut nodes = ids.iter().map(node);
            let range = SlotRange { first: 0, last: 16_383, master: nodes.next(), replicas: nodes.collect() };
            ClusterView { ranges: vec![range] }
        };
        let relation = |ids: &[&str], asked: &str| {
            let asked = shared.node_of_id(asked).unwrap_or_else(|| Arc::clone(&shared.home));
            shared.relation(&view(ids), &asked)
        };
        assert_eq!(relation(&["a"], "a"), Relation::Same, "there is no map");
        shared.apply(&view(&["a"]), &shared.home, 0);
        assert_eq!(relation(&["a", "x"], "a"), Relation::Same, "the map has only this node");
        shared.apply(&view(&["a", "b"]), &shared.home, 0);
        assert_eq!(relation(&["a", "b"], "a"), Relation::Same);
        assert_eq!(relation(&["x", "b"], "a"), Relation::Same);
        assert_eq!(relation(&["a", "x"], "a"), Relation::OnlyAsked);
        assert_eq!(relation(&["x", "y"], "a"), Relation::Foreign);
    }
}
