//! The breaker: after a few failures in a row nobody waits for a server any more, until it shows that it is back.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
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
    failures: AtomicU32,
    is_open: AtomicBool,
    opened: AtomicU64,
    open: Mutex<Option<Open>>,
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
        Self {
            settings,
            failures: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            open: Mutex::new(None),
        }
    }

    pub(crate) fn cooldown(&self) -> Duration {
        self.settings.cooldown
    }

    /// Refuses to try while the breaker is open.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        if !self.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or(Ok(()), |open| Err(open.error()))
    }

    /// The server answered.
    pub(crate) fn succeeded(&self) {
        // Mostly there is nothing to forget, and a load is all that it costs.
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        if self.is_open.load(Ordering::Acquire) {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.is_open.store(false, Ordering::Release);
            if let Some(open) = open {
                observe!(info, after = ?open.since.elapsed(), "the server is back: the breaker is closed");
                let _ = open;
            }
        }
    }

    /// The server failed; gives whether that has opened the breaker.
    pub(crate) fn failed(&self, cause: &Error) -> bool {
        // A wrong password is a mistake of the program's.
        let is_the_servers =
            matches!(cause.kind(), ErrorKind::Unavailable | ErrorKind::ConnectionLost | ErrorKind::Timeout);
        if !is_the_servers || self.settings.failures == 0 {
            return false;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *open {
            Some(open) => {
                (open.failures, open.cause) = (failures, cause.clone());
                false
            }
            None if failures >= self.settings.failures => {
                *open = Some(Open { since: Instant::now(), failures, cause: cause.clone(), probing: false });
                self.is_open.store(true, Ordering::Release);
                self.opened.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_breaker_opened_total");
                observe!(warn, failures, error = %cause, "the breaker is open: commands fail at once");
                true
            }
            None => false,
        }
    }

    /// Notes whether a probe is under way; gives whether there is anything to probe for.
    pub(crate) fn probing(&self, probing: bool) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_mut().map(|open| open.probing = probing).is_some()
    }

    pub(crate) fn state(&self) -> BreakerState {
        match &*self.open.lock().unwrap_or_else(PoisonError::into_inner) {
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
}
