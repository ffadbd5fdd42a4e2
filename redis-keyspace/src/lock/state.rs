//! Until when a lock is held, and why it no longer is.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::time::{Moment, SuspensionClock};

const LATE: &str =
    "the lock could not be renewed in time: it may have expired, and another holder may have it";

/// The limits of how long a lock is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldTimes {
    /// Without renewal.
    pub(super) lifetime: Duration,
    /// With any number of renewals.
    pub(super) max_hold: Option<Duration>,
}

/// The limit of how long a lock may be held, from its request on.
#[derive(Clone, Copy)]
pub(super) struct HoldLimit {
    pub(super) at: Instant,
    clock: SuspensionClock,
    limit: Duration,
}

impl HoldLimit {
    /// Returns `None` if the limit is too far in the future to be reached.
    pub(super) fn new(asked: Moment, limit: Duration) -> Option<Self> {
        Some(Self { at: asked.at.checked_add(limit)?, clock: asked.clock, limit })
    }

    /// Returns when the limit is reached, if the machine is not suspended until then.
    fn ends(&self) -> Instant {
        self.at.checked_sub(self.clock.suspended()).unwrap_or_else(Instant::now)
    }

    pub(super) fn is_over(&self) -> bool {
        self.ends() <= Instant::now()
    }

    pub(super) fn into_error(self) -> Error {
        let limit = self.limit;
        let message = format!("the lock reached its `max_hold` of {limit:?} and is released");
        Error::new(ErrorKind::LockLost, message)
    }
}

pub(super) struct HoldState {
    /// When the lock expires by the clock of this process: a little earlier than on the server.
    pub(super) until: Instant,
    /// Started when the last renewal was requested. While the machine is suspended, the clock of
    /// this process stands still, but the server's does not.
    pub(super) clock: SuspensionClock,
    pub(super) max_hold: Option<HoldLimit>,
    /// Why the lock is no longer held. It never becomes `None` again.
    pub(super) ended: Option<Error>,
}

impl HoldState {
    /// Returns why the lock is no longer held. The time is read while the state is borrowed, so no
    /// renewal can run in between: a lost lock stays lost.
    pub(super) fn why(&self) -> Option<Error> {
        let too_late = || (self.expires() <= Instant::now()).then(late);
        let over = || self.max_hold.filter(HoldLimit::is_over).map(HoldLimit::into_error);
        self.ended.clone().or_else(over).or_else(too_late)
    }

    /// Returns when the lock is lost without another renewal.
    pub(super) fn ends(&self) -> Instant {
        let expires = self.expires();
        self.max_hold.map_or(expires, |limit| limit.ends().min(expires))
    }

    /// Returns when the lock expires, if the machine is not suspended until then.
    fn expires(&self) -> Instant {
        self.until.checked_sub(self.clock.suspended()).unwrap_or_else(Instant::now)
    }
}

/// Why a lock that was not renewed in time is lost.
pub(super) fn late() -> Error {
    Error::new(ErrorKind::LockLost, LATE)
}

/// Returns until when a lock that was requested at `asked` is certainly held. This is less than its
/// lifetime, by a margin for clocks that run at different speeds.
pub(super) fn end(asked: Instant, lifetime: Duration) -> Instant {
    let margin = lifetime / 100 + Duration::from_millis(2);
    asked + lifetime.saturating_sub(margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_expired_while_the_machine_was_suspended_is_lost() {
        let state = |suspended: Duration| HoldState {
            until: Instant::now() + MINUTE,
            clock: SuspensionClock::before_suspension(suspended),
            max_hold: None,
            ended: None,
        };
        assert!(state(Duration::ZERO).why().is_none());
        assert!(state(MINUTE / 2).why().is_none());
        assert_eq!(state(2 * MINUTE).why().map(|error| error.kind()), Some(ErrorKind::LockLost));
        // A renewal does not try for longer.
        assert!(state(2 * MINUTE).ends() <= Instant::now());
        assert!(state(Duration::ZERO).ends() > Instant::now());
        let later = state(MINUTE / 2);
        tokio::time::advance(MINUTE * 3 / 4).await;
        assert!(later.why().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn max_hold_includes_the_time_of_a_suspension() {
        let state = |suspended: Duration, limit: Duration| {
            let clock = SuspensionClock::before_suspension(suspended);
            let max_hold = HoldLimit::new(Moment::now(), limit).map(|limit| HoldLimit { clock, ..limit });
            HoldState {
                until: Instant::now() + 60 * MINUTE,
                clock: SuspensionClock::start(),
                max_hold,
                ended: None,
            }
        };
        assert!(state(MINUTE, 3 * MINUTE).why().is_none());
        assert!(state(4 * MINUTE, 3 * MINUTE).why().is_some());
        let held = state(2 * MINUTE, 3 * MINUTE);
        tokio::time::advance(2 * MINUTE).await;
        assert!(held.why().is_some());
        assert!(held.ends() <= Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_max_hold_is_no_limit() {
        let state = HoldState {
            until: Instant::now() + 1000 * MINUTE * 60 * 24,
            clock: SuspensionClock::start(),
            max_hold: HoldLimit::new(Moment::now(), Duration::MAX),
            ended: None,
        };
        tokio::time::advance(MINUTE * 60 * 24 * 30).await;
        assert!(state.why().is_none(), "the lock is held for a month");
    }
}
