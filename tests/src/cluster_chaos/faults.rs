//! The faults, and when they began and ended.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::network::Network;
use super::slots::{slot_of, slots_of};
use crate::chaos::FAULTS;
use crate::load::TASKS;
use crate::resp::{Client, Reply};
use crate::{Failover, Fault, Proxy, RealCluster, slot_tag};

/// The interval between two questions whether a replica was promoted.
const POLL: Duration = Duration::from_millis(2);
/// How long a fault lasts after the tasks have recovered from it.
const MOMENT: Duration = Duration::from_millis(300);
/// How often a fault of the connections begins.
const FLICKERS: u32 = 5;
/// How many slots are moved there and back.
const SLOTS: usize = 4;
/// How many increments the witness sends.
const WITNESSED: usize = 20;

/// What disturbs the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterFault {
    /// A master is killed, and starts again after its replica was promoted.
    Kill,
    /// The same, while the other masters go on without the slots of the killed one.
    KillUncovered,
    /// A replica takes over (CLUSTER FAILOVER).
    Failover,
    /// A master freezes, and goes on after the tasks write to its promoted replica.
    Freeze,
    /// A master freezes, and goes on as soon as its replica is promoted, while commands of the
    /// tasks still wait for its replies.
    FreezeBriefly,
    /// Slots move to another master one by one, and back.
    Move,
    /// A master is added and gets slots, then another one is removed.
    Join,
    /// The program can no longer reach a master, whose replica then takes over.
    Partition,
    /// The connections to a master lose, delay, cut and corrupt commands and replies.
    Network,
    /// All nodes restart on other ports behind the same names.
    Elsewhere,
}

impl fmt::Display for ClusterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::KillUncovered => "kill-uncovered",
            Self::Failover => "failover",
            Self::Freeze => "freeze",
            Self::FreezeBriefly => "freeze-briefly",
            Self::Move => "move",
            Self::Join => "join",
            Self::Partition => "partition",
            Self::Network => "network",
            Self::Elsewhere => "elsewhere",
        })
    }
}

/// What happened in a run.
#[derive(Debug)]
pub struct Timeline {
    pub began: Instant,
    /// The promotion of the replica, or else the end of the change.
    pub reference: Instant,
    /// When the fault was removed.
    pub ended: Instant,
    /// The slots of the master that was disturbed.
    pub slots: Vec<(u16, u16)>,
    /// How many increments of the witness the old master acknowledged and refused.
    pub witness: Option<(usize, usize)>,
}

impl ClusterFault {
    /// Every fault, once.
    pub const ALL: [Self; 10] = [
        Self::Kill,
        Self::KillUncovered,
        Self::Failover,
        Self::Freeze,
        Self::FreezeBriefly,
        Self::Move,
        Self::Join,
        Self::Partition,
        Self::Network,
        Self::Elsewhere,
    ];

