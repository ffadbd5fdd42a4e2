//! `XREADGROUP`.

use std::time::Duration;

use super::base::{StreamParts, command, waiting};
use super::entry::{Entry, RawEntry};
use super::replies::{pending_read_entries, raw_read_entries, read_entries};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions};
use crate::error::Error;
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::Decode;
use crate::schema::{Key, Keyspace};

/// `XREADGROUP` with its options, created by [`ConsumerGroup::read`](super::ConsumerGroup::read).
/// Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XReadGroup<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XReadGroupOptions<R>>, R>,
);

pub(in crate::command::collection) struct XReadGroupOptions<R> {
    group: String,
    consumer: String,
    count: Option<u64>,
    block: Option<Duration>,
    without_ack: bool,
    /// Reads entries that are pending, from this one on.
    pending_from: Option<StreamId>,
    decode: Decode<R>,
}

impl<R> XReadGroupOptions<R> {
    fn decoded_by<Q>(self, decode: Decode<Q>) -> XReadGroupOptions<Q> {
        let Self { group, consumer, count, block, without_ack, pending_from, .. } = self;
        XReadGroupOptions { group, consumer, count, block, without_ack, pending_from, decode }
    }
}

pub(super) fn new_entries<T: SingleValue>(
    group: String,
    consumer: String,
) -> XReadGroupOptions<Vec<Entry<T::Owned>>> {
    XReadGroupOptions {
        group,
        consumer,
        count: None,
        block: None,
        without_ack: false,
        pending_from: None,
        decode: read_entries::<T>,
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> XReadGroup<S, T, R> {
    fn with(self, change: impl FnOnce(XReadGroupOptions<R>) -> XReadGroupOptions<R>) -> Self {
        Self(self.0.map(|options| options.with(change)))
    }

    /// Returns at most this many entries; with 0 none, and nothing is sent.
    pub fn count(self, count: u64) -> Self {
        self.with(|options| XReadGroupOptions { count: Some(count), ..options })
    }

    /// Waits up to `limit` for entries, if there are none. Returns no entries if none arrive in
    /// that time.
    ///
    /// The limit is rounded up to milliseconds and is at most a week. Zero is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error, because it would mean forever in
    /// Redis. The command uses an exclusive connection while it waits; see
    /// [`exclusive_connections`](crate::RedisBuilder::exclusive_connections). So it can't be part
    /// of a batch, and can't wait for replicas, too.
    ///
    /// Dropping the future closes the connection. Entries that were delivered just then are pending
    /// for the consumer, so that they can be read or claimed again.
    pub fn block(self, limit: Duration) -> Self {
        self.with(|options| XReadGroupOptions { block: Some(limit), ..options })
    }

    /// Delivers the entries without making them pending, as if they were acknowledged at once.
    /// Entries are lost if the program ends, or if the future is dropped while it waits. Redis's
    /// `NOACK`.
    pub fn without_ack(self) -> Self {
        self.with(|options| XReadGroupOptions { without_ack: true, ..options })
    }
}

impl<S: Keyspace, T: SingleValue> XReadGroup<S, T, Vec<Entry<T::Owned>>> {
    /// Returns the entries as they are stored, for entries of other clients.
    pub fn raw(self) -> XReadGroup<S, T, Vec<RawEntry>> {
        XReadGroup(self.0.map(|options| options.with(|options| options.decoded_by(raw_read_entries))))
    }

    /// Reads entries again that are pending for this consumer, from this ID on, instead of new
    /// ones. For an entry that was deleted from the stream, the value is `None`: acknowledge it.
    ///
    /// Each such read counts as another delivery of the entries.
    ///
    /// ```
    /// # use redis_keyspace::stream::{ReadFrom, StreamId};
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// # FeedKeys::log(1).xadd(&7).await?;
    /// let group = FeedKeys::log(1).group("readers");
    /// group.create(ReadFrom::Start).await?;
    /// let new = group.read("one").await?;
    /// let again = group.read("one").pending_from(StreamId::MIN).await?;
    /// assert_eq!(again[0].value, Some(new[0].value));
    /// # Ok(()) }).await }
    /// ```
    pub fn pending_from(self, id: StreamId) -> XReadGroup<S, T, Vec<Entry<Option<T::Owned>>>> {
        XReadGroup(self.0.map(|options| {
            options.with(|options| {
                let options = options.decoded_by(pending_read_entries::<T>);
                XReadGroupOptions { pending_from: Some(id), ..options }
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Stream<T>> for XReadGroupOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<R> {
        let Self { group, consumer, count, block, without_ack, pending_from, decode } = self;
        let mut parts = StreamParts::before(&["GROUP", &group, &consumer]);
        if let Some(count) = count {
            parts.head.push(b"COUNT");
            parts.head.push_count(count);
        }
        if without_ack {
            parts.head.push(b"NOACK");
        }
        parts.head.push(b"STREAMS");
        let parts = match pending_from {
            // The server returns the entries after the ID.
            Some(id) => parts.ids(&[id.checked_previous().unwrap_or(id)]),
            None => parts.after(&[">"]),
        };
        let parts = match (pending_from, block) {
            (Some(_), Some(_)) => Err(Error::invalid_input(
                "pending entries are read at once: leave out `block` or `pending_from`",
            )),
            _ => Ok(parts),
        };
        // Not repeatable: the first attempt may have delivered entries.
        waiting(command(key, "XREADGROUP", "XREADGROUP", parts, decode), block).unless(count == Some(0))
    }
}

command_builder!(XReadGroup<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);
