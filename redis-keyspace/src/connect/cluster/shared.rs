//! The map of a cluster and its nodes, which the commands and the refreshing task share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
#[cfg(test)]
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::left::LeftNodes;
use super::map::SlotMap;
use super::view::{ClusterView, ViewedNode};
use crate::config::{Endpoint, Settings};
use crate::connect::attempt::Origin;
use crate::connect::facts::ServerFacts;
use crate::connect::node::Node;
use crate::error::Error;
use crate::sync::lock;

/// How many addresses of former nodes are remembered.
const FORMER: usize = 256;
/// How many nodes that serve no slot yet are remembered.
const JOINING: usize = 16;
/// How long it takes until all nodes know that a slot has another master.
const PROPAGATION: Duration = Duration::from_secs(1);

/// What the commands on a cluster share with the task that keeps the map up to date.
pub(super) struct ClusterShared {
    /// The server that the configuration names. It may be a node, or a name that stands for any
    /// node.
    pub(super) home: Arc<Node>,
    pub(super) map: ArcSwap<SlotMap<Node>>,
    /// Counts the times that the map changed.
    pub(super) changes: watch::Sender<u64>,
    /// Counts the times that no node could be asked.
    pub(super) failures: watch::Sender<u64>,
    pub(super) state: Mutex<ClusterState>,
}

/// What changes together with the map. Locked while the map is replaced.
#[derive(Default)]
pub(super) struct ClusterState {
    /// Counts the redirections, so that those that arrived after a node was asked can be told from
    /// those before.
    pub(super) redirections: u64,
    /// What redirections have taught.
    pub(super) patches: Vec<Patch>,
    /// Nodes that slots are being moved to, and that are not in the map: they serve no slot yet.
    pub(super) joining: Vec<Arc<Node>>,
    /// The addresses of nodes that left the map. They are asked when no other node answers.
    pub(super) former: Vec<(String, u16)>,
    /// What the nodes that left the map have counted.
    pub(super) left: LeftNodes,
    /// Why the last attempt to ask the nodes failed; `None` if it succeeded.
    pub(super) failure: Option<Error>,
}

/// A slot whose master a redirection named.
pub(super) struct Patch {
    pub(super) slot: u16,
    pub(super) node: Arc<Node>,
    /// The number of the redirection.
    pub(super) number: u64,
    pub(super) since: Instant,
}

impl ClusterShared {
    pub(super) fn new(home: Arc<Node>) -> Self {
        Self {
            home,
            map: ArcSwap::default(),
            changes: watch::Sender::new(0),
            failures: watch::Sender::new(0),
            state: Mutex::default(),
        }
    }

    /// What the connections of the pool are opened from. Its `trouble` wakes the task.
    pub(super) fn origin(&self) -> &Origin {
        self.home.own.origin()
    }

    /// Returns the node at an address. Creates it, without connecting, if it is not known.
    pub(super) fn node_at(
        &self,
        map: &SlotMap<Node>,
        joining: &[Arc<Node>],
        host: &str,
        port: u16,
    ) -> Arc<Node> {
        let mut known = map.nodes().iter().map(|entry| &entry.node).chain(joining);
        known.find(|node| node.is_at(host, port)).cloned().unwrap_or_else(|| self.new_node(host, port))
    }

    /// Returns the node of the map with this id.
    pub(super) fn node_of_id(&self, id: &str) -> Option<Arc<Node>> {
        let map = self.map.load();
        map.nodes().iter().find(|entry| entry.id == id).map(|entry| Arc::clone(&entry.node))
    }

    /// Returns the node that a slot is being moved to. It is remembered, so that its connections
    /// are used again.
    pub(super) fn joining_node(&self, host: &str, port: u16) -> Arc<Node> {
        let mut state = lock(&self.state);
        let map = self.map.load();
        let node = self.node_at(&map, &state.joining, host, port);
        let is_known = map.nodes().iter().map(|entry| &entry.node).chain(&state.joining);
        if !is_known.into_iter().any(|known| Arc::ptr_eq(known, &node)) {
            if state.joining.len() == JOINING {
                state.joining.remove(0);
            }
            state.joining.push(Arc::clone(&node));
        }
        node
    }

    pub(super) fn new_node(&self, host: &str, port: u16) -> Arc<Node> {
        // The pools of a node start tasks, which must not end with the runtime of a caller.
        let _runtime = self.origin().runtime().enter();
        // With further seeds, the connections of the first one may lead to any of them.
        if self.home.is_at(host, port) && self.home.settings.nodes.is_empty() {
            return Arc::clone(&self.home);
        }
        let endpoint = Endpoint::Tcp { host: host.to_owned(), port };
        let (nodes, cluster) = (Vec::new(), Some(true));
        let settings = Settings { endpoint, nodes, cluster, ..Settings::clone(&self.home.settings) };
        let facts = self.facts_of_node(&settings);
        Arc::new(Node::new(self.origin().of_other(settings, facts)))
    }

    /// What is known about a node of the map before it is connected.
    fn facts_of_node(&self, settings: &Settings) -> Arc<ServerFacts> {
        let facts = ServerFacts::new(settings);
        // A plain login does not find out.
        facts.learn_cluster();
        if self.home.facts.do_nodes_report_mode() {
            facts.learn_that_nodes_report_mode();
        }
        Arc::new(facts)
    }

