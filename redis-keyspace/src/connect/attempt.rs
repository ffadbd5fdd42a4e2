//! Attempts to connect, and the probes for a server that was lost.
//!
//! bb8 hides a failed attempt and lets every caller wait for its timeout. Therefore an attempt
//! never fails as far as bb8 knows. bb8 pools the outcome, and a failure is handed once to the
//! caller that requested the connection.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, timeout};

use super::facts::ServerFacts;
use super::login::probe;
use super::open::open;
use super::search::Suspicion;
use crate::config::{Endpoint, Settings};
use crate::error::{Budget, Error};
use crate::protocol::{Keys, Packet, script_probe};
use crate::sync::ClosedFlag;
use crate::task::spawn;
use crate::time::{Backoff, Deadline};

/// The pause before the first probe.
const FIRST_PROBE: Duration = Duration::from_millis(50);
/// How long an attempt may take before another one starts alongside it. Packets that are sent while
/// the server is down are lost. The system resends them, but after pauses that grow to seconds.
const NEXT_ATTEMPT: Duration = Duration::from_millis(500);

/// The outcome of an attempt to connect.
pub(crate) enum Attempt<C> {
    Connected(C),
    /// The error, and when it happened. If the caller was dropped, the failure stays in the pool,
    /// and a later caller must not receive it.
    Failed(Error, Instant),
}

/// What the connections of a pool are opened from, and where their outcomes are recorded.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) settings: Arc<Settings>,
    pub(crate) facts: Arc<ServerFacts>,
    pool: Arc<PoolWide>,
}

/// What all servers of a pool have in common.
struct PoolWide {
    /// The runtime of the pool. Another runtime may end earlier.
    runtime: Handle,
    /// Notified when the server can't be reached, is silent, or was lost.
    trouble: Notify,
    /// Set when the pool is closed. Nothing is opened for it any more.
    closed: ClosedFlag,
    /// Whether several servers share the commands of the pool: the masters of a cluster.
    is_spread: AtomicBool,
}

impl Origin {
    pub(crate) fn new(settings: Arc<Settings>, facts: Arc<ServerFacts>, runtime: Handle) -> Self {
        let pool = PoolWide {
            runtime,
            trouble: Notify::default(),
            closed: ClosedFlag::default(),
            is_spread: AtomicBool::default(),
        };
        Self { settings, facts, pool: Arc::new(pool) }
    }

    /// Returns what the connections to another server of the same pool are opened from.
    pub(super) fn of_other(&self, settings: Settings, facts: Arc<ServerFacts>) -> Self {
        Self { settings: Arc::new(settings), facts, ..self.clone() }
    }

    /// The runtime of the pool.
    pub(super) fn runtime(&self) -> &Handle {
        &self.pool.runtime
    }

    /// Notified when a server of the pool can't be reached, is silent, or was lost.
    pub(super) fn trouble(&self) -> &Notify {
        &self.pool.trouble
    }

    /// Set when the pool is closed.
    pub(super) fn closed(&self) -> &ClosedFlag {
        &self.pool.closed
    }

    /// Records whether several servers share the commands of the pool. Returns whether it was not
    /// known that they do.
    pub(super) fn set_spread(&self, is_spread: bool) -> bool {
        !self.pool.is_spread.swap(is_spread, Ordering::SeqCst) && is_spread
    }

    /// How many shared connections to the server are used.
    #[inline]
    pub(super) fn shared_connections(&self) -> usize {
        self.settings.shared_connections(self.pool.is_spread.load(Ordering::SeqCst))
    }

    /// Makes one attempt within the connect timeout, and records its outcome. Ends it when the pool
    /// is closed.
    pub(crate) async fn attempt<C, F>(&self, connect: impl Fn() -> F) -> Attempt<C>
    where
        F: Future<Output = Result<C, Error>>,
    {
        let outcome = tokio::select! {
            biased;
            () = self.pool.closed.closed() => return Attempt::Failed(Error::closed(), Instant::now()),
            outcome = self.connected(connect) => outcome,
        };
        if self.facts.note(outcome.as_ref().err()) {
            self.search();
        }
        if outcome.is_err() {
            self.pool.trouble.notify_one();
        }
        match outcome {
            Ok(connection) => Attempt::Connected(connection),
            Err(error) => Attempt::Failed(error, Instant::now()),
        }
    }

