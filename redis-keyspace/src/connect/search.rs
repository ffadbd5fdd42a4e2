//! What is known of the search for a server that was lost or went silent: whether one task of the pool probes it, and why.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::sync::lock;

/// A silent lane has this long to answer after the server has answered a probe: its reply may be on its way.
const GRACE: Duration = Duration::from_millis(200);

/// The search of a pool for its server. It runs while the breaker is open, or a lane is suspected of being dead.
#[derive(Debug, Default)]
pub(super) struct Search {
    state: Mutex<SearchState>,
}

#[derive(Debug, Default)]
struct SearchState {
    /// The task that probes, while it runs.
    task: Option<AbortHandle>,
    /// How many lanes owe replies and are silent.
    suspects: usize,
    /// When the last probe that was answered began and ended.
    answered: Option<(Instant, Instant)>,
    /// The pool is gone.
    over: bool,
}

impl Search {
    /// Starts the task unless it runs. Call it after the reason for it was recorded.
    pub(super) fn start(&self, spawn: impl FnOnce() -> AbortHandle) {
        let mut state = lock(&self.state);
        if state.task.is_none() && !state.over {
            state.task = Some(spawn());
        }
    }

    /// Whether the task must go on; if not, it ends. `wants_probe` tells whether the breaker needs it.
    pub(super) fn goes_on(&self, wants_probe: impl FnOnce() -> bool) -> bool {
        let mut state = lock(&self.state);
        let goes_on = state.suspects > 0 || wants_probe();
        if !goes_on {
            state.task = None;
        }
        goes_on
    }

    /// Whether a lane waits for the outcome.
    pub(super) fn is_urgent(&self) -> bool {
        lock(&self.state).suspects > 0
    }

    /// The server answered a probe that began at this moment.
    pub(super) fn answered(&self, began: Instant) {
        lock(&self.state).answered = Some((began, Instant::now()));
    }

    /// Ends the task: the pool is gone.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        if let Some(task) = state.task.take() {
            task.abort();
        }
    }

    /// Counts a suspect until the guard is dropped.
    pub(super) fn suspect(self: &Arc<Self>) -> Suspicion {
        lock(&self.state).suspects += 1;
        Suspicion { search: Arc::clone(self) }
    }
}

/// A lane owes replies and is silent.
pub(super) struct Suspicion {
    search: Arc<Search>,
}

impl Suspicion {
    /// Whether the server has answered a probe that began after the silence did, and the lane is still silent a while later.
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
