//! Jobs that failed and run again later.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::kind::StreamId;

/// The jobs that this worker runs again, by the time at which it next does something for them.
#[derive(Default)]
pub(super) struct Retries {
    by_time: BTreeSet<(Instant, StreamId)>,
    jobs: HashMap<StreamId, WaitingJob>,
}

#[derive(Clone, Copy)]
struct WaitingJob {
    next: Instant,
    due: Instant,
}

/// What to do for a job that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It is due.
    Run(StreamId),
    /// It is due after this time. It must be kept from being claimed until then.
    Keep(StreamId, Duration),
}

impl Retries {
    /// Adds a job that is due at this time. `keep` is how long no other worker claims it by itself.
    pub(super) fn add(&mut self, id: StreamId, due: Instant, now: Instant, keep: Duration) {
        self.remove(id);
        let next = if due.saturating_duration_since(now) > keep { now + keep / 2 } else { due };
        self.jobs.insert(id, WaitingJob { next, due });
        self.by_time.insert((next, id));
    }

    pub(super) fn remove(&mut self, id: StreamId) {
        if let Some(waiting) = self.jobs.remove(&id) {
            self.by_time.remove(&(waiting.next, id));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.jobs.contains_key(&id)
    }

    /// When something is to be done next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.by_time.first().map(|&(next, _)| next)
    }

    /// Takes a job for which something is to be done now.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Due, Instant)> {
        let &(next, id) = self.by_time.first().filter(|(next, _)| *next <= now)?;
        self.by_time.remove(&(next, id));
        let waiting = self.jobs.remove(&id)?;
        let left = waiting.due.saturating_duration_since(now);
        let due = if left.is_zero() { Due::Run(id) } else { Due::Keep(id, left) };
        Some((due, waiting.due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_long_delay_is_kept_in_between() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        let [soon, late] = [1, 2].map(|ms| StreamId::new(ms, 0));
        retries.add(soon, now + MINUTE / 2, now, MINUTE);
        retries.add(late, now + MINUTE * 10, now, MINUTE);
        assert_eq!(retries.take(now), None);
        let now = now + MINUTE / 2;
        assert_eq!(retries.next_at(), Some(now));
        assert_eq!(retries.take(now).map(|(due, _)| due), Some(Due::Run(soon)));
        let (due, at) = retries.take(now).unwrap();
        assert_eq!(due, Due::Keep(late, MINUTE * 10 - MINUTE / 2));
        assert!(!retries.contains(late));
        retries.add(late, at, now, MINUTE);
        assert_eq!(retries.next_at(), Some(now + MINUTE / 2));
        retries.remove(late);
        assert_eq!(retries.next_at(), None);
    }
}
