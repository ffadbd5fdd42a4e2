//! The faults, and when they began and ended.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::witness::{Witness, accepts_until};
use crate::{Party, RealSentinels, Switch};

/// How long a paused master stays paused after the switch, and a minority stays alone.
const AWAY: Duration = Duration::from_secs(1);
/// The pause between two faults that belong together.
const MOMENT: Duration = Duration::from_millis(300);
/// How long after a sentinel named a new master the tasks may still write to the old one.
const GRACE: Duration = Duration::from_secs(1);
/// How long a resumed server takes at most to execute what it received while it was paused.
const QUEUED: Duration = Duration::from_millis(200);

/// What disturbs the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentinelFault {
    /// The master is killed, and starts again after the tasks write to the new one.
    Kill,
    /// The master is killed, and starts again as soon as a sentinel names the new one.
    Restart,
    /// The master freezes, and goes on a second after a sentinel named the new one.
    Pause,
    /// A sentinel replaces the master (SENTINEL FAILOVER).
    Failover,
    /// Two sentinels are killed one by one, then the third replaces the master.
    Sentinels,
    /// The program, the master and a sentinel are separated from the others, who choose a new
    /// master.
    Minority,
}

impl fmt::Display for SentinelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Failover => "failover",
            Self::Sentinels => "sentinels",
            Self::Minority => "minority",
        })
    }
}

/// What happened in a run.
#[derive(Debug)]
pub struct Timeline {
    pub began: Instant,
    /// When the program could first reach the promoted replica.
    pub promoted: Instant,
    /// The first announcement of the new master by a sentinel that the program reaches.
    pub first: Switch,
    /// The last sentinel's first announcement.
    pub last: Switch,
    /// How many masters were announced. Rarely, two sentinels each choose one, one after the other.
    pub masters: usize,
    /// When the last announcement of any master arrived.
    pub settled: Instant,
    /// When the old master was resumed.
    pub resumed: Option<SystemTime>,
    /// When the old master accepted the last write of the witness.
    pub accepted: Option<Instant>,
    /// When the old master executed writes of the tasks.
    pub writes: Vec<SystemTime>,
}

impl SentinelFault {
    /// Every fault, once.
    pub const ALL: [Self; 6] =
        [Self::Kill, Self::Restart, Self::Pause, Self::Failover, Self::Sentinels, Self::Minority];

    /// Whether the servers must be separable.
    pub(super) fn needs_links(self) -> bool {
        self == Self::Minority
    }

    /// Applies the fault, removes it, and waits until the old master is a replica. `recovered`
    /// waits until all tasks write.
    pub(super) fn apply(
        self,
        servers: &RealSentinels,
        namespace: &str,
        nth: usize,
        recovered: &dyn Fn(Instant),
    ) -> Timeline {
        let old = servers.master();
        let order = sentinels_to_disturb(servers, nth);
        let chosen = order[order.len() - 1];
        let mut witness = Witness::new(servers.node(old), namespace);
        let switches = servers.switches();
        let began = Instant::now();
        let mut resumed = None;
        let mut reachable = None;
        let mut announcing: Vec<usize> = (0..servers.sentinel_count()).collect();
        let promotion;
        match self {
            Self::Kill | Self::Restart => {
                servers.node(old).kill();
                promotion = servers.promoted(old);
                if self == Self::Kill {
                    recovered(promotion.at);
                }
                switches.first();
                servers.node(old).restart();
                witness.watch(servers.node(old));
            }
            Self::Pause => {
                servers.node(old).pause();
                promotion = servers.promoted(old);
                let switch = switches.first();
                thread::sleep((switch.at + AWAY).saturating_duration_since(Instant::now()));
                resumed = Some(SystemTime::now());
                servers.node(old).resume();
            }
            Self::Failover => {
                servers.failover(chosen);
                promotion = servers.promoted(old);
            }
            Self::Sentinels => {
                for &sentinel in &order[..order.len() - 1] {
                    servers.sentinel(sentinel).kill();
                    thread::sleep(MOMENT);
                }
                announcing = vec![chosen];
                servers.failover(chosen);
                promotion = servers.promoted(old);
            }
            Self::Minority => {
                servers.separate(&[Party::Program, Party::Node(old), Party::Sentinel(chosen)]);
                promotion = servers.promoted(old);
                let others: Vec<usize> = order[..order.len() - 1].to_vec();
                switches.last(&others);
                thread::sleep(AWAY);
                reachable = Some(Instant::now());
                servers.reunite();
            }
        }
        let first = if self == Self::Minority { switches.first_of(chosen) } else { switches.first() };
        let last = switches.last(&announcing);
        let accepted = accepts_until(servers.node(old));
        if self == Self::Sentinels {
            for &sentinel in &order[..order.len() - 1] {
                servers.sentinel(sentinel).restart();
            }
        }
        servers.settled();
        let seen = switches.seen();
        let mut masters: Vec<usize> = seen.iter().map(|switch| switch.node).collect();
        masters.sort_unstable();
        masters.dedup();
        Timeline {
            began,
            promoted: reachable.unwrap_or(promotion.at),
            first,
            last,
            masters: masters.len(),
            settled: seen.last().map_or(last.at, |switch| switch.at),
            resumed,
            accepted,
            writes: witness.writes(),
        }
    }
}

/// Returns the sentinels in the order in which they are killed. The last one stays. Those to which
/// the program is subscribed come first.
fn sentinels_to_disturb(servers: &RealSentinels, nth: usize) -> Vec<usize> {
    let count = servers.sentinel_count();
    let mut order: Vec<usize> = (0..count).map(|sentinel| (sentinel + nth) % count).collect();
    order.sort_by_key(|sentinel| {
        let clients = servers.sentinel(*sentinel).redis_cli(&["CLIENT", "LIST"]);
        !clients.lines().any(|client| !client.contains(" sub=0 ") || !client.contains(" psub=0 "))
    });
    order
}

impl Timeline {
    /// The writes of the old master, without those that were sent while it was paused.
    fn counted_writes(&self) -> impl Iterator<Item = SystemTime> {
        let queued = self.resumed.map(|resumed| resumed..=resumed + QUEUED);
        let is_queued = move |at: &SystemTime| queued.as_ref().is_some_and(|queued| queued.contains(at));
        self.writes.iter().copied().filter(move |at| !is_queued(at))
    }

    /// How many writes the old master executed when it was resumed.
    pub fn queued_writes(&self) -> usize {
        self.writes.len() - self.counted_writes().count()
    }

    /// How many writes the old master executed too late.
    pub fn late_writes(&self) -> usize {
        self.counted_writes().filter(|at| *at > self.first.clock + GRACE).count()
    }

    /// When the old master executed the last write.
    pub fn last_write(&self) -> Option<Instant> {
        let at = self.counted_writes().last()?;
        Some(match at.duration_since(self.first.clock) {
            Ok(after) => self.first.at + after,
            Err(before) => self.first.at - before.duration(),
        })
    }

    /// The promotion, or the last write that the old master executed later: from then on, all
    /// writes went to the new one.
    pub fn last_writer_change(&self) -> Instant {
        self.promoted.max(self.last_write().unwrap_or(self.promoted))
    }

    /// Whether a write that was acknowledged in that time can be lost: by the old master, whose
    /// replicas had not received it or were promoted already, or by a replica that was replaced
    /// again.
    pub fn explains_loss(&self, (from, to): (Instant, Instant), unreplicated: Duration) -> bool {
        let until = if self.masters > 1 { self.settled } else { self.first.at };
        to + unreplicated > self.began && from < until + GRACE
    }
}
