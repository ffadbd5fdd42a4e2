//! Real clusters: nodes, failovers, and slots that move.

mod change;
mod slots;
mod start;
mod view;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub use change::Failover;
pub use slots::{SlotMove, slot_tag};
pub use start::{RealClusterBuilder, shared_cluster};

use crate::RealServer;
use crate::resp::{Client, Reply};
use crate::wait::until;

/// The number of nodes that a cluster can have in its life.
const MOST_NODES: usize = 64;
/// How long WAIT waits, in milliseconds, before the state of the cluster is checked again.
const WAIT_LIMIT: &str = "1000";

/// A private cluster of [`RealServer`]s on loopback ports.
///
/// Nodes have indexes, in the order of their start. A node keeps its index for life, also when its
/// role or its port changes, and the index of a removed node is not used again. A node is *live*
/// while it runs and is not paused.
///
/// All methods block the thread until the change has reached all live nodes.
#[derive(Debug)]
pub struct RealCluster {
    // A fixed number of places, so that `node` can return references while nodes are added.
    places: Box<[OnceLock<Node>]>,
    arguments: Vec<std::ffi::OsString>,
    tls: Option<crate::TlsFiles>,
    shared: bool,
}

#[derive(Debug)]
struct Node {
    server: RealServer,
    id: String, // kept, because a node that is down cannot be asked
    removed: AtomicBool,
}

impl RealCluster {
    /// Starts three masters with one replica each. Nodes `i` and `i + 3` are a master and its
    /// replica.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Returns a builder, to set options before the start.
    pub fn builder() -> RealClusterBuilder {
        RealClusterBuilder::default()
    }

    /// Returns `redis://127.0.0.1:port` of the first node that was not removed, or `rediss://..` of
    /// nodes with TLS.
    pub fn url(&self) -> String {
        let first = *self.members().first().expect("a cluster has nodes");
        self.node(first).url()
    }

    /// Returns `redis://127.0.0.1:port,127.0.0.1:port,..` with all nodes that were not removed.
    pub fn seeds_url(&self) -> String {
        let seeds: Vec<String> =
            self.members().into_iter().map(|node| self.node(node).address().to_string()).collect();
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", seeds.join(","))
    }

    /// Returns the number of nodes ever started, so all indexes are lower.
    #[expect(clippy::len_without_is_empty, reason = "a cluster always has a node")]
    pub fn len(&self) -> usize {
        self.places.iter().take_while(|place| place.get().is_some()).count()
    }

    /// Returns the indexes of the nodes that were not removed. Some of them may be down.
    pub fn members(&self) -> Vec<usize> {
        (0..self.len()).filter(|node| !self.place(*node).removed.load(Ordering::Acquire)).collect()
    }

    /// Returns the indexes of the nodes that run and are not paused.
    pub fn live(&self) -> Vec<usize> {
        let mut members = self.members();
        members.retain(|node| self.node(*node).is_running());
        members
    }

    /// Returns a node, to connect to it or to kill, pause, resume or restart it.
    ///
    /// A restarted node has the same id and no data. Call [`settled`](Self::settled) to wait until
    /// it has joined again.
    pub fn node(&self, node: usize) -> &RealServer {
        &self.place(node).server
    }

    /// Returns the id of a node (CLUSTER MYID), also of one that is down.
    pub fn id(&self, node: usize) -> String {
        self.place(node).id.clone()
    }

    /// Returns the indexes of the masters that are not marked as failed, with or without slots.
    pub fn masters(&self) -> Vec<usize> {
        let view = self.view();
        let masters = view.lines.iter().filter(|line| line.is("master") && !line.is("fail"));
        let mut masters: Vec<usize> = masters.filter_map(|line| self.index(&line.id)).collect();
        masters.sort_unstable();
        masters
    }

    /// Returns the index of the master that owns a slot. It may be down. Panics if the slot has no
    /// owner.
    pub fn master_of(&self, slot: u16) -> usize {
        let view = self.view();
        let owner = view.owner(slot).unwrap_or_else(|| panic!("slot {slot} has no owner"));
        self.index(&owner.id).expect("the owner is a member")
    }

    /// Returns the indexes of the replicas of a master that are not marked as failed.
    pub fn replicas_of(&self, master: usize) -> Vec<usize> {
        let (view, master) = (self.view(), self.id(master));
        let replicas = view.replicas_of(&master).filter(|line| !line.is("fail"));
        let mut replicas: Vec<usize> = replicas.filter_map(|line| self.index(&line.id)).collect();
        replicas.sort_unstable();
        replicas
    }

