//! How the logins of a pool went, and so which login comes next.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::atomicity::Atomicity;
use crate::sync::lock;

/// How long a pool logs in plainly before it tries the whole login again: the proxy may have been replaced, and a server that
/// restarts at the wrong moment looks like a proxy that closes connections.
const PLAIN_FOR: Duration = Duration::from_secs(600);
/// How many whole logins in a row must end with a closed connection before a pool falls back that has logged in wholly before.
/// Its server accepts the whole login, so it is probably restarting.
const CLOSED_BEFORE_FALLBACK: u32 = 3;

/// How the logins of a pool went.
#[derive(Debug, Default)]
pub(super) struct LoginHistory {
    state: Mutex<LoginState>,
}

#[derive(Debug, Default)]
struct LoginState {
    /// Whether a whole login ever succeeded.
    has_been_whole: bool,
    /// How many whole logins ended with a closed connection since the last other outcome.
    closed_in_a_row: u32,
    /// When the plain login was last found to be needed, and what the server accepts with it.
    plain: Option<(Instant, Atomicity)>,
}

impl LoginHistory {
    /// Records that a whole login succeeded.
    pub(super) fn succeeded(&self) {
        *lock(&self.state) = LoginState { has_been_whole: true, ..LoginState::default() };
    }

    /// Records that the connection was closed during a whole login; returns whether to try the plain one.
    pub(super) fn closed(&self) -> bool {
        let mut state = lock(&self.state);
        state.closed_in_a_row = state.closed_in_a_row.saturating_add(1);
        !state.has_been_whole || state.closed_in_a_row >= CLOSED_BEFORE_FALLBACK
    }

    /// Records that a whole login failed in another way: the server is down, or rejects the user.
    pub(super) fn failed(&self) {
        let mut state = lock(&self.state);
        if state.plain.is_none() {
            state.closed_in_a_row = 0;
        }
    }

    /// Records that the login must be plain, and what the server accepts with it.
    pub(super) fn found_plain(&self, atomicity: Atomicity) {
        lock(&self.state).plain = Some((Instant::now(), atomicity));
    }

    /// What the server accepts with a plain login, if it was found lately that the login must be plain.
    pub(super) fn plain(&self) -> Option<Atomicity> {
        let state = lock(&self.state);
        let (at, atomicity) = state.plain.as_ref()?;
        (at.elapsed() < PLAIN_FOR).then(|| atomicity.clone())
    }

    /// Whether a whole login is due.
    pub(super) fn is_whole_login_due(&self) -> bool {
        lock(&self.state).plain.as_ref().is_none_or(|(at, _)| at.elapsed() >= PLAIN_FOR)
    }

    /// Whether the last login was plain.
    pub(super) fn is_plain(&self) -> bool {
        lock(&self.state).plain.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_plain_login_is_for_a_while() {
        let history = LoginHistory::default();
        assert!(history.is_whole_login_due() && !history.is_plain());
        assert!(history.closed(), "a pool that never logged in wholly falls back at once");
        history.found_plain(Atomicity::default());
        assert!(history.plain().is_some() && history.is_plain() && !history.is_whole_login_due());
        tokio::time::advance(PLAIN_FOR).await;
        assert!(history.plain().is_none() && history.is_whole_login_due());
        // Until the whole login succeeds, connections may be plain.
        assert!(history.is_plain());
        history.succeeded();
        assert!(!history.is_plain() && history.is_whole_login_due());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_logged_in_wholly_does_not_fall_back_at_once() {
        let history = LoginHistory::default();
        history.succeeded();
        assert_eq!([history.closed(), history.closed()], [false, false]);
        // The server is down, so it was closed for that reason.
        history.failed();
        assert_eq!([history.closed(), history.closed(), history.closed()], [false, false, true]);
        history.found_plain(Atomicity::default());
        tokio::time::advance(PLAIN_FOR).await;
        history.failed();
        assert!(history.closed(), "it fell back before");
        history.succeeded();
        assert!(!history.closed());
    }
}
