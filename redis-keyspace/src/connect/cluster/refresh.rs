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
/// How often the map is refreshed without a reason, because a node that left the cluster may go on
/// serving its slots.
const REGULARLY: Duration = Duration::from_secs(60);

/// Refreshes the map whenever there is trouble, and regularly. Ends with the cluster.
pub(super) async fn keep_up_to_date(shared: Arc<ClusterShared>) {
    let pauses = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut pause = pauses();
    loop {
        let is_quiet = timeout(jittered(REGULARLY), shared.trouble.notified()).await.is_err();
        if is_quiet && !shared.is_in_use() {
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

    async fn refresh(&self) {
        let asked_at = lock(&self.state).redirections;
        match self.ask_any().await {
            Ok((view, asked)) => self.apply(&view, &asked, asked_at),
            Err(error) => {
                event!(warn, "no node of the cluster reports its slots", error = %error);
                lock(&self.state).failure = Some(error);
                self.changes.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
    }

    /// Asks one node after the other, and does not wait long for any of them.
    async fn ask_any(&self) -> Result<(ClusterView, Arc<Node>), Error> {
        let (mut last, mut foreign) = (None, None);
        for candidates in self.candidates() {
            let mut candidates = candidates.into_iter();
            let mut asked = FuturesUnordered::new();
            loop {
                match candidates.next() {
                    Some(node) => asked.push(self.ask(node)),
                    None if asked.is_empty() => break,
                    None => {}
                }
                let answer = if candidates.len() == 0 {
                    asked.next().await
                } else {
                    timeout(NEXT_NODE, asked.next()).await.unwrap_or_default()
                };
                match answer {
                    Some(Ok((view, node))) if self.is_related(&view) => return Ok((view, node)),
                    // A former node may have joined another cluster. But if the configuration names
                    // the node, and no other one answers, the cluster was created again.
                    Some(Ok((view, node))) => {
                        let message = format!("{} belongs to another cluster", node.settings.endpoint);
                        last = Some(Error::new(ErrorKind::Unavailable, message));
                        foreign = foreign.or(Arc::ptr_eq(&node, &self.home).then_some((view, node)));
                    }
                    Some(Err(error)) => last = Some(error),
                    None => {}
                }
            }
        }
        let last = last.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "the cluster has no nodes"));
        foreign.ok_or(last)
    }

    /// The nodes to ask: first those of the map, in random order, then all that left it, and the
    /// one that the configuration names.
    fn candidates(&self) -> [Vec<Arc<Node>>; 2] {
        let map = self.map.load();
        let mut known: Vec<_> = map.nodes().iter().map(|entry| Arc::clone(&entry.node)).collect();
        fastrand::shuffle(&mut known);
        // Connected nodes first: a new connection takes more time, and may be refused.
        known.sort_by_key(|node| (node.facts.is_failing(), !node.own.is_open()));
        let former = lock(&self.state).former.clone();
        let mut others: Vec<_> = former.iter().rev().map(|(host, port)| self.new_node(host, *port)).collect();
        others.insert(0, Arc::clone(&self.home));
        others.retain(|node| !known.iter().any(|known| Arc::ptr_eq(known, node)));
        [known, others]
    }

    async fn ask(&self, node: Arc<Node>) -> Result<(ClusterView, Arc<Node>), Error> {
        let deadline = Deadline::after(self.settings.connect_timeout);
        let request = Request::One(ClusterView::request());
        let answer = node.run(&request, "", deadline, &ClosedFlag::default(), None).await;
        let reply = answer.and_then(|(replies, _)| read::one(replies));
        let reply = reply.map_err(|error| match error.code() {
            Some("ERR") => error.explained(&format!("{} is not a node of a cluster", node.settings.endpoint)),
            _ => error,
        })?;
        let view = ClusterView::read(reply)?;
        if view.nodes().next().is_none() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the cluster node {} does not know who serves any slot", node.settings.endpoint),
            ));
        }
        Ok((view, node))
    }

    /// Whether the view contains a node of the map.
    fn is_related(&self, view: &ClusterView) -> bool {
        let map = self.map.load();
        let mut viewed = view.nodes();
        map.nodes().iter().all(|entry| entry.id.is_empty())
            || viewed.any(|viewed| map.nodes().iter().any(|entry| entry.id == viewed.id))
    }
}
