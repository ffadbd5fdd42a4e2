//! What is known about the sentinels of a master.

use serde::Serialize;

use crate::config::Endpoint;
use crate::connect::{Pool, SentinelStatus};

/// The sentinels that name the master of a pool, in [`Health`](crate::health::Health) and
/// [`PoolStats`](crate::stats::PoolStats).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SentinelStats {
    /// The address of the master that they name. `None` until one of them has answered.
    pub master: Option<String>,
    /// How many sentinels are known: those of the configuration, those that were learned from them,
    /// and those that they count.
    pub known: usize,
    /// How many of them answered when they were asked last, which is at most two seconds ago.
    pub answering: usize,
    /// Whether more than half of them answer. Otherwise another server may have become the master
    /// without this program knowing it, and commands may still go to the old one.
    pub has_majority: bool,
    /// How often another server became the master.
    pub switches: u64,
}

impl SentinelStats {
    /// Returns what is known, if sentinels name the server of the pool.
    pub(super) fn of(pool: &Pool) -> Option<Self> {
        let status = pool.sentinels()?;
        let has_majority = status.has_majority();
        let SentinelStatus { known, answering, master, switches } = status;
        let master = master.map(|(host, port)| Endpoint::Tcp { host, port }.to_string());
        Some(Self { master, known, answering, has_majority, switches })
    }
}
