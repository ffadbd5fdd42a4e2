//! The circuit breaker: after a few consecutive failures, commands fail at once until the server is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::config::BreakerSettings;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// Whether a pool tries commands; see [`RedisBuilder::breaker`](crate::RedisBuilder::breaker).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Commands are sent.
    Closed,
    /// The server failed several times in a row: commands fail at once.
    Open,
    /// Commands fail at once, while the pool probes whether the server is back.
    HalfOpen,
}

/// Counts the failures of one server: attempts to connect, and connections that were lost.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    /// Whether there is nothing that a success could change, the usual case. Written only with the state locked.
    quiet: AtomicBool,
    opened: AtomicU64,
    state: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    /// In a row.
    failures: u32,
    /// Whether a lost connection is among them. Connections lost together count as one failure.
    lost: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    failures: u32,
    cause: Error,
    probing: bool,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, quiet: AtomicBool::new(true), opened: AtomicU64::new(0), state: Mutex::default() }
    }

    pub(crate) fn cooldown(&self) -> Duration {
        self.settings.cooldown
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        lock(&self.state)
    }

    /// Fails while the breaker is open.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lock().open.as_ref().map_or(Ok(()), |open| Err(open.error()))
    }

    /// The server answered.
    pub(crate) fn succeeded(&self) {
        if self.quiet.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.lock();
        let was_open = std::mem::take(&mut *state).open;
        self.quiet.store(true, Ordering::Release);
        drop(state);
        if let Some(open) = was_open {
            event!(info, "circuit breaker closed: the server is back", after = ?open.since.elapsed());
        }
    }

    /// An attempt to connect failed; returns whether that opened the breaker.
    pub(crate) fn failed(&self, cause: &Error) -> bool {
        self.count(cause, false)
    }

    /// A connection with commands in flight was lost; returns whether that opened the breaker.
    pub(crate) fn lost(&self, cause: &Error) -> bool {
        self.count(cause, true)
    }

    fn count(&self, cause: &Error, is_loss: bool) -> bool {
        // A wrong password is an error of the program.
        let is_the_servers =
            matches!(cause.kind(), ErrorKind::Unavailable | ErrorKind::ConnectionLost | ErrorKind::Timeout);
        if !is_the_servers || self.settings.failures == 0 {
            return false;
        }
        let mut state = self.lock();
        // One restart breaks all connections at once, and counts once.
        if is_loss && std::mem::replace(&mut state.lost, true) {
            return false;
        }
        self.quiet.store(false, Ordering::Release);
        state.failures = state.failures.saturating_add(1);
        let failures = state.failures;
        match &mut state.open {
            Some(open) => {
                (open.failures, open.cause) = (failures, cause.clone());
                false
            }
            None if failures >= self.settings.failures => {
                state.open =
                    Some(Open { since: Instant::now(), failures, cause: cause.clone(), probing: false });
                self.opened.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_breaker_opened_total");
                drop(state);
                event!(warn, "circuit breaker opened: commands fail at once", failures, error = %cause);
                true
            }
            None => false,
        }
    }

    /// Records whether a probe is in progress; returns whether the breaker is open.
    pub(crate) fn probing(&self, probing: bool) -> bool {
        self.lock().open.as_mut().map(|open| open.probing = probing).is_some()
    }

    pub(crate) fn state(&self) -> BreakerState {
        match &self.lock().open {
            None => BreakerState::Closed,
            Some(open) if open.probing => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    /// How often it has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Open {
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
    fn it_opens_after_failures_in_a_row_only() {
        let breaker = Breaker::new(BreakerSettings { failures: 3, cooldown: Duration::from_secs(3600) });
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
    fn what_is_the_programs_fault_does_not_count() {
        let breaker = Breaker::new(BreakerSettings { failures: 1, cooldown: Duration::from_secs(3600) });
        for kind in [
            ErrorKind::AuthenticationFailed,
            ErrorKind::Configuration,
            ErrorKind::PoolBusy,
            ErrorKind::WrongType,
        ] {
            assert!(!breaker.failed(&Error::new(kind, "no")), "{kind:?}");
        }
        assert!(breaker.failed(&Error::new(ErrorKind::Unavailable, "no")));
        let never = Breaker::new(BreakerSettings { failures: 0, ..BreakerSettings::default() });
        assert!((0..100).all(|_| !never.failed(&lost())) && never.admit().is_ok());
    }

    #[test]
    fn connections_lost_together_are_one_failure() {
        let breaker = Breaker::new(BreakerSettings { failures: 2, cooldown: Duration::from_secs(3600) });
        assert!((0..100).all(|_| !breaker.lost(&lost())));
        assert!(breaker.failed(&lost()), "and an attempt to connect is another");
        breaker.succeeded();
        assert!(!breaker.lost(&lost()) && breaker.failed(&lost()));
    }

    /// Successes and failures at the same time: whatever happens, a success closes it.
    #[test]
    fn it_never_sticks() {
        for _ in 0..20_000 {
            let breaker = Breaker::new(BreakerSettings { failures: 1, cooldown: Duration::from_secs(3600) });
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
