//! What is known about a server from trying.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::breaker::{Breaker, BreakerSettings};
use super::login::Server;
use super::settings::unique_id;
use crate::error::Error;

/// How many runs are remembered. What has been forgotten counts as another one when it comes back.
const RUNS: usize = 16;

/// One run of a server, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerRun(u64);

impl ServerRun {
    fn new() -> Self {
        Self(unique_id())
    }
}

/// What is known about the server from trying.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) breaker: Breaker,
    last_error: Mutex<Option<String>>,
    failing: AtomicBool,
    /// Whether the server was a node of a cluster when a lane was connected last.
    cluster: AtomicBool,
    /// The runs of servers that lanes were connected to last, by the names that they give themselves.
    runs: Mutex<Vec<(String, ServerRun)>>,
    pub(crate) connects: AtomicU64,
    pub(crate) failed_connects: AtomicU64,
    pub(crate) lost_lanes: AtomicU64,
    /// Raised when connections that were made before are not to be used any longer.
    generation: AtomicU64,
}

impl Health {
    pub(crate) fn new(breaker: BreakerSettings) -> Self {
        Self {
            breaker: Breaker::new(breaker),
            last_error: Mutex::default(),
            failing: AtomicBool::new(false),
            cluster: AtomicBool::new(false),
            runs: Mutex::default(),
            connects: AtomicU64::new(0),
            failed_connects: AtomicU64::new(0),
            lost_lanes: AtomicU64::new(0),
            generation: AtomicU64::new(0),
        }
    }

    /// Notes how an attempt to connect ended; gives whether that has opened the breaker.
    pub(crate) fn note(&self, error: Option<&Error>) -> bool {
        self.failing.store(error.is_some(), Ordering::Relaxed);
        match error {
            None => {
                self.connects.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_connects_total", "outcome" => "ok");
                self.breaker.succeeded();
                false
            }
            Some(error) => {
                self.failed_connects.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_connects_total", "outcome" => "error");
                self.set_last_error(error);
                observe!(warn, error = %error, "can't connect to Redis");
                self.breaker.failed(error)
            }
        }
    }

    /// Notes that a connection broke, with commands under way or idle; gives whether that has opened the breaker.
    pub(crate) fn note_loss(&self, error: &Error, was_idle: bool) -> bool {
        self.lost_lanes.fetch_add(1, Ordering::Relaxed);
        count!("redis_keyspace_lost_connections_total");
        self.set_last_error(error);
        observe!(warn, error = %error, "a connection to Redis was lost");
        // Servers and what is between end idle connections as they like.
        !was_idle && self.breaker.lost(error)
    }

    fn set_last_error(&self, error: &Error) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    /// Notes whom a lane was connected to, and says which run of a server that is. One that does not say who it is may be
    /// another one each time.
    pub(crate) fn note_server(&self, server: &Server) -> ServerRun {
        self.cluster.store(server.is_cluster, Ordering::Relaxed);
        let Some(run_id) = &server.run_id else { return ServerRun::new() };
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, run)) = runs.iter().find(|(known, _)| known == run_id) {
            return *run;
        }
        let run = ServerRun::new();
        runs.push((run_id.clone(), run));
        if runs.len() > RUNS {
            runs.remove(0);
        }
        run
    }

    /// Whether the server was a node of a cluster when a lane was connected last.
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster.load(Ordering::Relaxed)
    }

    /// Connections that are made from now on are of another generation.
    pub(crate) fn new_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