    /// The settings of the nodes.
    pub(super) fn settings(self) -> &'static [&'static str] {
        match self {
            Self::KillUncovered => &["--cluster-require-full-coverage", "no"],
            // Nodes that are all restarted at the same time must keep their data.
            Self::Elsewhere => &["--appendonly", "yes"],
            _ => &[],
        }
    }

    pub(super) fn needs_proxies(self) -> bool {
        matches!(self, Self::Partition | Self::Network)
    }

    /// Whether a master that was replaced can have acknowledged writes that its replica did not
    /// receive.
    pub(super) fn can_lose(self) -> bool {
        matches!(self, Self::Kill | Self::KillUncovered | Self::Freeze | Self::FreezeBriefly)
    }

    /// Whether a replica is promoted.
    pub(super) fn promotes(self) -> bool {
        !matches!(self, Self::Move | Self::Join | Self::Network | Self::Elsewhere)
    }

    pub(super) fn moves_slots(self) -> bool {
        matches!(self, Self::Move | Self::Join)
    }

    /// Applies the fault to a master, and removes it. `recovered` waits until all tasks write.
    pub(super) fn apply(
        self,
        cluster: &RealCluster,
        network: &Network,
        master: usize,
        recovered: &dyn Fn(Instant) -> Duration,
    ) -> Timeline {
        let slots = slots_of(cluster, master);
        let mut witness = Witness::new(cluster, master, slots[0].0);
        let replica = || cluster.replicas_of(master)[0];
        let began = Instant::now();
        let (mut witnessed, mut resumed) = (None, None);
        let reference = match self {
            Self::Kill | Self::KillUncovered => {
                let promotion = promotion(cluster, replica());
                cluster.node(master).kill();
                let promoted = promotion.join().expect("the replica is promoted");
                recovered(promoted);
                cluster.node(master).restart();
                promoted
            }
            Self::Failover => fail_over(cluster, replica()),
            Self::Freeze | Self::FreezeBriefly => {
                let promotion = promotion(cluster, replica());
                cluster.node(master).pause();
                let promoted = promotion.join().expect("the replica is promoted");
                witness.send();
                if self == Self::Freeze {
                    recovered(promoted);
                }
                resumed = Some(Instant::now());
                cluster.node(master).resume();
                witnessed = Some(witness.receive());
                promoted
            }
            Self::Move => {
                let other = cluster.masters().into_iter().find(|other| *other != master);
                let other = other.expect("three masters");
                for slot in task_slots(&slots).into_iter().take(SLOTS) {
                    move_slowly(cluster, slot, other);
                    move_slowly(cluster, slot, master);
                }
                Instant::now()
            }
            Self::Join => {
                let added = cluster.add_master();
                for slot in task_slots(&slots).into_iter().take(SLOTS) {
                    move_slowly(cluster, slot, added);
                }
                cluster.remove(master);
                Instant::now()
            }
            Self::Partition => {
                let replica = replica();
                network.proxy(master).set(Fault::BlackHole);
                thread::sleep(MOMENT);
                let promoted = fail_over(cluster, replica);
                witness.send();
                witnessed = Some(witness.receive());
                recovered(promoted);
                network.proxy(master).set(Fault::Pass);
                network.proxy(master).cut_all();
                promoted
            }
            Self::Network => {
                let proxy = network.proxy(master);
                for fault in FAULTS {
                    flicker(proxy, fault);
                }
                proxy.refuse(true);
                proxy.cut_all();
                thread::sleep(MOMENT);
                proxy.refuse(false);
                Instant::now()
            }
            Self::Elsewhere => {
                cluster.restart_all_elsewhere();
                Instant::now()
            }
        };
        let ended = resumed.unwrap_or_else(Instant::now);
        thread::sleep(MOMENT);
        Timeline { began, reference, ended, slots, witness: witnessed }
    }
}

/// Applies a fault to commands, with pauses.
fn flicker(proxy: &Proxy, fault: Fault) {
    for _ in 0..FLICKERS {
        proxy.set(fault);
        thread::sleep(MOMENT / FLICKERS);
        proxy.set(Fault::Pass);
        thread::sleep(MOMENT / FLICKERS);
    }
}

/// Watches a replica. The thread returns when it was first seen as a master.
fn promotion(cluster: &RealCluster, replica: usize) -> thread::JoinHandle<Instant> {
    let mut client = cluster.node(replica).client();
    thread::spawn(move || {
        loop {
            match client.call(&["ROLE"]) {
                Ok(Reply::Array(role)) if role[0].to_string() == "master" => return Instant::now(),
                Ok(_) => thread::sleep(POLL),
                Err(error) => panic!("the replica does not answer: {error}"),
            }
        }
    })
}

fn fail_over(cluster: &RealCluster, replica: usize) -> Instant {
    let promotion = promotion(cluster, replica);
    cluster.failover(replica, Failover::Graceful);
    promotion.join().expect("the replica is promoted")
}

/// The slots of the counters that are among these.
fn task_slots(ranges: &[(u16, u16)]) -> Vec<u16> {
    let slots = (0..TASKS).map(|task| slot_of(&task.to_string()));
    let mut slots: Vec<u16> =
        slots.filter(|slot| ranges.iter().any(|(first, last)| (*first..=*last).contains(slot))).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// Moves a slot in steps, between which tasks use it.
fn move_slowly(cluster: &RealCluster, slot: u16, to: usize) {
    let moving = cluster.begin_move(slot, to);
    for _ in 0..10 {
        moving.move_keys(10);
        thread::sleep(POLL);
    }
    moving.finish();
}

/// A connection to a master that shows what it still acknowledges.
struct Witness {
    client: Client,
    key: String,
}

impl Witness {
    fn new(cluster: &RealCluster, master: usize, slot: u16) -> Self {
        Self { client: cluster.node(master).client(), key: format!("{}witness", slot_tag(slot)) }
    }

    fn send(&mut self) {
        let increment: &[&str] = &["INCR", &self.key];
        self.client.send_all(&[increment; WITNESSED]).expect("the connection is open");
    }

    /// Returns how many increments were acknowledged and refused.
    fn receive(&mut self) -> (usize, usize) {
        let replies = (0..WITNESSED).map(|_| self.client.receive());
        let acknowledged = replies.filter(|reply| matches!(reply, Ok(Reply::Integer(_)))).count();
        (acknowledged, WITNESSED - acknowledged)
    }
}
