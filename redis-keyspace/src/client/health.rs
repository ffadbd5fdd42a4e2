//! Health checks.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde::Serialize;
use tokio::time::Instant;

use super::binding::Binding;
use super::redis::Redis;
use super::run::{run, run_at};
use super::sentinels::SentinelStats;
use crate::connect::BreakerState;
use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyText;
use crate::protocol::{Keys, Packet, Reply, Request, read};
use crate::time::Deadline;

/// The default timeout of a check: short, because a health endpoint waits for it.
const LIMIT: Duration = Duration::from_secs(1);
/// The key that a write probe writes.
pub(crate) const HEALTH_PROBE: &str = "redis-keyspace:health";
/// The TTL of that key, in milliseconds.
const PROBE_LIFETIME: u32 = 1000;

/// The health of a server, returned by [`Redis::health`]. Serializes for a health endpoint.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether the server answered in time, runs commands, and accepted the write if one was
    /// requested.
    pub healthy: bool,
    /// The server's address, without user and password. If sentinels name the server, their
    /// addresses and the name of the master; `sentinels` has its address.
    pub endpoint: String,
    /// How long the reply took, in milliseconds; the first check includes connecting. `None` if the
    /// server did not reply.
    pub latency_ms: Option<f64>,
    /// The role of the server.
    pub role: Option<ServerRole>,
    /// The name and version of the server, such as `redis 7.0.15`.
    pub version: Option<String>,
    /// Whether the server accepted the write, if one was requested.
    pub writable: Option<bool>,
    /// The state of the circuit breaker.
    pub breaker: BreakerState,
    /// The error, if the server is not healthy.
    pub error: Option<String>,
    /// How many slots no master serves, if the server is a cluster. It is healthy if there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unserved_slots: Option<usize>,
    /// The masters, if the server is a cluster. It is healthy if all of them are. `breaker` is the
    /// worst state of them, and the other fields are about any one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeHealth>,
    /// The sentinels, if they name the server. The server may be healthy although
    /// [most of them do not answer](SentinelStats::has_majority); report that, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinels: Option<SentinelStats>,
}

/// The health of one master of a cluster.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The node's address.
    pub endpoint: String,
    /// How long the reply took, in milliseconds; the first check includes connecting. `None` if the
    /// node did not reply.
    pub latency_ms: Option<f64>,
    /// The state of the circuit breaker.
    pub breaker: BreakerState,
    /// The error, if the node is not healthy.
    pub error: Option<String>,
}

/// The role of a server in replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerRole {
    /// The server accepts writes.
    Master,
    /// The server follows a master.
    Replica,
}

/// A health check and its options. Await it. Created by [`Redis::health`].
#[derive(Debug, Clone)]
#[must_use = "nothing is checked unless it is awaited"]
pub struct HealthCheck {
    redis: Redis,
    timeout: Option<Duration>,
    writes: bool,
}

impl Redis {
    /// Checks the server, for the health endpoint of a program. It never fails: an error is part of
    /// the result.
    ///
    /// It checks the server and database of this handle; [`for_keyspace`](Self::for_keyspace)
    /// returns a handle on those of a keyspace. The check takes at most one second, or the handle's
    /// timeout if that is shorter; [`timeout`](HealthCheck::timeout) overrides this. Role and
    /// version are known if the user may call `INFO`, which
    /// [`AclRules::health`](crate::catalog::AclRules::health) permits, and the
    /// [login](crate::RedisBuilder::login) is not plain.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let redis = Redis::embedded();
    /// let health = redis.health().with_write_probe().await;
    /// assert!(health.healthy && health.writable == Some(true), "{health:?}");
    ///
    /// let down = Redis::open("redis://127.0.0.1:1").unwrap();
    /// let health = down.health().await;
    /// assert!(!health.healthy);
    /// println!("{}", health.error.unwrap());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None. The result contains the failure; see [`Health::error`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, a write probe may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One, on the shared connections that commands use; one more if the handle has not connected
    /// yet. On a cluster, also one to each master, at the same time.
    pub fn health(&self) -> HealthCheck {
        HealthCheck { redis: self.clone(), timeout: None, writes: false }
    }
}

impl HealthCheck {
    /// Sets the timeout of the check, which covers connecting and the reply.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Also writes the key `redis-keyspace:health`, which expires after a second. A replica, a
    /// server that is out of memory, and a cluster without a node for the slot of this
    /// key are then not healthy. The ACL user needs the permission for this key:
    /// [`AclRules::health`](crate::catalog::AclRules::health) adds it.
    ///
    /// If the check is dropped, the key may still be written.
    pub fn with_write_probe(mut self) -> Self {
        self.writes = true;
        self
    }

    async fn check(self) -> Health {
        let mut health = Health {
            healthy: false,
            endpoint: self.redis.endpoint().to_string(),
            latency_ms: None,
            role: None,
            version: None,
            writable: None,
            breaker: BreakerState::Closed,
            error: None,
            unserved_slots: None,
            nodes: Vec::new(),
            sentinels: None,
        };
        match self.redis.base() {
            Ok(binding) => {
                health.endpoint = binding.pool().settings.endpoint.to_string();
                let deadline = Deadline::after(self.timeout.unwrap_or(LIMIT.min(binding.timeout)));
                let asking = self.ask(Arc::clone(&binding), &mut health, deadline);
                let (outcome, (unserved, nodes)) = if binding.pool().cluster().is_some() {
                    join(asking, ask_nodes(&binding, deadline)).await
                } else {
                    // The first connection finds out whether the server is a cluster.
                    (asking.await, ask_nodes(&binding, deadline).await)
                };
                let of_slots = unserved.filter(|slots| *slots > 0);
                let of_slots =
                    of_slots.map(|slots| format!("no node of the cluster serves {slots} of its slots"));
                let of_nodes = nodes.iter().find_map(|node| node.error.clone()).or(of_slots);
                let worst = nodes.iter().map(|node| node.breaker).max_by_key(|state| state.severity());
                health.breaker = worst.unwrap_or_else(|| binding.pool().facts.breaker.state());
                (health.nodes, health.unserved_slots) = (nodes, unserved);
                health.sentinels = SentinelStats::of(binding.pool());
                health.error = outcome.err().map(|error| error.to_string()).or(of_nodes);
                health.healthy = health.error.is_none();
            }
            Err(error) => health.error = Some(error.to_string()),
        }
        health
    }

