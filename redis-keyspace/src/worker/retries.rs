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
pub(super) struct WaitingJob {
    pub(super) due: Instant,
    /// How often the handler ran.
    pub(super) deliveries: u64,
    /// Whether the server may have other values for the delay and the deliveries.
    pub(super) is_unclear: bool,
    /// When it must be kept from being claimed by another worker, if it is due later.
    keep_at: Option<Instant>,
}

impl Retries {
    /// Adds a job that ran this often and is due at this time. `keep` is how long no other worker
    /// claims it by itself.
    pub(super) fn add(&mut self, id: StreamId, deliveries: u64, due: Instant, now: Instant, keep: Duration) {
        self.remove(id);
        let keep_at = (due.saturating_duration_since(now) > keep).then(|| now + keep / 2);
        self.jobs.insert(id, WaitingJob { due, deliveries, is_unclear: false, keep_at });
        self.by_due.insert((due, id));
        self.by_keep.extend(keep_at.map(|at| (at, id)));
    }

    /// Notes that no other worker claims a job for the time `keep`.
    pub(super) fn kept(&mut self, id: StreamId, now: Instant, keep: Duration) {
        if let Some(waiting) = self.jobs.get(&id) {
            self.add(id, waiting.deliveries, waiting.due, now, keep);
        }
    }

    /// Notes whether the server may have other values for a job.
    pub(super) fn set_unclear(&mut self, id: StreamId, is_unclear: bool) {
        if let Some(waiting) = self.jobs.get_mut(&id) {
            waiting.is_unclear = is_unclear;
        }
    }

    pub(super) fn remove(&mut self, id: StreamId) {
        if let Some(WaitingJob { due, keep_at, .. }) = self.jobs.remove(&id) {
            self.by_due.remove(&(due, id));
            keep_at.map(|at| self.by_keep.remove(&(at, id)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn get(&self, id: StreamId) -> Option<WaitingJob> {
        self.jobs.get(&id).copied()
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

    /// Returns jobs that must be kept from being claimed now.
    pub(super) fn to_keep(&self, now: Instant, most: usize) -> Vec<(StreamId, WaitingJob)> {
        let ids = self.by_keep.iter().take_while(|(at, _)| *at <= now).map(|&(_, id)| id);
        ids.filter_map(|id| Some((id, self.get(id)?))).take(most).collect()
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
        retries.add(soon, 1, now + MINUTE / 2, now, MINUTE);
        let due = now + MINUTE * 10;
        retries.add(late, 3, due, now, MINUTE);
        assert_eq!((retries.due(now, 9), retries.to_keep(now, 9).len()), (vec![], 0));
        let now = now + MINUTE / 2;
        assert_eq!((retries.next_due(), retries.next_keep()), (Some(now), Some(now)));
        assert_eq!(retries.due(now, 9), [soon]);
        let [(kept, waiting)] = retries.to_keep(now, 9)[..] else { panic!("one job") };
        assert_eq!((kept, waiting.due, waiting.deliveries), (late, due, 3));
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
            retries.add(StreamId::new(ms, 0), 1, now + MINUTE * 2, now, MINUTE);
        }
        let later = now + MINUTE * 2;
        assert_eq!((retries.due(later, 3).len(), retries.to_keep(later, 2).len()), (3, 2));
    }
}
