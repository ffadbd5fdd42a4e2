//! Statistics of connections.

use std::collections::HashMap;
use std::iter::Sum;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use serde::Serialize;

use super::counters::Counters;
use super::redis::Redis;
use super::sentinels::SentinelStats;
use crate::config::{Endpoint, Fingerprint};
use crate::connect::{BreakerState, Cluster, Node, NodeTotals, Pool};

impl Redis {
    /// Returns the statistics of this handle: its pools and connections, and counters since it was
    /// created. Does no I/O.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// redis.ping().await?;
    /// assert_eq!(redis.stats().connections.len(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let pools = if self.is_closed() { Vec::new() } else { self.pools() };
        let enabled = pools.iter().filter(|pool| !matches!(pool.settings.endpoint, Endpoint::Disabled(_)));
        Stats::new(enabled, self.is_closed(), self.counters())
    }
}

/// The statistics of a handle, returned by [`Redis::stats`](crate::Redis::stats). Serializes for a
/// status page.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The number of pools that this handle uses.
    pub total: usize,
    /// Whether the handle is closed. A closed handle has no pools.
    pub closed: bool,
    /// The pools.
    pub connections: Vec<PoolStats>,
    /// How the calls of `get_or_set` ended.
    pub fills: FillStats,
    /// The number of reads that returned a miss because Redis was unavailable; see
    /// [`OnUnavailable`](crate::command::OnUnavailable).
    pub degraded: u64,
    /// The number of writes that were dropped because the handle is
    /// [disabled](crate::Redis::disabled). Serialized only if it is not 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_writes: u64,
}

/// The statistics of one pool: the connections of one configuration on one runtime.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PoolStats {
    /// The identity of the configuration.
    pub key: Fingerprint,
    /// The number of keyspaces of this process that use the pool.
    pub refs: usize,
    /// Whether commands are likely to succeed.
    pub status: PoolStatus,
    /// The server's address, without user and password. If sentinels name the server, their
    /// addresses and the name of the master; `sentinels` has its address.
    pub endpoint: String,
    /// The logical database.
    pub db: u16,
    /// Open shared connections.
    pub shared_connections: usize,
    /// Requests on shared connections that are waiting for their replies.
    pub in_flight: usize,
    /// Requests that are waiting for a shared connection to be opened.
    pub queued: usize,
    /// Exclusive connections that are checked out.
    pub exclusive_connections_in_use: u32,
    /// Exclusive connections that are idle.
    pub exclusive_connections_idle: u32,
    /// Callers that are waiting for an exclusive connection.
    pub exclusive_connections_waiting: usize,
    /// The total time that callers waited for exclusive connections, in milliseconds. Callers that
    /// stopped waiting count too, except on a [pool of the application](crate::Redis::from_pool).
    pub exclusive_connections_wait_ms: u64,
    /// Exclusive connections that were closed, by reason.
    pub exclusive_connections_closed: ClosedConnections,
    /// Subscriptions to channels, patterns and changes of keys. Serialized only if it is not 0.
    #[serde(skip_serializing_if = "is_none")]
    pub subscriptions: usize,
    /// Open connections for subscriptions. Serialized only if it is not 0.
    #[serde(skip_serializing_if = "is_none")]
    pub subscription_connections: usize,
    /// Connections that were opened.
    pub connects: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
    /// Shared connections, and connections for subscriptions, that were lost.
    pub lost_connections: u64,
    /// The state of the circuit breaker.
    pub breaker: BreakerState,
    /// How often the circuit breaker opened.
    pub breaker_opened: u64,
    /// The last error of a connection attempt, of a shared connection, or of one for subscriptions.
    pub last_error: Option<String>,
    /// The nodes, if the server is a cluster or reads use replicas: the numbers above are their
    /// sums, and `breaker` is the worst state among the masters. What nodes counted that have left
    /// the cluster is included in the sums. The server that the configuration names is listed too,
    /// without slots, if it is no node by that name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStats>,
    /// The sentinels, if they name the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinels: Option<SentinelStats>,
}

/// The statistics of one node: of a cluster, or of a master and its replicas.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct NodeStats {
    /// The node's address.
    pub endpoint: String,
    /// The number of slots that it serves. 0 for a replica.
    pub slots: usize,
    /// What is known about a replica that [reads](crate::command::Reads) use; `None` for other
    /// nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaStats>,
    /// Open shared connections.
    pub shared_connections: usize,
    /// Requests on shared connections that are waiting for their replies.
    pub in_flight: usize,
    /// Requests that are waiting for a shared connection to be opened.
    pub queued: usize,
    #[serde(skip)]
    exclusive: ExclusiveStats,
    /// Connections that were opened.
    pub connects: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
    /// Shared connections, and connections for subscriptions, that were lost.
    pub lost_connections: u64,
    /// The state of the circuit breaker.
    pub breaker: BreakerState,
    /// How often the circuit breaker opened.
    pub breaker_opened: u64,
    /// The last error of a connection attempt, of a shared connection, or of one for subscriptions.
    pub last_error: Option<String>,
}