    async fn ask(&self, binding: Arc<Binding>, health: &mut Health, deadline: Deadline) -> Result<()> {
        let started = Instant::now();
        let ping = || Packet::new("PING", Keys::None);
        let send =
            async |packets| run(Arc::clone(&binding), Request::Pipeline(packets), deadline, true, None).await;
        let pool = binding.pool();
        if !pool.has_connected() {
            // The login detects whether INFO may be sent.
            send(vec![ping()]).await?;
        }
        let mut asks = !pool.facts.is_without_info();
        let packets = |asks: bool| {
            let infos = if asks { vec![info("server"), info("replication")] } else { vec![] };
            let write = self.writes.then(probe);
            [ping()].into_iter().chain(infos).chain(write).collect()
        };
        let mut outcome = send(packets(asks)).await;
        if pool.is_external() && asks && outcome.as_ref().is_err_and(Error::is_connection_lost) {
            // A proxy may close the connection when it receives INFO. The login of a pool of the
            // application does not detect this.
            asks = false;
            outcome = send(packets(asks)).await;
            if outcome.is_ok() {
                pool.facts.learn_that_info_closes();
            }
        }
        health.latency_ms = outcome.is_ok().then(|| started.elapsed().as_secs_f64() * 1000.0);
        let mut replies = read::many(outcome?).into_iter();
        let mut next = || replies.next().ok_or_else(|| Error::protocol("a reply is missing"));
        let pong = read::checked(next()?);
        if asks {
            let (server, replication) = (next()?, next()?);
            health.version = version(&server);
            health.role = read::info_line(&replication, "role").and_then(|role| match role {
                "master" => Some(ServerRole::Master),
                "slave" => Some(ServerRole::Replica),
                _ => None,
            });
        }
        let about = |error: Error| error.about("PING", None, None);
        // A server that can't save its data rejects writes, and PING for that reason. It still
        // reads.
        if let Err(error) = pong
            && (self.writes || !error.rejects_writes())
        {
            return Err(about(error));
        }
        if self.writes {
            let written = read::to_unit(next()?);
            health.writable = Some(written.is_ok());
            written.map_err(|error| {
                let error = match error.kind() {
                    ErrorKind::PermissionDenied => error.explained(
                        "a write probe needs the permission for this key: see `Catalog::acl_rules` and its option `health`",
                    ),
                    _ => error,
                };
                error.about("SET", None, Some(HEALTH_PROBE))
            })?;
        }
        Ok(())
    }
}

/// Asks all masters of a cluster at the same time. Also returns how many slots have no master.
async fn ask_nodes(binding: &Binding, deadline: Deadline) -> (Option<usize>, Vec<NodeHealth>) {
    let Some(cluster) = binding.pool().cluster() else { return (None, Vec::new()) };
    // The other part of the check reports why there is no map.
    if cluster.ready(deadline).await.is_err() {
        return (None, Vec::new());
    }
    let request = Request::One(Packet::new("PING", Keys::None));
    let masters = cluster.masters();
    let nodes = join_all(masters.iter().map(async |node| {
        let started = Instant::now();
        let answer = run_at(binding, node, &request, deadline, None).await;
        let answer = answer.and_then(|(replies, _)| read::one(replies));
        NodeHealth {
            endpoint: node.settings.endpoint.to_string(),
            latency_ms: answer.is_ok().then(|| started.elapsed().as_secs_f64() * 1000.0),
            breaker: node.facts.breaker.state(),
            error: answer.err().map(|error| error.about("PING", None, None).to_string()),
        }
    }));
    let (unserved, nodes) = join(cluster.unserved(deadline), nodes).await;
    (Some(unserved), nodes)
}

fn info(section: &str) -> Packet {
    let mut packet = Packet::new("INFO", Keys::None);
    packet.args.push(section.as_bytes());
    packet
}

fn probe() -> Packet {
    let mut packet = Packet::new("SET", Keys::One(KeyText::Static(HEALTH_PROBE)));
    packet.args.push(b"");
    packet.args.push(b"PX");
    packet.args.push_int(PROBE_LIFETIME);
    packet
}

fn version(server: &Reply) -> Option<String> {
    let line = |name| read::info_line(server, name);
    // Valkey also reports a compatible Redis version.
    if let Some(version) = line("valkey_version") {
        return Some(format!("valkey {version}"));
    }
    Some(format!("redis {}", line("redis_version")?))
}

impl IntoFuture for HealthCheck {
    type Output = Health;
    type IntoFuture = BoxFuture<'static, Health>;

    fn into_future(self) -> Self::IntoFuture {
        self.check().boxed()
    }
}

impl fmt::Display for ServerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Replica => "replica",
        })
    }
}
