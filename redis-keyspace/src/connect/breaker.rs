//! The breaker: after a few failures in a row nobody waits for a server any more, until it shows that it is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::stats::BreakerState;

/// When it opens, and how long it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BreakerSettings {
    /// After so many failures in a row; 0 for never.
    pub(crate) failures: u32,
    /// The longest pause between two probes.
    pub(crate) cooldown: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, cooldown: Duration::from_secs(30) }
    }
}

/// Counts the failures of one server: attempts to connect, and connections that were lost.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    /// There is nothing that a success could change, which is so nearly always. Written with the state locked only.
    quiet: AtomicBool,
    opened: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Whether a lost connection is among them. Those that are lost together count as one failure.
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to try while the breaker is open.
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
            observe!(info, after = ?open.since.elapsed(), "the server is back: the breaker is closed");
            let _ = open;
        }
    }

    /// An attempt to connect failed; gives whether that has opened the breaker.
    pub(crate) fn failed(&self, cause: &Error) -> bool {
        self.count(cause, false)
    }

    /// A connection with commands under way was lost; gives whether that has opened the breaker.
    pub(crate) fn lost(&self, cause: &Error) -> bool {
        self.count(cause, true)
    }

    fn count(&self, cause: &Error, is_loss: bool) -> bool {
        // A wrong password is a mistake of the program's.
        let is_the_servers =
            matches!(cause.kind(), ErrorKind::Unavailable | ErrorKind::ConnectionLost | ErrorKind::Timeout);
        if !is_the_servers || self.settings.failures == 0 {
            return false;
        }
        let mut state = self.lock();
        // One restart takes all lanes at once, and says no more than that it was one.
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
                observe!(warn, failures, error = %cause, "the breaker is open: commands fail at once");
                true
            }
            None => false,
        }
    }

    /// Notes whether a probe is under way; gives whether there is anything to probe for.
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
                "the server is taken to be away since {seconds:.1} s, after {failures} failures in a row, so nothing was \
                 tried; the last of them: {cause}"
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
        let breaker = Breaker::new(BreakerSettings { failures: 3, cooldown: Duration::from_secs(1) });
        for _ in 0..10 {
            assert!(!breaker.failed(&lost()) && !breaker.failed(&lost()));
            breaker.succeeded();
        }
        assert!(breaker.admit().is_ok());
        assert!(!breaker.failed(&lost()) && !breaker.failed(&lost()) && breaker.failed(&lost()));
        let refusal = breaker.admit().unwrap_err();
        assert!(refusal.is_breaker_open() && refusal.is_unavailable(), "{refusal}");
        assert!(
            refusal.to_string().contains("3 failures in a row") && refusal.to_string().contains("for a test")
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
        let breaker = Breaker::new(BreakerSettings { failures: 1, cooldown: Duration::from_secs(1) });
        for kind in [ErrorKind::Denied, ErrorKind::Configuration, ErrorKind::PoolBusy, ErrorKind::WrongType] {
            assert!(!breaker.failed(&Error::new(kind, "no")), "{kind:?}");
        }
        assert!(breaker.failed(&Error::new(ErrorKind::Unavailable, "no")));
        let never = Breaker::new(BreakerSettings { failures: 0, ..BreakerSettings::default() });
        assert!((0..100).all(|_| !never.failed(&lost())) && never.admit().is_ok());
    }

    #[test]
    fn connections_lost_together_are_one_failure() {
        let breaker = Breaker::new(BreakerSettings { failures: 2, cooldown: Duration::from_secs(1) });
        assert!((0..100).all(|_| !breaker.lost(&lost())));
        assert!(breaker.failed(&lost()), "and an attempt to connect is another");
        breaker.succeeded();
        assert!(!breaker.lost(&lost()) && breaker.failed(&lost()));
    }

    /// Successes and failures at the same time: whatever happens, a success closes it.
    #[test]
    fn it_never_sticks() {
        for _ in 0..20_000 {
            let breaker = Breaker::new(BreakerSettings { failures: 1, cooldown: Duration::from_secs(1) });
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
