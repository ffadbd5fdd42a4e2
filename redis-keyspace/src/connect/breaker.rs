//! The circuit breaker. After a few consecutive failures, commands fail at once until the server is
//! back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::config::BreakerSettings;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// Probing stops when no command was rejected for this long. The next command tries to connect
/// itself.
const UNUSED: Duration = Duration::from_secs(60);

/// The state of a circuit breaker; see [`RedisBuilder::breaker`](crate::RedisBuilder::breaker).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Commands are sent.
    Closed,
    /// Commands fail at once, because the server failed several times in a row.
    Open,
    /// An attempt finds out whether the server is back: a probe of the pool or, after a minute
    /// without commands, the next command.
    HalfOpen,
}

impl BreakerState {
    /// Orders the states, the worst one last.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// Counts the failures of one server: failed attempts to connect, and lost connections.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    /// The address of the server, for metrics.
    server: Arc<str>,
    /// Whether a success changes nothing, the usual case. Written only with the state locked.
    quiet: AtomicBool,
    opened: AtomicU64,
    state: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    /// The number of consecutive failures.
    failures: u32,
    /// Whether a lost connection is among the failures. Connections that are lost together count as
    /// one failure.
    lost: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    failures: u32,
    cause: Error,
    probing: bool,
    /// When a command was last rejected.
    used: Instant,
    /// Set when no command used the pool for a while. The next command tries whether the server is
    /// back.
    resting: bool,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings, server: Arc<str>) -> Self {
        Self {
            settings,
            server,
            quiet: AtomicBool::new(true),
            opened: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The longest pause between two probes.
    pub(crate) fn pause(&self) -> Duration {
        self.settings.pause
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        lock(&self.state)
    }

    /// Fails while the breaker is open, unless this command should try whether the server is back.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        match &mut self.lock().open {
            Some(open) if !open.resting => {
                open.used = Instant::now();
                Err(open.error())
            }
            _ => Ok(()),
        }
    }

    /// Lets the next command try the server although the breaker is open: something else knows that
    /// the server is back.
    pub(super) fn rest(&self) {
        if let Some(open) = &mut self.lock().open {
            open.resting = true;
        }
    }

    /// Records that the server answered.
    pub(crate) fn succeeded(&self) {
        if self.quiet.load(Ordering::Acquire) {
            return;
        }
        if let Some(open) = self.close(self.lock()) {
            event!(info, "circuit breaker closed: the server is back", after = ?open.since.elapsed());
        }
    }

    /// Forgets all failures. Returns the state of the breaker if it was open.
    fn close(&self, mut state: MutexGuard<'_, Failures>) -> Option<Open> {
        self.quiet.store(true, Ordering::Release);
        std::mem::take(&mut *state).open
    }

    /// Records that an attempt to connect failed, but not because of the server. An open breaker
    /// closes: waiting for the server would not help, and commands must report this error.
    fn failed_otherwise(&self, cause: &Error) {
        let state = self.lock();
        let is_open = state.open.is_some();
        if is_open && self.close(state).is_some() {
            event!(info, "circuit breaker closed: connecting fails for another reason", error = %cause);
        }
    }

    /// Records a failed attempt to connect. Returns whether the server must be probed from now on.
    pub(crate) fn failed(&self, cause: &Error) -> bool {
        self.count(cause, false)
    }

    /// Records that a connection with commands in flight was lost. Returns whether the server must
    /// be probed from now on.
    pub(crate) fn lost(&self, cause: &Error) -> bool {
        self.count(cause, true)
    }

    fn count(&self, cause: &Error, is_loss: bool) -> bool {
        match cause.kind() {
            ErrorKind::Unavailable | ErrorKind::ConnectionLost | ErrorKind::Timeout => {}
            // The server may still be down.
            ErrorKind::PoolBusy => return false,
            // Such as a wrong password.
            _ => {
                self.failed_otherwise(cause);
                return false;
            }
        }
        if self.settings.failures == 0 {
            return false;
        }
        let mut state = self.lock();
        // The command that tried the server failed, so the next ones are rejected again.
        let was_resting = state.open.as_mut().is_some_and(Open::wake);
        // One restart breaks all connections at once, and counts as one failure.
        if is_loss && std::mem::replace(&mut state.lost, true) {
            return was_resting;
        }
        self.quiet.store(false, Ordering::Release);
        state.failures = state.failures.saturating_add(1);
        let failures = state.failures;
        match &mut state.open {
            Some(open) => {
                (open.failures, open.cause) = (failures, cause.clone());
                was_resting
            }
            None if failures >= self.settings.failures => {
                let now = Instant::now();
                state.open = Some(Open {
                    since: now,
                    failures,
                    cause: cause.clone(),
                    probing: false,
                    used: now,
                    resting: false,
                });
                self.opened.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_breaker_opened_total", "server" => Arc::clone(&self.server));
                drop(state);
                event!(warn, "circuit breaker opened: commands fail at once", failures, error = %cause);
                true
            }
            None => false,
        }
    }

    /// Whether the server must be probed. If no command used the pool for a while, probing is left
    /// to the next command.
    pub(crate) fn wants_probe(&self) -> bool {
        let mut state = self.lock();
        let Some(open) = &mut state.open else { return false };
        open.resting |= open.used.elapsed() > UNUSED;
        !open.resting
    }

    /// Records whether a probe is in progress. Returns whether the breaker is open.
    pub(crate) fn probing(&self, probing: bool) -> bool {
        self.lock().open.as_mut().map(|open| open.probing = probing).is_some()
    }

    pub(crate) fn state(&self) -> BreakerState {
        match &self.lock().open {
            None => BreakerState::Closed,
            Some(open) if open.probing || open.resting => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    /// How often the breaker has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Open {
    /// Ends the rest. Returns whether the breaker was resting.
    fn wake(&mut self) -> bool {
        if self.resting {
            self.used = Instant::now();
        }
        std::mem::take(&mut self.resting)
    }

    fn error(&self) -> Error {
        let Self { since, failures, cause, .. } = self;
        let seconds = since.elapsed().as_secs_f64();
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "circuit breaker open for {seconds:.1} s after {failures} consecutive failures; command not attempted; the \
                 last failure: {cause}"
            ),
        )
        .of_breaker()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Error {
        Error::connection_lost("for a test")
    }

    #[test]
    fn only_consecutive_failures_open_the_breaker() {
        let breaker = Breaker::new(BreakerSettings::new(3, Duration::from_secs(1)), "h:1".into());
        for _ in 0..10 {
            assert!(!breaker.failed(&lost()) && !breaker.failed(&lost()));
            breaker.succeeded();
        }
        assert!(breaker.admit().is_ok());
        assert!(!breaker.failed(&lost()) && !breaker.failed(&lost()) && breaker.failed(&lost()));
        let refusal = breaker.admit().unwrap_err();
        assert!(refusal.is_breaker_open() && refusal.is_unavailable(), "{refusal}");
        assert!(
            refusal.to_string().contains("3 consecutive failures")
                && refusal.to_string().contains("for a test")
        );
        assert!(!breaker.failed(&lost()), "it is open already");
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
        assert!(breaker.probing(true));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.succeeded();
        assert!(breaker.admit().is_ok() && !breaker.probing(false));
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 1));
    }

    #[test]
    fn errors_of_the_program_do_not_count() {
        let breaker = Breaker::new(BreakerSettings::new(1, Duration::from_secs(1)), "h:1".into());
        for kind in [
            ErrorKind::AuthenticationFailed,
            ErrorKind::Configuration,
            ErrorKind::PoolBusy,
            ErrorKind::WrongType,
        ] {
            assert!(!breaker.failed(&Error::new(kind, "no")), "{kind:?}");
        }
        assert!(breaker.failed(&Error::new(ErrorKind::Unavailable, "no")));
        let never = Breaker::new(BreakerSettings { failures: 0, ..BreakerSettings::default() }, "h:1".into());
        assert!((0..100).all(|_| !never.failed(&lost())) && never.admit().is_ok());
    }

    #[test]
    fn an_open_breaker_does_not_hide_errors_of_the_program() {
        for kind in [ErrorKind::AuthenticationFailed, ErrorKind::Configuration, ErrorKind::Server] {
            let breaker = Breaker::new(BreakerSettings::new(2, Duration::from_secs(1)), "h:1".into());
            assert!(!breaker.failed(&lost()) && !breaker.failed(&Error::new(kind, "no")));
            assert!(breaker.failed(&lost()), "it closes only if it is open");
            assert!(!breaker.failed(&Error::new(ErrorKind::PoolBusy, "no")) && breaker.admit().is_err());
            assert!(!breaker.failed(&Error::new(kind, "no")));
            assert!(breaker.admit().is_ok() && breaker.state() == BreakerState::Closed, "{kind:?}");
            assert!(!breaker.wants_probe() && !breaker.failed(&lost()) && breaker.failed(&lost()));
        }
    }

    #[test]
    fn connections_lost_together_are_one_failure() {
        let breaker = Breaker::new(BreakerSettings::new(2, Duration::from_secs(1)), "h:1".into());
        assert!((0..100).all(|_| !breaker.lost(&lost())));
        assert!(breaker.failed(&lost()), "an attempt to connect is another failure");
        breaker.succeeded();
        assert!(!breaker.lost(&lost()) && breaker.failed(&lost()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_breaker_rests_until_a_command_tries() {
        let breaker = Breaker::new(BreakerSettings::new(1, Duration::from_secs(1)), "h:1".into());
        for is_loss in [false, true] {
            assert!(breaker.count(&lost(), is_loss), "it opens");
            for _ in 0..10 {
                tokio::time::advance(UNUSED / 2).await;
                assert!(breaker.admit().is_err() && breaker.wants_probe(), "the breaker is in use");
            }
            tokio::time::advance(UNUSED * 2).await;
            assert!(!breaker.wants_probe() && breaker.state() == BreakerState::HalfOpen);
            assert!(breaker.admit().is_ok(), "a command tries");
            assert!(breaker.count(&lost(), is_loss), "the command fails, so the server is probed again");
            assert!(breaker.admit().is_err() && breaker.wants_probe());
            assert!(!breaker.count(&lost(), is_loss), "it is probed already");
            tokio::time::advance(UNUSED * 2).await;
            assert!(!breaker.wants_probe() && breaker.admit().is_ok());
            breaker.succeeded();
            assert!(breaker.state() == BreakerState::Closed && !breaker.wants_probe());
        }
    }

    /// Runs successes and failures concurrently. In any order, a later success closes the breaker.
    #[test]
    fn concurrent_outcomes_never_leave_the_breaker_stuck() {
        for _ in 0..20_000 {
            let breaker = Breaker::new(BreakerSettings::new(1, Duration::from_secs(1)), "h:1".into());
            breaker.failed(&lost());
            std::thread::scope(|scope| {
                scope.spawn(|| breaker.succeeded());
                scope.spawn(|| breaker.failed(&lost()));
            });
            breaker.succeeded();
            assert!(breaker.admit().is_ok() && breaker.state() == BreakerState::Closed);
            breaker.failed(&lost());
            assert!(breaker.admit().is_err());
        }
    }
}
