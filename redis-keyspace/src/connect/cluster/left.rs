//! What the nodes that left a cluster have counted, so that sums over its nodes never shrink.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::connect::node::Node;

/// What a node has counted since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NodeTotals {
    pub(crate) connects: u64,
    pub(crate) failed_connects: u64,
    pub(crate) lost_connections: u64,
    pub(crate) breaker_opened: u64,
    /// How long callers have waited for exclusive connections.
    pub(crate) waited: Duration,
    pub(crate) closed_broken: u64,
    pub(crate) closed_modified: u64,
    pub(crate) closed_invalid: u64,
    pub(crate) closed_idle: u64,
    pub(crate) closed_old: u64,
}

impl NodeTotals {
    fn of(node: &Node) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let facts = &node.facts;
        let exclusives = node.exclusives().map(|state| state.statistics).unwrap_or_default();
        let closed_modified = facts.modified_connections.load(Relaxed);
        Self {
            connects: facts.connects.load(Relaxed),
            failed_connects: facts.failed_connects.load(Relaxed),
            lost_connections: facts.lost_connections.load(Relaxed),
            breaker_opened: facts.breaker.opened(),
            waited: node.waited(),
            closed_broken: exclusives.connections_closed_broken.saturating_sub(closed_modified),
            closed_modified,
            closed_invalid: exclusives.connections_closed_invalid,
            closed_idle: exclusives.connections_closed_idle_timeout,
            closed_old: exclusives.connections_closed_max_lifetime,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            connects: self.connects + other.connects,
            failed_connects: self.failed_connects + other.failed_connects,
            lost_connections: self.lost_connections + other.lost_connections,
            breaker_opened: self.breaker_opened + other.breaker_opened,
            waited: self.waited.saturating_add(other.waited),
            closed_broken: self.closed_broken + other.closed_broken,
            closed_modified: self.closed_modified + other.closed_modified,
            closed_invalid: self.closed_invalid + other.closed_invalid,
            closed_idle: self.closed_idle + other.closed_idle,
            closed_old: self.closed_old + other.closed_old,
        }
    }
}

/// The nodes that left a cluster.
#[derive(Debug, Default)]
pub(super) struct LeftNodes {
    /// Each with what it had counted when it left. A command may still use a node, and it may come
    /// back.
    nodes: Vec<(Weak<Node>, NodeTotals)>,
    /// What nodes have counted that no longer exist.
    gone: NodeTotals,
}

impl LeftNodes {
    /// Records that a node left.
    pub(super) fn add(&mut self, node: &Arc<Node>) {
        let (mut kept, mut gone) = (Vec::new(), self.gone);
        for (left, totals) in self.nodes.drain(..) {
            match left.upgrade() {
                // Recorded again below.
                Some(left) if Arc::ptr_eq(&left, node) => {}
                Some(_) => kept.push((left, totals)),
                None => gone = gone.and(totals),
            }
        }
        kept.push((Arc::downgrade(node), NodeTotals::of(node)));
        (self.nodes, self.gone) = (kept, gone);
    }

    /// Returns what all of them have counted, except those that are back.
    pub(super) fn totals(&self, is_back: impl Fn(&Arc<Node>) -> bool) -> NodeTotals {
        self.nodes.iter().fold(self.gone, |sum, (node, totals)| match node.upgrade() {
            Some(node) if is_back(&node) => sum,
            Some(node) => sum.and(NodeTotals::of(&node)),
            None => sum.and(*totals),
        })
    }
}
