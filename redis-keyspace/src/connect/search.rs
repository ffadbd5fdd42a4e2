//! The state of the search for a server that was lost or went silent: whether a task of the pool
//! probes it, and why.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::sync::lock;

/// How long a silent lane may take to answer after the server has answered a probe: its reply may
/// be in transit.
const GRACE: Duration = Duration::from_millis(200);

/// The search of a pool for its server. It runs while the breaker is open, or while a lane may be
/// dead.
#[derive(Debug, Default)]
pub(super) struct Search {
    state: Mutex<SearchState>,
}

#[derive(Debug, Default)]
struct SearchState {
    /// The task that probes the server, while it runs.
    task: Option<AbortHandle>,
    /// How many lanes are silent although replies are outstanding.
    suspects: usize,
    /// When the last probe that was answered started and ended.
    answered: Option<(Instant, Instant)>,
    /// Set when the pool is dropped.
    over: bool,
}

impl Search {
    /// Starts the task unless it runs. Call this after recording the reason.
    pub(super) fn start(&self, spawn: impl FnOnce() -> AbortHandle) {
        let mut state = lock(&self.state);
        if state.task.is_none() && !state.over {
            state.task = Some(spawn());
        }
    }

    /// Returns whether the task must continue; if not, it ends. `wants_probe` returns whether the
    /// breaker needs it.
    pub(super) fn must_continue(&self, wants_probe: impl FnOnce() -> bool) -> bool {
        let mut state = lock(&self.state);
        let must_continue = state.suspects > 0 || wants_probe();
        if !must_continue {
            state.task = None;
        }
        must_continue
    }

    /// Whether a lane waits for the outcome.
    pub(super) fn is_urgent(&self) -> bool {
        lock(&self.state).suspects > 0
    }

    /// Records that the server answered a probe that started at this moment.
    pub(super) fn answered(&self, began: Instant) {
        lock(&self.state).answered = Some((began, Instant::now()));
    }

    /// Returns a guard for the task. If the task panics, another one can start. It runs code of the
    /// application: log subscribers, and the manager of its pool.
    pub(super) fn guard(self: &Arc<Self>) -> SearchGuard {
        SearchGuard { search: Arc::clone(self) }
    }

    /// Ends the task, because the pool is dropped.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        if let Some(task) = state.task.take() {
            task.abort();
        }
    }

    /// Counts a silent lane until the guard is dropped.
    pub(super) fn suspect(self: &Arc<Self>) -> Suspicion {
        lock(&self.state).suspects += 1;
        Suspicion { search: Arc::clone(self) }
    }
}

/// A guard for a lane that is silent although replies are outstanding.
pub(super) struct Suspicion {
    search: Arc<Search>,
}

impl Suspicion {
    /// Whether the server answered a probe that started after the lane went silent, and the lane is
    /// still silent after a grace period.
    pub(super) fn is_confirmed(&self, silent_since: Instant, now: Instant) -> bool {
        let answered = lock(&self.search.state).answered;
        answered.is_some_and(|(began, ended)| silent_since < began && ended + GRACE <= now)
    }
}

impl Drop for Suspicion {
    fn drop(&mut self) {
        lock(&self.search.state).suspects -= 1;
    }
}

/// A guard that the task of a search holds.
pub(super) struct SearchGuard {
    search: Arc<Search>,
}

impl Drop for SearchGuard {
    fn drop(&mut self) {
        // Otherwise the task has ended in order, or with the pool or its runtime. Another task may
        // run already.
        if std::thread::panicking() {
            lock(&self.search.state).task = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_task_searches_however_many_lanes_are_silent() {
        let (search, mut tasks) = (Arc::<Search>::default(), 0);
        let mut start = || {
            search.start(|| {
                tasks += 1;
                tokio::spawn(std::future::pending::<()>()).abort_handle()
            });
        };
        let suspects: Vec<_> = (0..10).map(|_| search.suspect()).collect();
        (0..10).for_each(|_| start());
        assert!(search.must_continue(|| false));
        drop(suspects);
        assert!(!search.must_continue(|| false), "the task ends");
        start();
        search.end();
        start();
        assert_eq!(tasks, 2);
    }

    #[tokio::test]
    async fn a_task_that_panics_is_replaced() {
        let search = Arc::<Search>::default();
        let _suspect = search.suspect();
        let guard = search.guard();
        let panicking = tokio::spawn(async move {
            let _guard = guard;
            panic!("of the test");
        });
        search.start(|| panicking.abort_handle());
        assert!(panicking.await.unwrap_err().is_panic());
        let mut is_started = false;
        search.start(|| {
            is_started = true;
            tokio::spawn(std::future::pending::<()>()).abort_handle()
        });
        assert!(is_started);
    }
}
