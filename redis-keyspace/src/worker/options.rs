//! The options of a worker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::event::WorkerEvent;
use crate::command::ReadFrom;
use crate::error::{Error, Result};
use crate::kind::{SingleValue, Stream};
use crate::schema::{Key, Keyspace};
use crate::time::{Backoff, millis};

/// How often a job is repeated that fails, if there are dead letters and no other number is set.
const USUAL_RETRIES: u32 = 5;
const SHORTEST_IDLE: Duration = Duration::from_millis(10);
/// The longest pause before a job runs again.
const LONGEST_DELAY: Duration = Duration::from_secs(30 * 24 * 3600);
/// How much of the text of an error a dead letter contains.
const LONGEST_ERROR: usize = 1000;

/// What is told to the program.
pub(super) type OnEvent = Arc<dyn Fn(WorkerEvent) + Send + Sync>;

pub(super) struct WorkerOptions<S: Keyspace, T: SingleValue> {
    pub(super) from: ReadFrom,
    /// `None` if no number is set.
    pub(super) retries: Option<u32>,
    pub(super) dead_letters: Option<Key<S, Stream<T>>>,
    pub(super) concurrency: usize,
    pub(super) min_idle: Duration,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) stop_within: Duration,
    pub(super) deletes: bool,
    pub(super) trims: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) on_event: Option<OnEvent>,
}

impl<S: Keyspace, T: SingleValue> Default for WorkerOptions<S, T> {
    fn default() -> Self {
        Self {
            from: ReadFrom::Start,
            retries: None,
            dead_letters: None,
            concurrency: 8,
            min_idle: Duration::from_secs(60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            stop_within: Duration::from_secs(30),
            deletes: false,
            trims: false,
            timeout: None,
            on_event: None,
        }
    }
}

impl<S: Keyspace, T: SingleValue> WorkerOptions<S, T> {
    /// Fails if the options contradict each other.
    pub(super) fn check(&self, key: &Key<S, Stream<T>>) -> Result<()> {
        let problem = if self.concurrency == 0 {
            "`concurrency(0)` runs no job: set at least 1"
        } else if self.min_idle < SHORTEST_IDLE {
            "`min_idle` must be at least 10 ms, and longer than the server may take to answer"
        } else if self.retries.is_some() && self.dead_letters.is_none() {
            "`retries` needs a stream for the jobs that keep failing: add `dead_letter(&key)`, or leave `retries` out to \
             repeat such jobs without end"
        } else if self.dead_letters.as_ref() == Some(key) {
            "the dead letters need a stream of their own: this worker would read them again"
        } else {
            millis(self.min_idle)?;
            return Ok(());
        };
        Err(key.explain("XREADGROUP", Error::invalid_input(problem)))
    }

    /// Returns how many deliveries a job has before it is a dead letter; `None` without dead
    /// letters.
    pub(super) fn most_deliveries(&self) -> Option<u64> {
        self.dead_letters.as_ref()?;
        Some(u64::from(self.retries.unwrap_or(USUAL_RETRIES)) + 1)
    }

    /// Returns the pause after this delivery.
    pub(super) fn pause_after(&self, delivery: u64) -> Duration {
        let doublings = u32::try_from(delivery.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let pause = self.first_pause.saturating_mul(1 << doublings);
        Backoff::new(pause, self.longest_pause).pause().min(LONGEST_DELAY)
    }
}

/// Returns the text of an error, cut to what a dead letter contains.
pub(super) fn shortened(error: &str) -> &str {
    if error.len() <= LONGEST_ERROR {
        return error;
    }
    let end = (0..=LONGEST_ERROR).rev().find(|&end| error.is_char_boundary(end)).unwrap_or_default();
    error.get(..end).unwrap_or_default()
}

impl<S: Keyspace, T: SingleValue> fmt::Debug for WorkerOptions<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOptions")
            .field("retries", &self.retries)
            .field("dead_letters", &self.dead_letters)
            .field("concurrency", &self.concurrency)
            .field("min_idle", &self.min_idle)
            .finish_non_exhaustive()
    }
}
