//! Whether a server is fit for use, for a health endpoint.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::Redis;
use crate::command::{Keys, Packet, Request, reply};
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::Binding;
use crate::key::KeyText;
use crate::run::run;
use crate::stats::BreakerState;

/// How long a check takes at most, unless it is given another limit: whoever asks for health waits for the answer.
const LIMIT: Duration = Duration::from_secs(1);
/// The key that a write probe writes.
const PROBE: &str = "redis-keyspace:health";
/// For how long, in milliseconds.
const PROBE_LIFETIME: u32 = 1000;

/// How a server is, from [`Redis::health`]. Serialises for a health endpoint.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether it answered in time, runs commands, and has taken the write, where one was asked for.
    pub healthy: bool,
    /// The server's address, without user and password.
    pub endpoint: String,
    /// How long the answer took, in milliseconds; for the first check, connecting is part of it.
    pub latency_ms: Option<f64>,
    /// What it is to others.
    pub role: Option<Role>,
    /// Its name and version, such as `redis 7.0.15`.
    pub version: Option<String>,
    /// Whether it took the write, where one was asked for.
    pub writable: Option<bool>,
    /// Whether commands are tried at all.
    pub breaker: BreakerState,
    /// What is wrong.
    pub error: Option<String>,
}

/// What a server is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows a master.
    Replica,
}

/// A check under way: [`Redis::health`] with its options. Await it.
#[derive(Debug, Clone)]
#[must_use = "nothing is checked unless it is awaited"]
pub struct HealthCheck {
    redis: Redis,
    timeout: Option<Duration>,
    writes: bool,
}

impl Redis {
    /// Asks the server how it is: for the health endpoint of a program. It does not fail; what is wrong is part of the
    /// answer, which is there within a second, or the handle's timeout if that is shorter.
    ///
    /// One round trip, on the lanes that commands use. Role and version are known where the user may call `INFO`. It is about
    /// the server and database of this handle; [`for_keyspace`](Self::for_keyspace) gives that of a keyspace.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let redis = Redis::embedded();
    /// let health = redis.health().with_write_probe().await;
    /// assert!(health.healthy && health.writable == Some(true), "{health:?}");
    ///
    /// let away = Redis::connect("redis://127.0.0.1:1").unwrap();
    /// let health = away.health().await;
    /// assert!(!health.healthy);
    /// println!("{}", health.error.unwrap());
    /// # }
    /// ```
    pub fn health(&self) -> HealthCheck {
        HealthCheck { redis: self.clone(), timeout: None, writes: false }
    }
}

impl HealthCheck {
    /// How long the check may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Writes as well: the key `redis-keyspace:health`, which goes by itself after a second. A replica, and a server that is out
    /// of memory, are not healthy then; nor is a node of a cluster that has not the slot of this key.
    ///
    /// Dropping the check leaves it open whether the key is written.
    pub fn with_write_probe(mut self) -> Self {
        self.writes = true;
        self
    }

    async fn check(self) -> Health {
        let mut health = Health {
            healthy: false,
            endpoint: String::new(),
            latency_ms: None,
            role: None,
            version: None,
            writable: None,
            breaker: BreakerState::Closed,
            error: None,
        };
        match self.redis.base() {
            Ok(binding) => {
                health.endpoint = binding.pool().settings.endpoint.to_string();
                let outcome = self.ask(Arc::clone(&binding), &mut health).await;
                health.breaker = binding.pool().health.breaker.state();
                health.healthy = outcome.is_ok();
                health.error = outcome.err().map(|error| error.to_string());
            }
            Err(error) => health.error = Some(error.to_string()),
        }
        health
    }

    async fn ask(&self, binding: Arc<Binding>, health: &mut Health) -> Result<()> {
        let limit = self.timeout.unwrap_or(LIMIT.min(binding.timeout));
        let mut packets = vec![Packet::new("PING", Keys::None), info("server"), info("replication")];
        if self.writes {
            packets.push(probe());
        }
        let started = Instant::now();
        let replies = run(binding, Request::Pipeline(packets), Deadline::after(limit), true, None).await?;
        health.latency_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        let mut replies = reply::many(replies).into_iter();
        let mut next = || replies.next().ok_or_else(|| Error::protocol("a reply is missing"));
        let pong = reply::checked(next()?);
        let (server, replication) = (next()?, next()?);
        health.version = version(&server);
        health.role = reply::info_line(&replication, "role").and_then(|role| match role {
            "master" => Some(Role::Master),
            "slave" => Some(Role::Replica),
            _ => None,
        });
        let about = |error: Error| error.about("PING", None, None);
        pong.map_err(about)?;
        if self.writes {
            let written = reply::to_unit(next()?);
            health.writable = Some(written.is_ok());
            written.map_err(|error| error.about("SET", None, Some(PROBE)))?;
        }
        Ok(())
    }
}

fn info(section: &str) -> Packet {
    let mut packet = Packet::new("INFO", Keys::None);
    packet.args.push(section.as_bytes());
    packet
}

fn probe() -> Packet {
    let mut packet = Packet::new("SET", Keys::One(KeyText::Static(PROBE)));
    packet.args.push(b"");
    packet.args.push(b"PX");
    packet.args.push_int(PROBE_LIFETIME);
    packet
}

fn version(server: &Reply) -> Option<String> {
    let line = |name| reply::info_line(server, name);
    // Valkey also says which Redis it is like.
    if let Some(version) = line("valkey_version") {
        return Some(format!("valkey {version}"));
    }
    Some(format!("redis {}", line("redis_version")?))
}

impl IntoFuture for HealthCheck {
    type Output = Health;
    type IntoFuture = Pin<Box<dyn Future<Output = Health> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.check())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Replica => "replica",
        })
    }
}
