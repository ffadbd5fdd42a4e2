//! What connections are doing, as data.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bb8_redis::bb8;
use serde::Serialize;

use crate::connect::pool::Pool;
use crate::connect::settings::Fingerprint;

/// What [`Redis::stats`](crate::Redis::stats) says; serialises for a status page.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many pools this handle uses.
    pub total: usize,
    /// Whether the handle was closed; it has no pools then.
    pub closed: bool,
    /// Each of them.
    pub connections: Vec<PoolStats>,
    /// What the fills of `get_or_set` came to.
    pub fills: FillStats,
    /// How many reads were answered by a miss because Redis was away; see [`OnUnavailable`](crate::OnUnavailable).
    pub degraded: u64,
}

/// One pool: the connections of one configuration on one runtime.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PoolStats {
    /// The identity of the configuration.
    pub key: Fingerprint,
    /// How many keyspaces of this process use the pool.
    pub refs: usize,
    /// Whether commands can be expected to go through.
    pub status: Status,
    /// The server's address, without user and password.
    pub endpoint: String,
    /// The logical database.
    pub db: u16,
    /// Open lanes: connections that stateless commands share.
    pub lanes: usize,
    /// Requests on the lanes that wait for their replies.
    pub in_flight: usize,
    /// Requests that wait for a lane to be connected.
    pub queued: usize,
    /// Connections that are checked out exclusively.
    pub exclusives_in_use: u32,
    /// Exclusive connections that wait for a user.
    pub exclusives_idle: u32,
    /// Callers that wait for an exclusive connection.
    pub exclusives_waiting: usize,
    /// How long callers have waited for exclusive connections so far, all together, in milliseconds.
    pub exclusives_wait_ms: u64,
    /// Exclusive connections that were closed, and why.
    pub exclusives_closed: ClosedStats,
    /// Connections made so far.
    pub connects: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
    /// Lanes that broke.
    pub lost_lanes: u64,
    /// Whether commands are tried at all.
    pub breaker: BreakerState,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
    /// What went wrong last: why an attempt to connect failed, or a lane broke.
    pub last_error: Option<String>,
}

/// How many exclusive connections of a pool were closed for which reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClosedStats {
    /// The connection broke, its last user left it in a state that nobody else can use, or it could not be made at all.
    pub broken: u64,
    /// It gave no sign of life after a while idle.
    pub invalid: u64,
    /// Nobody used it for long.
    pub idle: u64,
    /// It was old.
    pub old: u64,
}

/// Whether a pool tries commands at all; see [`RedisBuilder::breaker`](crate::RedisBuilder::breaker).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Commands go to the server.
    Closed,
    /// The server failed several times in a row: commands fail at once.
    Open,
    /// As open, and just now the pool looks whether the server is back.
    HalfOpen,
}

/// Whether commands can be expected to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Nothing has needed a connection yet.
    Idle,
    /// Connected.
    Ready,
    /// The last attempt to connect failed, or the connections were lost and nothing has asked for new ones.
    Disconnected,
}

/// What became of `get_or_set`, since the handle was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FillStats {
    /// The value was there.
    pub hits: u64,
    /// The value was not there, and the loader ran.
    pub misses: u64,
    /// The value was there, and was loaded anew before its lifetime was over.
    pub refreshed: u64,
    /// The lifetime of the value was over, and its stale copy was given.
    pub stale: u64,
    /// It was known that there is no value.
    pub absent: u64,
    /// The loader failed, or was not done within its hard timeout.
    pub failed: u64,
    /// What the loader gave was not stored, because the key was written or deleted while it ran.
    pub superseded: u64,
    /// The value was not there, and another caller's loader ran for this one too.
    pub coalesced: u64,
    /// The value was there but could not be decoded, and the loader ran.
    pub undecodable: u64,
    /// What the loader gave could not be stored; its caller got it all the same.
    pub not_stored: u64,
}

/// What a handle counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) fills: Fills,
    pub(crate) degraded: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Fills {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) refreshed: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) absent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) superseded: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) not_stored: AtomicU64,
}

impl Stats {
    pub(crate) fn new<'p>(
        pools: impl Iterator<Item = &'p Arc<Pool>>,
        closed: bool,
        counters: &Counters,
    ) -> Self {
        let Counters { fills, degraded } = counters;
        // Several keyspaces may share a pool.
        let pools: HashMap<_, _> = pools.map(|pool| (Arc::as_ptr(pool), pool)).collect();
        let mut connections: Vec<_> = pools.values().map(|pool| PoolStats::new(pool)).collect();
        connections.sort_by_key(|pool| (pool.db, pool.key));
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            total: connections.len(),
            closed,
            connections,
            fills: FillStats {
                hits: read(&fills.hits),
                misses: read(&fills.misses),
                refreshed: read(&fills.refreshed),
                stale: read(&fills.stale),
                absent: read(&fills.absent),
                failed: read(&fills.failed),
                superseded: read(&fills.superseded),
                coalesced: read(&fills.coalesced),
                undecodable: read(&fills.undecodable),
                not_stored: read(&fills.not_stored),
            },
            degraded: read(degraded),
        }
    }
}

impl PoolStats {
    fn new(pool: &Pool) -> Self {
        let (lanes, in_flight) = pool.lanes();
        let bb8::State { connections: exclusives, idle_connections: exclusives_idle, statistics, .. } =
            pool.checked_out();
        let connects = pool.health.connects.load(Ordering::Relaxed);
        let failed_connects = pool.health.failed_connects.load(Ordering::Relaxed);
        let status = if lanes > 0 || (pool.is_external() && exclusives > 0) {
            Status::Ready
        } else if connects + failed_connects == 0 {
            Status::Idle
        } else if exclusives > 0 && !pool.health.is_failing() {
            Status::Ready
        } else {
            Status::Disconnected
        };
        Self {
            key: pool.fingerprint,
            refs: pool.refs.load(Ordering::Relaxed),
            status,
            endpoint: pool.settings.endpoint.to_string(),
            db: pool.settings.db,
            lanes,
            in_flight,
            queued: pool.queued(),
            exclusives_in_use: exclusives.saturating_sub(exclusives_idle),
            exclusives_idle,
            exclusives_waiting: pool.waiting(),
            exclusives_wait_ms: u64::try_from(statistics.get_wait_time.as_millis()).unwrap_or(u64::MAX),
            exclusives_closed: ClosedStats {
                broken: statistics.connections_closed_broken,
                invalid: statistics.connections_closed_invalid,
                idle: statistics.connections_closed_idle_timeout,
                old: statistics.connections_closed_max_lifetime,
            },
            connects,
            failed_connects,
            lost_lanes: pool.health.lost_lanes.load(Ordering::Relaxed),
            breaker: pool.health.breaker.state(),
            breaker_opened: pool.health.breaker.opened(),
            last_error: pool.health.last_error(),
        }
    }
}
