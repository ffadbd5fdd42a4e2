//! Failovers, and nodes that come, go and change their ports.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::RealCluster;
use super::view::own_line;
use crate::resp::Reply;
use crate::wait::until;

/// How long a failover may take before it is requested again. A node gives up after five seconds.
const FAILOVER: Duration = Duration::from_secs(10);

/// How a replica is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The old master holds writes back until the replica has everything. No write is lost.
    Graceful,
    /// The old master is not asked, the other masters are. Works if the old master is down.
    Force,
    /// No other node is asked. Works if most masters are down.
    Takeover,
}

impl RealCluster {
    /// Promotes a replica (CLUSTER FAILOVER). Returns when it is a master and all live nodes agree.
    ///
    /// `Graceful` first waits until the replica receives writes. Call [`settled`](Self::settled)
    /// before the next failover of the same master: the old master needs time to become a replica.
    ///
    /// Do not replace the source of a pending [`SlotMove`](super::SlotMove): on Redis 7.0, the
    /// nodes then never agree on the slot, and this panics after [`PATIENCE`](crate::PATIENCE).
    pub fn failover(&self, replica: usize, how: Failover) {
        self.refuse_if_shared();
        let own = until("the replica describes itself", || self.view_of(replica));
        let Some(master) = own.myself().master.as_deref().and_then(|id| self.index(id)) else {
            panic!("node {replica} is not a replica");
        };
        if how == Failover::Graceful {
            assert!(self.node(master).is_running(), "node {master} is down: use `Failover::Force`");
            until("the replica receives writes", || self.streams(&self.view(), master));
        }
        let command: &[&str] = match how {
            Failover::Graceful => &["CLUSTER", "FAILOVER"],
            Failover::Force => &["CLUSTER", "FAILOVER", "FORCE"],
            Failover::Takeover => &["CLUSTER", "FAILOVER", "TAKEOVER"],
        };
        let mut requested: Option<Instant> = None;
        until("the replica is promoted", || {
            if matches!(self.ask(replica, &["ROLE"])?, Reply::Array(role) if role[0].to_string() == "master")
            {
                return Ok(());
            }
            if requested.is_none_or(|requested| requested.elapsed() > FAILOVER) {
                requested = Some(Instant::now());
                self.order(replica, command);
            }
            Err(format!("node {replica} is still a replica"))
        });
        self.agreed();
    }

    /// Waits until a replica of a killed or paused master is promoted and all live nodes agree, and
    /// returns its index.
    pub fn promoted(&self, old_master: usize) -> usize {
        let server = self.node(old_master);
        assert!(
            !server.is_running(),
            "node {old_master} is not down, so the others replace it only by `failover`"
        );
        // The other nodes may have forgotten already which slots it had.
        let file = std::fs::read_to_string(server.dir().join("nodes.conf")).expect("a node has a nodes.conf");
        let slots = own_line(&file).slots;
        let slot = *slots.first().unwrap_or_else(|| panic!("node {old_master} had no slots")).start();
        let view = self.agreed();
        let owner = view.owner(slot).expect("all slots are served");
        self.index(&owner.id).expect("the owner is a member")
    }

    /// Starts a master without slots, and returns its index when all nodes agree on it.
    pub fn add_master(&self) -> usize {
        self.refuse_if_shared();
        let node = self.add_node();
        self.introduce();
        self.settled();
        node
    }

    /// Removes a node and ends it. All nodes must be live.
    ///
    /// The slots and the replicas of a master go to the master with the fewest slots.
    pub fn remove(&self, node: usize) {
        self.forget(node);
        self.node(node).terminate();
        self.settled();
    }

    /// Removes a node, as [`remove`](Self::remove) does, and lets it run. It does not know that the
    /// others have forgotten it (CLUSTER FORGET).
    pub fn forget(&self, node: usize) {
        self.refuse_if_shared();
        assert_eq!(self.live(), self.members(), "all nodes must be live when one is removed");
        let id = self.id(node);
        let view = self.agreed();
        let line = view.line(&id).expect("the node is a member");
        if line.is("master") {
            let others = view.lines.iter().filter(|other| other.is("master") && other.id != id);
            let heir = others.min_by_key(|other| other.slot_count()).expect("another master exists");
            let heir = self.index(&heir.id).expect("the other master is a member");
            let slots: Vec<u16> = line.slots.iter().cloned().flatten().collect();
            self.move_slots(&slots, node, heir);
            self.hand_over_replicas(&id, heir);
        }
        self.place(node).removed.store(true, Ordering::Release);
        for other in self.live() {
            match self.ask(other, &["CLUSTER", "FORGET", &id]) {
                // From version 7.2, the nodes tell each other.
                Ok(Reply::Error(error)) if error.contains("Unknown node") => {}
                reply => {
                    assert_eq!(reply, Ok(Reply::Status("OK".to_owned())), "node {other}: CLUSTER FORGET")
                }
            }
        }
        self.settled();
    }

    /// Makes the replicas of a node replicate another one. Some servers do so by themselves when a
    /// master loses its last slot.
    fn hand_over_replicas(&self, from: &str, to: usize) {
        let heir = self.id(to);
        until("the replicas have another master", || {
            for view in self.views()? {
                if view.myself().master.as_deref() == Some(from) {
                    self.order(view.node, &["CLUSTER", "REPLICATE", &heir]);
                }
            }
            let view = self.agreement()?;
            if view.replicas_of(from).next().is_some() { Err("some have not".to_owned()) } else { Ok(()) }
        });
    }

    /// Ends all nodes and starts each one on another port, empty and with the same id. Nodes that
    /// were down are started, too.
    pub fn restart_all_elsewhere(&self) {
        self.refuse_if_shared();
        let members = self.members();
        let each = |action: &(dyn Fn(usize) + Sync)| {
            thread::scope(|scope| {
                for &node in &members {
                    scope.spawn(move || action(node));
                }
            });
        };
        // At once, or the nodes that end last would see the others fail.
        each(&|node| {
            if self.node(node).has_process() {
                self.node(node).terminate();
            }
        });
        // Held until all nodes have new ports: no node may answer on the old port of another.
        let held = std::sync::Mutex::new(Vec::new());
        each(&|node| {
            let port = self.node(node).start_elsewhere();
            crate::sync::lock(&held).push(port);
        });
        self.introduce();
        self.settled();
    }
}