/// What is known about a replica that reads use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReplicaStats {
    /// Whether reads use it: it is connected to its master, and has most of its data.
    pub in_sync: bool,
    /// The average time of a round trip in milliseconds, if it is known. Reads prefer near
    /// replicas.
    pub latency_ms: Option<f64>,
}

/// The number of exclusive connections of a pool that were closed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClosedConnections {
    /// The connection broke, or could not be opened.
    pub broken: u64,
    /// The caller left the connection in a state that other callers can't use: on another database,
    /// with a `WATCH` or a `MULTI`, or with a command in flight.
    pub modified: u64,
    /// The connection did not respond after it was idle.
    pub invalid: u64,
    /// The connection exceeded the idle timeout.
    pub idle: u64,
    /// The connection exceeded its maximum lifetime.
    pub old: u64,
}

/// Whether commands on a pool are likely to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PoolStatus {
    /// No command has needed a connection yet.
    Idle,
    /// The pool is connected.
    Ready,
    /// The last attempt to connect failed, or the connections were lost and no command has needed
    /// new ones.
    Disconnected,
}

/// The number of `get_or_set` calls since the handle was created, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FillStats {
    /// The value existed.
    pub hits: u64,
    /// The value did not exist, and the loader ran.
    pub misses: u64,
    /// The value existed and was reloaded before it expired.
    pub refreshed: u64,
    /// The value had expired, and its stale copy was returned.
    pub stale: u64,
    /// A negative entry existed, so the loader did not run.
    pub absent: u64,
    /// The loader failed, exceeded its hard timeout, or returned a value that can't be encoded.
    pub failed: u64,
    /// The loaded value was not stored, because the key was written or deleted while the loader
    /// ran.
    pub superseded: u64,
    /// The value did not exist, and the call shared the load of another caller.
    pub coalesced: u64,
    /// The value could not be decoded, and the loader ran.
    pub undecodable: u64,
    /// The loaded value could not be stored; the caller still received it.
    pub not_stored: u64,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Stats {
    fn new<'p>(pools: impl Iterator<Item = &'p Arc<Pool>>, closed: bool, counters: &Counters) -> Self {
        let Counters { fills, degraded, dropped_writes } = counters;
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
            dropped_writes: read(dropped_writes),
        }
    }
}

impl PoolStats {
    fn new(pool: &Pool) -> Self {
        let nodes: Vec<_> = pool.nodes().iter().map(|(node, slots)| NodeStats::new(node, *slots)).collect();
        let is_cluster = pool.cluster().is_some();
        let external = pool.external_state().map(ExclusiveStats::of);
        let left = pool.cluster().map(Cluster::totals_of_left).unwrap_or_default();
        let subscriptions = pool.subscriptions();
        let exclusives = nodes.iter().map(|node| node.exclusive).chain(external);
        let exclusive: ExclusiveStats = exclusives.chain([ExclusiveStats::of_left(&left)]).sum();
        let sum = |count: fn(&NodeStats) -> usize| nodes.iter().map(count).sum::<usize>();
        let count = |counted: fn(&NodeStats) -> u64, of_pool: &AtomicU64| {
            // The connections of an application's pool belong to no node.
            if nodes.is_empty() { of_pool.load(Ordering::Relaxed) } else { nodes.iter().map(counted).sum() }
        };
        let shared_connections = sum(|node| node.shared_connections);
        let is_of_master = |node: &&NodeStats| node.replica.is_none();
        let of_masters = nodes.iter().filter(is_of_master).any(|node| node.shared_connections > 0);
        let connects = count(|node| node.connects, &pool.facts.connects) + left.connects;
        let failed_connects =
            count(|node| node.failed_connects, &pool.facts.failed_connects) + left.failed_connects;
        let is_failing = pool.facts.is_failing() && !is_cluster;
        let status = if of_masters || (pool.is_external() && exclusive.connections > 0) {
            PoolStatus::Ready
        } else if connects + failed_connects == 0 {
            PoolStatus::Idle
        } else if exclusive.connections > 0 && !is_failing {
            PoolStatus::Ready
        } else {
            PoolStatus::Disconnected
        };
        // On a cluster, the configured server counts only if it is one of the nodes.
        let counted = nodes.iter().filter(|node| node.slots > 0 || (!is_cluster && node.replica.is_none()));
        let worst = counted.map(|node| node.breaker).max_by_key(|state| state.severity());
        Self {
            key: pool.fingerprint,
            refs: pool.keyspaces.load(Ordering::Relaxed),
            status,
            endpoint: pool.settings.endpoint.to_string(),
            db: pool.settings.db,
            shared_connections,
            in_flight: sum(|node| node.in_flight),
            queued: sum(|node| node.queued),
            exclusive_connections_in_use: exclusive.connections.saturating_sub(exclusive.idle),
            exclusive_connections_idle: exclusive.idle,
            exclusive_connections_waiting: exclusive.waiting,
            exclusive_connections_wait_ms: exclusive.wait_ms,
            exclusive_connections_closed: exclusive.closed,
            subscriptions: subscriptions.subscriptions,
            subscription_connections: subscriptions.connections,
            connects,
            failed_connects,
            lost_connections: count(|node| node.lost_connections, &pool.facts.lost_connections)
                + left.lost_connections,
            breaker: worst.unwrap_or_else(|| pool.facts.breaker.state()),
            breaker_opened: if nodes.is_empty() {
                pool.facts.breaker.opened()
            } else {
                nodes.iter().map(|node| node.breaker_opened).sum::<u64>() + left.breaker_opened
            },
            last_error: pool
                .facts
                .last_error()
                .or_else(|| nodes.iter().find_map(|node| node.last_error.clone())),
            nodes: if is_cluster || nodes.len() > 1 { nodes } else { Vec::new() },
            sentinels: SentinelStats::of(pool),
        }
    }
}

