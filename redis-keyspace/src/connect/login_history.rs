//! The history of the logins of a pool, which decides which login to try next.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::atomicity::Atomicity;
use crate::sync::lock;

/// How long a pool uses the plain login before it tries the full login again. The proxy may have
/// been replaced. Also, a server that restarts at the wrong moment looks like a proxy that closes
/// connections.
const PLAIN_FOR: Duration = Duration::from_secs(600);
/// How many full logins in a row must end with a closed connection before a pool falls back to the
/// plain login, if its full login succeeded before. Its server accepts the full login, so it is
/// probably restarting.
const CLOSED_BEFORE_FALLBACK: u32 = 3;

/// The history of the logins of a pool.
#[derive(Debug, Default)]
pub(super) struct LoginHistory {
    state: Mutex<LoginState>,
}

#[derive(Debug, Default)]
struct LoginState {
    /// Whether a full login ever succeeded.
    had_full_login: bool,
    /// How many full logins ended with a closed connection since the last other outcome.
    closed_in_a_row: u32,
    /// When the plain login was last found to be needed, and what is known about it.
    plain: Option<(Instant, PlainLogin)>,
}

/// What is known about a plain login that is needed.
#[derive(Debug, Clone, Default)]
pub(super) struct PlainLogin {
    /// What the server accepts with it. `None` if each connection must find out again.
    pub(super) atomicity: Option<Atomicity>,
}

impl LoginHistory {
    /// Records that a full login succeeded.
    pub(super) fn succeeded(&self) {
        *lock(&self.state) = LoginState { had_full_login: true, ..LoginState::default() };
    }

    /// Records that the connection was closed during a full login. Returns whether to try the plain
    /// one.
    pub(super) fn closed(&self) -> bool {
        let mut state = lock(&self.state);
        state.closed_in_a_row = state.closed_in_a_row.saturating_add(1);
        !state.had_full_login || state.closed_in_a_row >= CLOSED_BEFORE_FALLBACK
    }

    /// Records that a full login failed in another way: the server is down, or rejects the user.
    pub(super) fn failed(&self) {
        let mut state = lock(&self.state);
        if state.plain.is_none() {
            state.closed_in_a_row = 0;
        }
    }

    /// Records that the login must be plain, and what the server accepts with it. Pass `None` for
    /// what must not be remembered.
    pub(super) fn found_plain(&self, atomicity: Option<Atomicity>) {
        let mut state = lock(&self.state);
        // Further connections do not put off the next full login.
        let known = state.plain.as_ref().map(|(at, _)| *at).filter(|at| at.elapsed() < PLAIN_FOR);
        state.plain = Some((known.unwrap_or_else(Instant::now), PlainLogin { atomicity }));
    }

    /// Returns what is known about the plain login, if it was recently found to be needed.
    pub(super) fn plain(&self) -> Option<PlainLogin> {
        let state = lock(&self.state);
        let (at, login) = state.plain.as_ref()?;
        (at.elapsed() < PLAIN_FOR).then(|| login.clone())
    }

    /// Whether the next login must be a full one.
    pub(super) fn is_full_login_due(&self) -> bool {
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
    async fn a_plain_login_expires() {
        let history = LoginHistory::default();
        assert!(history.is_full_login_due() && !history.is_plain());
        assert!(history.closed(), "a pool that never had a full login falls back at once");
        history.found_plain(None);
        assert!(history.plain().is_some_and(|login| login.atomicity.is_none()));
        assert!(history.is_plain() && !history.is_full_login_due());
        tokio::time::advance(PLAIN_FOR / 2).await;
        history.found_plain(Some(Atomicity::default()));
        assert!(history.plain().is_some_and(|login| login.atomicity.is_some()));
        tokio::time::advance(PLAIN_FOR / 2).await;
        assert!(history.plain().is_none() && history.is_full_login_due());
        // Until the full login succeeds, connections may be plain.
        assert!(history.is_plain());
        history.succeeded();
        assert!(!history.is_plain() && history.is_full_login_due());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_with_a_full_login_does_not_fall_back_at_once() {
        let history = LoginHistory::default();
        history.succeeded();
        assert_eq!([history.closed(), history.closed()], [false, false]);
        // The server is down, which explains the closed connections.
        history.failed();
        assert_eq!([history.closed(), history.closed(), history.closed()], [false, false, true]);
        history.found_plain(None);
        tokio::time::advance(PLAIN_FOR).await;
        history.failed();
        assert!(history.closed(), "it fell back before");
        history.succeeded();
        assert!(!history.closed());
    }
}