    /// Returns the node with connections that may read although it is a replica.
    pub(super) fn reader_of<'n>(&self, node: &'n Arc<Node>) -> &'n Arc<Node> {
        node.reader.get_or_init(|| {
            let _runtime = self.origin().runtime().enter();
            let settings = Settings { reads_replica: true, ..Settings::clone(&node.settings) };
            let facts = self.facts_of_node(&settings);
            Arc::new(Node::replica(self.origin().of_other(settings, facts)))
        })
    }

    /// Returns the node of an entry of a view. Two nodes may spell the address of a third
    /// differently, so the id decides, as long as the node is connected and has not restarted: a
    /// connection that was made later may lead to another server at the old address.
    fn viewed_node(
        &self,
        map: &SlotMap<Node>,
        joining: &[Arc<Node>],
        view: &ClusterView,
        viewed: &ViewedNode,
        asked: &Node,
    ) -> Arc<Node> {
        let host = match (viewed.host.as_str(), asked.address()) {
            ("", Some((host, _))) => host,
            // A lone node does not know its address. It was not reached over TCP.
            ("", None) => return Arc::clone(&self.home),
            (host, _) => host,
        };
        let of_id = map.nodes().iter().find(|entry| entry.id == viewed.id).map(|entry| &entry.node);
        // Another node may have the old address of this one now.
        let is_taken = |node: &Node| {
            view.nodes().any(|other| other.id != viewed.id && node.is_at(&other.host, other.port))
        };
        let is_proven = |node: &Node| node.own.is_open() && node.facts.is_same_run() && !is_taken(node);
        match of_id {
            Some(node) if node.is_at(host, viewed.port) || is_proven(node) => Arc::clone(node),
            _ => self.node_at(map, joining, host, viewed.port),
        }
    }

    /// Replaces the map by what a node reported. `asked_at` is the number of redirections when the
    /// node was asked: later ones are newer than its report.
    pub(super) fn apply(&self, view: &ClusterView, asked: &Node, asked_at: u64) {
        let mut state = lock(&self.state);
        let old = self.map.load_full();
        let (mut found, mut created) = (HashMap::<ViewedNode, Arc<Node>>::new(), Vec::<Arc<Node>>::new());
        let mut new = SlotMap::of(view, |viewed| {
            // A view names a node once for each range of its slots.
            if let Some(node) = found.get(viewed) {
                return Arc::clone(node);
            }
            let node = self.viewed_node(&old, &state.joining, view, viewed, asked);
            // An address that the view names twice is one node.
            let same =
                node.address().and_then(|(host, port)| created.iter().find(|known| known.is_at(host, port)));
            let node = match same {
                Some(same) => Arc::clone(same),
                None => {
                    created.push(Arc::clone(&node));
                    node
                }
            };
            found.insert(viewed.clone(), Arc::clone(&node));
            node
        });
        // A node that was promoted knows it first. For a moment, others still report its
        // predecessor.
        state.patches.retain(|patch| patch.number > asked_at || patch.since.elapsed() < PROPAGATION);
        new.patch(state.patches.iter().map(|patch| (patch.slot, &patch.node)));
        state.failure = None;
        self.replace(&mut state, &old, new);
    }

    /// Replaces the map, and tells the nodes that became masters or stopped being one.
    pub(super) fn replace(&self, state: &mut ClusterState, old: &SlotMap<Node>, new: SlotMap<Node>) {
        let is_change = old.is_empty() || !old.agrees_with(&new);
        for entry in old.nodes() {
            let is_gone = !new.nodes().iter().any(|other| Arc::ptr_eq(&other.node, &entry.node));
            // The configured server is always counted.
            if is_gone && !Arc::ptr_eq(&entry.node, &self.home) {
                state.left.add(&entry.node);
            }
            if is_gone && let Some((host, port)) = entry.node.address() {
                state.former.retain(|former| *former != (host.to_owned(), port));
                state.former.push((host.to_owned(), port));
                if state.former.len() > FORMER {
                    state.former.remove(0);
                }
            }
            let has_lost_slots = is_change && old.is_master(&entry.node) && !new.is_master(&entry.node);
            if has_lost_slots && old.is_replaced(&entry.node, &new) {
                entry.node.facts.set_replaced(true);
            }
        }
        if self.origin().set_spread(new.masters().nth(1).is_some()) {
            let nodes = new.nodes().iter().map(|entry| &entry.node).chain(&state.joining).chain([&self.home]);
            nodes
                .flat_map(|node| [Some(node), node.reader.get()])
                .flatten()
                .for_each(|node| node.own.end_unused());
        }
        if is_change {
            for master in new.masters() {
                master.facts.set_replaced(false);
                if !old.is_master(master) {
                    master.facts.breaker.rest();
                }
            }
            event!(debug, "the slots of the cluster changed", masters = new.masters().count());
        }
        state.joining.retain(|node| !new.nodes().iter().any(|entry| Arc::ptr_eq(&entry.node, node)));
        let nodes = new.nodes().iter().map(|entry| &entry.node).chain(&state.joining);
        let uses_home =
            nodes.chain(state.patches.iter().map(|patch| &patch.node)).any(|node| self.is_home(node));
        self.map.store(Arc::new(new));
        if is_change {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        // At first, the connections to the configured name may lead to any node. Later, it can be a
        // node that has left. Other nodes end their connections when they are dropped.
        if !uses_home {
            let unused = [Some(&self.home), self.home.reader.get()].into_iter().flatten();
            unused
                .filter(|node| old.is_empty() || node.own.has_connections())
                .for_each(|node| node.own.abandon());
        }
    }

    fn is_home(&self, node: &Arc<Node>) -> bool {
        Arc::ptr_eq(node, &self.home)
    }
}

#[cfg(test)]
impl ClusterShared {
    /// A cluster that is not known yet. No server is used.
    pub(super) fn for_tests() -> Self {
        let settings = Arc::<Settings>::default();
        let facts = Arc::new(ServerFacts::new(&settings));
        Self::new(Arc::new(Node::new(Origin::new(settings, facts, Handle::current()))))
    }
}
