//! Jobs that failed and run again later.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::kind::StreamId;

/// The jobs that this worker runs again.
///
/// A job stays here until it is removed: a command for it may fail, or its outcome may be unknown.
#[derive(Default)]
pub(super) struct Retries {
    jobs: HashMap<StreamId, WaitingJob>,
    by_due: BTreeSet<(Instant, StreamId)>,
    by_keep: BTreeSet<(Instant, StreamId)>,
}

#[derive(Clone, Copy)]
struct WaitingJob {
    due: Instant,
    /// When it must be kept from being claimed by another worker, if it is due later.
    keep_at: Option<Instant>,
}

impl Retries {
    /// Adds a job that is due at this time. `keep` is how long no other worker claims it by itself.
    pub(super) fn add(&mut self, id: StreamId, due: Instant, now: Instant, keep: Duration) {
        self.remove(id);
        let keep_at = (due.saturating_duration_since(now) > keep).then(|| now + keep / 2);
        self.jobs.insert(id, WaitingJob { due, keep_at });
        self.by_due.insert((due, id));
        self.by_keep.extend(keep_at.map(|at| (at, id)));
    }

    /// Notes that no other worker claims a job for the time `keep`.
    pub(super) fn kept(&mut self, id: StreamId, now: Instant, keep: Duration) {
        if let Some(waiting) = self.jobs.get(&id) {
            self.add(id, waiting.due, now, keep);
        }
    }

    pub(super) fn remove(&mut self, id: StreamId) {
        if let Some(WaitingJob { due, keep_at }) = self.jobs.remove(&id) {
            self.by_due.remove(&(due, id));
            keep_at.map(|at| self.by_keep.remove(&(at, id)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.jobs.contains_key(&id)
    }

    /// When the next job is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_due.first().map(|&(due, _)| due)
    }

    /// When the next job must be kept from being claimed.
    pub(super) fn next_keep(&self) -> Option<Instant> {
        self.by_keep.first().map(|&(at, _)| at)
    }

    /// Returns jobs that are due, the earliest first.
    pub(super) fn due(&self, now: Instant, most: usize) -> Vec<StreamId> {
        self.by_due.iter().take_while(|(due, _)| *due <= now).take(most).map(|&(_, id)| id).collect()
    }

    /// Returns jobs that must be kept from being claimed now, with the time until they are due.
    pub(super) fn to_keep(&self, now: Instant, most: usize) -> Vec<(StreamId, Duration)> {
        let ids = self.by_keep.iter().take_while(|(at, _)| *at <= now).map(|&(_, id)| id);
        let left = |id| self.jobs.get(&id).map(|waiting| (id, waiting.due.saturating_duration_since(now)));
        ids.filter_map(left).take(most).collect()
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
        assert_eq!((retries.due(now, 9), retries.to_keep(now, 9)), (vec![], vec![]));
        let now = now + MINUTE / 2;
        assert_eq!((retries.next_due(), retries.next_keep()), (Some(now), Some(now)));
        assert_eq!(retries.due(now, 9), [soon]);
        assert_eq!(retries.to_keep(now, 9), [(late, MINUTE * 10 - MINUTE / 2)]);
        // Until it is removed or kept, it stays.
        assert_eq!(retries.to_keep(now, 9).len(), 1);
        retries.kept(late, now, MINUTE);
        assert_eq!(retries.next_keep(), Some(now + MINUTE / 2));
        retries.remove(soon);
        let now = now + MINUTE * 9;
        retries.kept(late, now, MINUTE);
        assert_eq!(retries.next_keep(), None, "the rest is short enough");
        assert_eq!(retries.due(now + MINUTE, 9), [late]);
        retries.remove(late);
        assert_eq!((retries.next_due(), retries.len()), (None, 0));
    }

    #[test]
    fn the_number_of_jobs_is_limited() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        for ms in 0..5 {
            retries.add(StreamId::new(ms, 0), now + MINUTE * 2, now, MINUTE);
        }
        let later = now + MINUTE * 2;
        assert_eq!((retries.due(later, 3).len(), retries.to_keep(later, 2).len()), (3, 2));
    }
}
