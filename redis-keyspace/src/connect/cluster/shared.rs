//! The map of a cluster and its nodes, which the commands and the refreshing task share.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

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

/// What the commands on a cluster share with the task that keeps the map up to date.
pub(super) struct ClusterShared {
    pub(super) settings: Arc<Settings>,
    pub(super) runtime: Handle,
    /// Wakes the task.
    pub(super) trouble: Arc<Notify>,
    /// The server that the configuration names. It may be a node, or a name that stands for any
    /// node.
    pub(super) home: Arc<Node>,
    pub(super) map: ArcSwap<SlotMap<Node>>,
    /// Counts the times that the map changed, or that no node could be asked.
    pub(super) changes: watch::Sender<u64>,
    pub(super) state: Mutex<ClusterState>,
}

/// What changes together with the map. Locked while the map is replaced.
#[derive(Default)]
pub(super) struct ClusterState {
    /// Counts the redirections, so that those that arrived after a node was asked can be told from
    /// those before.
    pub(super) redirections: u64,
    /// Slots whose master a redirection named, each with the number of the redirection.
    pub(super) patches: Vec<(u16, Arc<Node>, u64)>,
    /// The addresses of nodes that left the map. They are asked when no other node answers.
    pub(super) former: Vec<(String, u16)>,
    /// Why the last attempt to ask the nodes failed; `None` if it succeeded.
    pub(super) failure: Option<Error>,
}

impl ClusterShared {
    /// Returns the node at an address. Creates it, without connecting, if it is not in the map.
    pub(super) fn node_at(&self, map: &SlotMap<Node>, host: &str, port: u16) -> Arc<Node> {
        let known = map.nodes().iter().map(|entry| &entry.node).find(|node| node.is_at(host, port));
        known.cloned().unwrap_or_else(|| self.new_node(host, port))
    }

    pub(super) fn new_node(&self, host: &str, port: u16) -> Arc<Node> {
        // With further seeds, the connections of the first one may lead to any of them.
        if self.home.is_at(host, port) && self.settings.nodes.is_empty() {
            return Arc::clone(&self.home);
        }
        let endpoint = Endpoint::Tcp { host: host.to_owned(), port };
        let settings = Settings { endpoint, nodes: Vec::new(), ..Settings::clone(&self.settings) };
        let facts = Arc::new(ServerFacts::new(&settings));
        let origin = Origin::new(Arc::new(settings), facts, self.runtime.clone(), Arc::clone(&self.trouble));
        Arc::new(Node::new(origin))
    }

    /// Returns the node of an entry of a view. Two nodes may spell the address of a third
    /// differently, so the id decides, as long as the node is connected.
    fn viewed_node(&self, map: &SlotMap<Node>, viewed: &ViewedNode, asked: &Node) -> Arc<Node> {
        let host = match (viewed.host.as_str(), asked.address()) {
            ("", Some((host, _))) => host,
            // A lone node does not know its address. It was not reached over TCP.
            ("", None) => return Arc::clone(&self.home),
            (host, _) => host,
        };
        let of_id = map.nodes().iter().find(|entry| entry.id == viewed.id).map(|entry| &entry.node);
        match of_id {
            Some(node) if node.is_at(host, viewed.port) || node.own.is_open() => Arc::clone(node),
            _ => self.node_at(map, host, viewed.port),
        }
    }

    /// Replaces the map by what a node reported. `asked_at` is the number of redirections when the
    /// node was asked: later ones are newer than its report.
    pub(super) fn apply(&self, view: &ClusterView, asked: &Node, asked_at: u64) {
        let mut state = lock(&self.state);
        let old = self.map.load_full();
        let mut created: Vec<Arc<Node>> = Vec::new();
        let mut new = SlotMap::of(view, |viewed| {
            let node = self.viewed_node(&old, viewed, asked);
            // An address that the view names twice is one node.
            let same =
                node.address().and_then(|(host, port)| created.iter().find(|known| known.is_at(host, port)));
            if let Some(same) = same {
                return Arc::clone(same);
            }
            created.push(Arc::clone(&node));
            node
        });
        state.patches.retain(|(_, _, number)| *number > asked_at);
        new.patch(state.patches.iter().map(|(slot, node, _)| (*slot, node)));
        state.failure = None;
        self.replace(&mut state, &old, new);
    }

    /// Replaces the map, and tells the nodes that became masters or stopped being one.
    pub(super) fn replace(&self, state: &mut ClusterState, old: &SlotMap<Node>, new: SlotMap<Node>) {
        let is_change = old.is_empty() || !old.agrees_with(&new);
        for entry in old.nodes() {
            let is_gone = !new.nodes().iter().any(|other| Arc::ptr_eq(&other.node, &entry.node));
            if is_gone && let Some((host, port)) = entry.node.address() {
                state.former.retain(|former| *former != (host.to_owned(), port));
                state.former.push((host.to_owned(), port));
                if state.former.len() > FORMER {
                    state.former.remove(0);
                }
            }
            if is_change && old.is_master(&entry.node) && !new.is_master(&entry.node) {
                entry.node.facts.set_deposed(true);
            }
        }
        if is_change {
            for master in new.masters() {
                master.facts.set_deposed(false);
                if !old.is_master(master) {
                    master.facts.breaker.rest();
                }
            }
            event!(debug, "the slots of the cluster changed", masters = new.masters().count());
        }
        let uses_home = new.nodes().iter().any(|entry| Arc::ptr_eq(&entry.node, &self.home));
        self.map.store(Arc::new(new));
        if old.is_empty() && !uses_home {
            // The connections to the configured name may lead to any node.
            drop(self.home.own.close());
        }
        if is_change {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
