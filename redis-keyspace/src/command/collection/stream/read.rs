//! `XREAD`.

use std::time::Duration;

use super::base::{StreamParts, command, waiting};
use super::entry::{Entry, RawEntry};
use super::replies::{raw_read_entries, read_entries};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions};
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::Decode;
use crate::schema::{Key, Keyspace};

/// `XREAD` with its options, created by [`Key::xread`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XRead<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XReadOptions<R>>, R>,
);

pub(in crate::command::collection) struct XReadOptions<R> {
    after: StreamId,
    count: Option<u64>,
    block: Option<Duration>,
    decode: Decode<R>,
}

pub(super) fn all<T: SingleValue>(after: StreamId) -> XReadOptions<Vec<Entry<T::Owned>>> {
    XReadOptions { after, count: None, block: None, decode: read_entries::<T> }
}

impl<S: Keyspace, T: SingleValue, R: 'static> XRead<S, T, R> {
    /// Returns at most this many entries; with 0 none, and nothing is sent.
    pub fn count(self, count: u64) -> Self {
        let count = Some(count);
        Self(self.0.map(|options| options.with(|options| XReadOptions { count, ..options })))
    }

    /// Waits up to `limit` for entries, if there are none. Returns no entries if none are added in
    /// that time.
    ///
    /// The limit is rounded up to milliseconds and is at most a week. Zero is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error, because it would mean forever in
    /// Redis. The command uses an exclusive connection while it waits; see
    /// [`exclusive_connections`](crate::RedisBuilder::exclusive_connections). So it can't be part
    /// of a batch, and can't wait for replicas, too. Dropping the future closes the connection;
    /// nothing is lost.
    pub fn block(self, limit: Duration) -> Self {
        let block = Some(limit);
        Self(self.0.map(|options| options.with(|options| XReadOptions { block, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> XRead<S, T, Vec<Entry<T::Owned>>> {
    /// Returns the entries as they are stored, for entries of other clients.
    pub fn raw(self) -> XRead<S, T, Vec<RawEntry>> {
        XRead(self.0.map(|options| {
            options.with(|XReadOptions { after, count, block, .. }| XReadOptions {
                after,
                count,
                block,
                decode: raw_read_entries,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Stream<T>> for XReadOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<R> {
        let Self { after, count, block, decode } = self;
        let mut parts = StreamParts::default().ids(&[after]);
        if let Some(count) = count {
            parts.head.push(b"COUNT");
            parts.head.push_count(count);
        }
        parts.head.push(b"STREAMS");
        let read = command(key, "XREAD", "XREAD", Ok(parts), decode);
        waiting(read.repeatable().reading().on_replica(), block).unless(count == Some(0))
    }
}

command_builder!(XRead<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);
