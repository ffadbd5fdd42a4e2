//! What a worker reports: events as they happen, and numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::kind::StreamId;

/// What happened to a worker, for [`Worker::on_event`](super::Worker::on_event).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The handler failed or panicked. The job runs again after the delay, here or elsewhere.
    Failed {
        /// The ID of the job.
        id: StreamId,
        /// How often it was delivered, this time included.
        deliveries: u64,
        /// The error, as text.
        error: String,
        /// When the job may run again.
        delay: Duration,
    },
    /// The job was moved to the dead letters. Reported once, also if the reply of the server was
    /// lost.
    Dead {
        /// The ID of the job.
        id: StreamId,
        /// How often it was delivered.
        deliveries: u64,
        /// The last error, as text.
        error: String,
    },
    /// While the job ran, its entry was claimed by another consumer, acknowledged or deleted.
    Lost {
        /// The ID of the job.
        id: StreamId,
    },
    /// Entries were pending that had been deleted from the stream, for example by trimming. Their
    /// jobs never run.
    Deleted {
        /// How many.
        count: u64,
    },
    /// The group did not exist any more, so it was created again: the stream was deleted, evicted
    /// or expired, or another program deleted the group. What was pending is no longer known.
    GroupRecreated,
    /// A command failed. The worker tries it again after a pause, or, if the error does not pass by
    /// itself, when the entry is claimed again.
    CommandFailed(Error),
}

/// The numbers of a worker since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Entries that were delivered for the first time.
    pub read: u64,
    /// Entries that were taken over after their consumer did not acknowledge them, and retries.
    pub claimed: u64,
    /// Jobs that succeeded and were acknowledged.
    pub succeeded: u64,
    /// Runs of the handler that failed or panicked, and entries that could not be decoded.
    pub failed: u64,
    /// Jobs that were moved to the dead letters.
    pub dead: u64,
    /// Jobs whose entry was claimed by another consumer, acknowledged or deleted while they ran.
    pub lost: u64,
    /// Jobs that succeeded, although their entry was not pending any more: they may run twice.
    pub not_pending: u64,
    /// Jobs that succeeded and could not be acknowledged, so they run again.
    pub not_acknowledged: u64,
    /// Pending entries that had been deleted from the stream.
    pub deleted: u64,
    /// How often the group had to be created again.
    pub recreated: u64,
}

/// A view of the numbers of a worker while it runs, from [`Worker::stats`](super::Worker::stats).
#[derive(Debug, Clone, Default)]
pub struct LiveStats(pub(super) Arc<WorkerCounters>);

impl LiveStats {
    /// Returns the numbers now.
    #[must_use]
    pub fn get(&self) -> WorkerStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0;
        WorkerStats {
            read: get(&counters.read),
            claimed: get(&counters.claimed),
            succeeded: get(&counters.succeeded),
            failed: get(&counters.failed),
            dead: get(&counters.dead),
            lost: get(&counters.lost),
            not_pending: get(&counters.not_pending),
            not_acknowledged: get(&counters.not_acknowledged),
            deleted: get(&counters.deleted),
            recreated: get(&counters.recreated),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct WorkerCounters {
    pub(super) read: AtomicU64,
    pub(super) claimed: AtomicU64,
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dead: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) not_pending: AtomicU64,
    pub(super) not_acknowledged: AtomicU64,
    pub(super) deleted: AtomicU64,
    pub(super) recreated: AtomicU64,
}

/// What happened to jobs, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum JobResult {
    Read,
    Claimed,
    Succeeded,
    Failed,
    Dead,
    Lost,
    NotPending,
    NotAcknowledged,
    Deleted,
}

impl JobResult {
    /// The label of the metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Claimed => "claimed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Lost => "lost",
            Self::NotPending => "not_pending",
            Self::NotAcknowledged => "not_acknowledged",
            Self::Deleted => "deleted",
        }
    }
}

impl WorkerCounters {
    pub(super) fn of(&self, result: JobResult) -> &AtomicU64 {
        match result {
            JobResult::Read => &self.read,
            JobResult::Claimed => &self.claimed,
            JobResult::Succeeded => &self.succeeded,
            JobResult::Failed => &self.failed,
            JobResult::Dead => &self.dead,
            JobResult::Lost => &self.lost,
            JobResult::NotPending => &self.not_pending,
            JobResult::NotAcknowledged => &self.not_acknowledged,
            JobResult::Deleted => &self.deleted,
        }
    }
}