    /// Waits until each live master streams its writes to all its live replicas, so that a failover
    /// loses nothing that was written before.
    ///
    /// Replicas that report a link to their master may still not receive writes, so this writes to
    /// each master and waits for the acknowledgements.
    pub fn replicated(&self) {
        until("the replicas receive writes", || {
            let view = self.view();
            self.live().into_iter().try_for_each(|node| self.streams(&view, node))
        });
    }

    /// Waits until the cluster serves all slots, all live nodes agree on members, roles and slots,
    /// all other nodes are marked as failed, and all live replicas receive writes.
    pub fn settled(&self) {
        until("the cluster settles", || {
            let view = self.agreement()?;
            let live = self.live();
            for view in self.views()? {
                for down in self.members().into_iter().filter(|node| !live.contains(node)) {
                    if !view.line(&self.id(down)).is_some_and(|line| line.is("fail")) {
                        return Err(format!("node {} has not noticed that node {down} is down", view.node));
                    }
                }
            }
            for &node in &live {
                let info = self.ask(node, &["INFO", "replication"])?.to_string();
                if info.contains("role:slave") && !info.contains("master_link_status:up") {
                    return Err(format!("node {node} has no link to its master:\n{info}"));
                }
            }
            live.into_iter().try_for_each(|node| self.streams(&view, node))
        });
    }

    /// Writes to a master and checks that all its live replicas received it. Does nothing for a
    /// replica, and for a master without live replicas or without slots.
    fn streams(&self, view: &view::View, master: usize) -> Result<(), String> {
        let own = self.view_of(master)?;
        let line = own.myself();
        let replicas = view.replicas_of(&line.id).filter_map(|replica| self.index(&replica.id));
        let replicas = replicas.filter(|replica| self.node(*replica).is_running()).count();
        let slot = line.slots.iter().cloned().flatten().find(|slot| !line.open.contains(slot));
        let (Some(slot), true) = (slot, replicas > 0 && line.is("master")) else { return Ok(()) };
        let key = format!("{}harness", slot_tag(slot));
        let mut client = self.control(master)?;
        // The key is deleted at once: tests may count the keys.
        for command in [&["SET", &key, ""][..], &["DEL", &key]] {
            if let Reply::Error(error) = call(&mut client, command)? {
                return Err(format!("node {master}: {}: {error}", command[0]));
            }
        }
        match call(&mut client, &["WAIT", &replicas.to_string(), WAIT_LIMIT])? {
            Reply::Integer(count) if usize::try_from(count).is_ok_and(|count| count >= replicas) => Ok(()),
            other => Err(format!("{other} of {replicas} replicas of node {master} received a write")),
        }
    }

    fn place(&self, node: usize) -> &Node {
        self.places
            .get(node)
            .and_then(OnceLock::get)
            .unwrap_or_else(|| panic!("the cluster has no node {node}"))
    }

    /// Returns the index of the node with an id.
    fn index(&self, id: &str) -> Option<usize> {
        self.members().into_iter().find(|node| self.place(*node).id == id)
    }

    fn control(&self, node: usize) -> Result<Client, String> {
        self.node(node).control().map_err(|error| format!("node {node}: {error}"))
    }

    /// Runs a command on a node. The server's errors are replies.
    fn ask<A: AsRef<[u8]>>(&self, node: usize, command: &[A]) -> Result<Reply, String> {
        call(&mut self.control(node)?, command).map_err(|error| format!("node {node}: {error}"))
    }

    /// Runs a command on a node that must reply OK.
    fn order<A: AsRef<[u8]>>(&self, node: usize, command: &[A]) {
        let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect();
        match self.ask(node, command) {
            Ok(Reply::Status(status)) if status == "OK" => {}
            Ok(other) => panic!("node {node}: {}: {other}", words.join(" ")),
            Err(error) => panic!("{}: {error}", words.join(" ")),
        }
    }

    fn refuse_if_shared(&self) {
        assert!(!self.shared, "the shared cluster must not be disturbed: start a private one");
    }
}

fn call<A: AsRef<[u8]>>(client: &mut Client, command: &[A]) -> Result<Reply, String> {
    client.call(command).map_err(|error| error.to_string())
}
