//! Counts the callers that wait for a connection.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Settings;
use crate::error::Error;
use crate::protocol::Request;

/// The requests that wait for a connection. They have the same limits as the requests on a
/// connection.
#[derive(Default)]
pub(super) struct ConnectQueue {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// One request in the queue.
pub(super) struct QueuePlace<'q> {
    queued: &'q ConnectQueue,
    bytes: usize,
}

impl ConnectQueue {
    /// Adds a request, until the place is dropped. Fails if the queue is full.
    pub(super) fn enter(&self, request: &Request, settings: &Settings) -> Result<QueuePlace<'_>, Error> {
        let bytes = request.length();
        let place = QueuePlace { queued: self, bytes };
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let most = usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX);
        if count >= most || waiting > settings.max_queued_bytes {
            return Err(Error::overloaded(count, waiting));
        }
        Ok(place)
    }

    /// How many requests wait.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.queued.count.fetch_sub(1, Ordering::Relaxed);
        self.queued.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The callers that wait for an exclusive connection.
#[derive(Default)]
pub(super) struct WaitingCallers {
    count: AtomicUsize,
    waited_micros: AtomicU64,
}

impl WaitingCallers {
    /// How many callers wait.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How long callers have waited in total, also in vain.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_micros.load(Ordering::Relaxed))
    }
}

/// Counts a waiting caller, and how long it waits. bb8 does not count those that stop waiting.
pub(super) struct WaitingCaller<'c> {
    callers: &'c WaitingCallers,
    pub(super) since: Instant,
}

impl<'c> WaitingCaller<'c> {
    pub(super) fn new(callers: &'c WaitingCallers) -> Self {
        callers.count.fetch_add(1, Ordering::Relaxed);
        Self { callers, since: Instant::now() }
    }
}

impl Drop for WaitingCaller<'_> {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.callers.waited_micros.fetch_add(waited, Ordering::Relaxed);
        self.callers.count.fetch_sub(1, Ordering::Relaxed);
    }
}
