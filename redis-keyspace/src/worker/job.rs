//! Jobs, and those that failed too often.

use std::fmt;

use tokio::sync::watch;

use super::script::{DEAD_DELIVERIES, DEAD_ERROR, DEAD_GROUP, DEAD_ID};
use crate::command::RawEntry;
use crate::kind::StreamId;

/// One delivery of an entry, as the handler of a [`Worker`](super::Worker) gets it.
#[non_exhaustive]
pub struct Job<V> {
    /// The value of the entry.
    pub value: V,
    /// The ID of the entry. It stays the same when the job is repeated, so it can identify the
    /// effect of the job.
    pub id: StreamId,
    /// How often the entry was delivered, this time included: 1 the first time.
    pub deliveries: u64,
    pub(super) lost: watch::Receiver<bool>,
}

impl<V> Job<V> {
    /// Whether another consumer has claimed the entry, or it was acknowledged or deleted, while
    /// this job ran. A second run of the job may be in progress.
    ///
    /// The worker finds out with its heartbeat, so up to a third of
    /// [`min_idle`](super::Worker::min_idle) later.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Waits until the job [is lost](Self::is_lost), which may never happen. For `select!` in long
    /// handlers.
    pub async fn lost(&self) {
        if self.lost.clone().wait_for(|is_lost| *is_lost).await.is_err() {
            // The worker is gone, and nothing can be said any more.
            std::future::pending().await
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for Job<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("deliveries", &self.deliveries)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// What a worker added to an entry of its dead letters: why it is there.
///
/// The entry has the fields of the original one, so that it can be read as usual and added again.
/// The fields `dead-id`, `dead-group`, `dead-deliveries` and `dead-error` follow.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Stream, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "mail", ttl = none)]
/// # struct MailKeys { #[key(trim = none)] dead: Stream<Text> }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// use redis_keyspace::worker::DeadLetter;
///
/// for entry in MailKeys::dead().xrange(..).raw().await? {
///     if let Some(letter) = DeadLetter::of(&entry) {
///         println!("{} failed {} times: {}", letter.id, letter.deliveries, letter.error);
///     }
/// }
/// # Ok(()) }).await }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The ID of the entry in its stream.
    pub id: StreamId,
    /// The group whose worker gave up.
    pub group: String,
    /// How often the entry was delivered.
    pub deliveries: u64,
    /// The last error, as text, of at most 1000 bytes.
    pub error: String,
}

impl DeadLetter {
    /// Returns what the worker added to an entry; `None` if it is no dead letter.
    #[must_use]
    pub fn of(entry: &RawEntry) -> Option<Self> {
        let text = |name| entry.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        Some(Self {
            id: text(DEAD_ID)?.parse().ok()?,
            group: text(DEAD_GROUP)?,
            deliveries: text(DEAD_DELIVERIES)?.parse().ok()?,
            error: text(DEAD_ERROR)?,
        })
    }
}