    /// Connects within the limit, with at most two concurrent attempts. The first one may use the
    /// whole limit, because the server may be slow.
    async fn connected<C, F>(&self, connect: impl Fn() -> F) -> Result<C, Error>
    where
        F: Future<Output = Result<C, Error>>,
    {
        let limit = self.settings.connect_timeout;
        let attempts = async {
            let mut first = pin!(connect());
            if let Ok(outcome) = timeout(NEXT_ATTEMPT, first.as_mut()).await {
                return outcome;
            }
            loop {
                tokio::select! {
                    outcome = first.as_mut() => return outcome,
                    outcome = timeout(NEXT_ATTEMPT, connect()) => if let Ok(outcome) = outcome {
                        return outcome;
                    },
                }
            }
        };
        let late = |_| Err(self.facts.explain_timeout(Error::timeout(Budget::Connect, limit)));
        timeout(limit, attempts).await.unwrap_or_else(late)
    }

    /// Records that a shared connection was lost.
    pub(crate) fn lost(&self, error: &Error, was_idle: bool) {
        if self.facts.note_loss(error, was_idle) {
            self.search();
        }
        self.pool.trouble.notify_one();
    }

    /// Reports that a lane is silent although replies are outstanding.
    pub(super) fn report_silence(&self) {
        self.pool.trouble.notify_one();
    }

    /// Starts probing the server, because a lane is silent although replies are outstanding. If the
    /// server answers, the lane is dead.
    pub(super) fn suspect(&self) -> Suspicion {
        let suspicion = self.facts.search.suspect();
        self.search();
        self.pool.trouble.notify_one();
        suspicion
    }

    /// Starts the task that probes the server until it is back, unless that task runs already.
    pub(crate) fn search(&self) {
        let Self { settings, facts, pool } = self;
        let searching = search(Arc::downgrade(settings), Arc::downgrade(facts), Arc::clone(pool));
        let (guard, pool) = (facts.search.guard(), Arc::clone(pool));
        let searching = async move {
            let _guard = guard;
            tokio::select! {
                biased;
                () = pool.closed.closed() => {}
                () = searching => {}
            }
        };
        facts.search.start(|| spawn(&self.pool.runtime, searching));
    }
}

/// Connects repeatedly until the server is back and no lane is suspected, or the pool is dropped.
/// The time between two attempts is at most the configured pause.
async fn search(settings: Weak<Settings>, facts: Weak<ServerFacts>, pool: Arc<PoolWide>) {
    let mut next = Instant::now();
    let mut pauses = None;
    loop {
        tokio::time::sleep_until(next).await;
        let (Some(settings), Some(facts)) = (settings.upgrade(), facts.upgrade()) else { return };
        let longest = facts.breaker.pause();
        let pauses = match &mut pauses {
            Some(pauses) => pauses,
            // The server was lost just now, so wait first. Do not wait if a lane is silent.
            None => {
                let pauses = pauses.insert(Backoff::new(FIRST_PROBE.min(longest), longest));
                if !facts.search.is_urgent() {
                    next += pauses.pause();
                    continue;
                }
                pauses
            }
        };
        if !facts.search.must_continue(|| facts.breaker.wants_probe()) {
            return;
        }
        let began = Instant::now();
        next = began + pauses.pause();
        let is_open = facts.breaker.probing(true);
        let origin = Origin { settings, facts, pool: Arc::clone(&pool) };
        let outcome = origin.connected(|| sign_of_life(&origin)).await;
        if outcome.is_ok() {
            origin.facts.search.answered(began);
        }
        // If the breaker is closed, a failed probe does not count. The server may only be busy, and
        // commands find out whether it fails.
        if is_open || outcome.is_ok() {
            origin.facts.note(outcome.as_ref().err());
        }
        origin.facts.breaker.probing(false);
    }
}

/// Connects and logs in. If a lane is silent, it also runs commands that a server delays while it
/// pauses writes for a failover. Such a server answers a login but not the commands on the lane.
async fn sign_of_life(origin: &Origin) -> Result<(), Error> {
    let settings = &origin.settings;
    if let Endpoint::Pool(external) = &settings.endpoint {
        return external.probe(settings.db, Deadline::after(settings.connect_timeout)).await;
    }
    let (mut stream, login) = open(settings, &origin.facts).await?;
    // A proxy that accepts only a plain login may never answer a command that it does not know.
    if origin.facts.search.is_urgent() && !login.server.is_plain {
        // An error is also a reply, and some proxies close the connection instead.
        let _ = probe(&mut stream, settings, &[script_probe(), read_that_may_replicate()]).await;
    }
    Ok(())
}

/// A command that reads one key, and is delayed when writes are paused (`CLIENT PAUSE .. WRITE`).
/// So is a script, which a node of a cluster does not redirect. The user may not be permitted to
/// run one of them.
fn read_that_may_replicate() -> Packet {
    let mut packet = Packet::new("PFCOUNT", Keys::None);
    packet.args.push(b"%probe");
    packet
}