impl NodeStats {
    fn new(node: &Node, slots: usize) -> Self {
        let (shared_connections, in_flight) = node.lanes();
        let facts = &node.facts;
        let mut exclusive = node.exclusives().map_or_else(ExclusiveStats::default, ExclusiveStats::of);
        let modified = facts.modified_connections.load(Ordering::Relaxed);
        exclusive.closed.broken = exclusive.closed.broken.saturating_sub(modified);
        exclusive.closed.modified = modified;
        exclusive.waiting = node.waiting();
        exclusive.wait_ms = millis(node.waited());
        Self {
            endpoint: node.settings.endpoint.to_string(),
            slots,
            replica: node.is_replica.then(|| {
                let (in_sync, latency) = node.condition();
                ReplicaStats { in_sync, latency_ms: latency.map(|latency| latency.as_secs_f64() * 1000.0) }
            }),
            shared_connections,
            in_flight,
            queued: node.queued(),
            exclusive,
            connects: facts.connects.load(Ordering::Relaxed),
            failed_connects: facts.failed_connects.load(Ordering::Relaxed),
            lost_connections: facts.lost_connections.load(Ordering::Relaxed),
            breaker: facts.breaker.state(),
            breaker_opened: facts.breaker.opened(),
            last_error: facts.last_error(),
        }
    }
}

/// The state of a pool of exclusive connections.
#[derive(Debug, Clone, Copy, Default)]
struct ExclusiveStats {
    connections: u32,
    idle: u32,
    waiting: usize,
    wait_ms: u64,
    closed: ClosedConnections,
}

impl ExclusiveStats {
    fn of_left(left: &NodeTotals) -> Self {
        Self {
            wait_ms: millis(left.waited),
            closed: ClosedConnections {
                broken: left.closed_broken,
                modified: left.closed_modified,
                invalid: left.closed_invalid,
                idle: left.closed_idle,
                old: left.closed_old,
            },
            ..Self::default()
        }
    }

    fn of(state: bb8::State) -> Self {
        let bb8::State { connections, idle_connections: idle, statistics, .. } = state;
        Self {
            connections,
            idle,
            waiting: 0,
            wait_ms: millis(statistics.get_wait_time),
            closed: ClosedConnections {
                broken: statistics.connections_closed_broken,
                modified: 0,
                invalid: statistics.connections_closed_invalid,
                idle: statistics.connections_closed_idle_timeout,
                old: statistics.connections_closed_max_lifetime,
            },
        }
    }
}

impl Sum for ExclusiveStats {
    fn sum<I: Iterator<Item = Self>>(states: I) -> Self {
        states.fold(Self::default(), |sum, state| Self {
            connections: sum.connections + state.connections,
            idle: sum.idle + state.idle,
            waiting: sum.waiting + state.waiting,
            wait_ms: sum.wait_ms.saturating_add(state.wait_ms),
            closed: ClosedConnections {
                broken: sum.closed.broken + state.closed.broken,
                modified: sum.closed.modified + state.closed.modified,
                invalid: sum.closed.invalid + state.closed.invalid,
                idle: sum.closed.idle + state.closed.idle,
                old: sum.closed.old + state.closed.old,
            },
        })
    }
}
