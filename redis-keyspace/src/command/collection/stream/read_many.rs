//! `XREAD` of several streams.

use std::marker::PhantomData;
use std::time::Duration;

use super::base::waiting;
use super::entry::Entry;
use super::replies::{bytes, entries_of, pairs};
use crate::client::CallOptions;
use crate::command::base::Command;
use crate::command::builder::{CommandOptions, Deferred, command_builder};
use crate::command::collection::docs::reading;
use crate::command::collection::several::{self, SeveralKeys};
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::{Args, KeyCount, Replies, Request, push_id};
use crate::schema::{Key, Keyspace};

/// Operations on several streams; see [`Stream`].
impl<S: Keyspace, T: SingleValue> Key<S, Stream<T>> {
    /// Returns the entries of several streams, oldest first, each after its own ID. Streams without
    /// such entries are left out; the others are in the given order.
    ///
    /// [`count`](XReadMany::count) limits the entries of each stream, and
    /// [`block`](XReadMany::block) waits for some. To follow streams, pass the ID of the last entry
    /// of each to the next call. On a cluster, all streams must be in one slot. The name of one
    /// stream must not be the end of the name of another. The handle that was set on the keys is
    /// not set on the returned ones.
    ///
    /// ```
    /// # use redis_keyspace::stream::StreamId;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::log(1).xadd(&7).await?;
    /// let last = FeedKeys::log(2).xadd(&8).await?;
    /// FeedKeys::log(2).xadd(&9).await?;
    /// let streams = [(FeedKeys::log(1), StreamId::MIN), (FeedKeys::log(2), last)];
    /// for (log, entries) in Key::xread_many(streams).await? {
    ///     println!("{}: {} new entries", log.as_str(), entries.len());
    /// #   assert_eq!(entries.len(), 1);
    /// }
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XREAD")]
    pub fn xread_many(streams: impl IntoIterator<Item = (Self, StreamId)>) -> XReadMany<S, T> {
        let (keys, after): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
        XReadMany(Deferred::Building(XReadManyOptions {
            keys: SeveralKeys::of(keys),
            after,
            count: None,
            block: None,
            call: CallOptions::default(),
            types: PhantomData,
        }))
    }
}

/// Streams and their entries.
type StreamEntries<S, T> = Vec<(Key<S, Stream<T>>, Vec<Entry<<T as SingleValue>::Owned>>)>;

/// `XREAD` of several streams with its options, created by [`Key::xread_many`]. Await it, or pass
/// it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XReadMany<S: Keyspace, T: SingleValue>(Deferred<XReadManyOptions<S, T>, StreamEntries<S, T>>);

struct XReadManyOptions<S, T> {
    keys: SeveralKeys,
    after: Vec<StreamId>,
    count: Option<u64>,
    block: Option<Duration>,
    call: CallOptions,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Keyspace, T: SingleValue> XReadMany<S, T> {
    /// Returns at most this many entries of each stream; with 0 none, and nothing is sent.
    pub fn count(self, count: u64) -> Self {
        Self(self.0.map(|options| XReadManyOptions { count: Some(count), ..options }))
    }

    /// Waits up to `limit` for entries, if no stream has any; see
    /// [`XRead::block`](super::XRead::block). Returns no entries if none are added in that time.
    pub fn block(self, limit: Duration) -> Self {
        Self(self.0.map(|options| XReadManyOptions { block: Some(limit), ..options }))
    }
}

impl<S: Keyspace, T: SingleValue> CommandOptions for XReadManyOptions<S, T> {
    type Output = StreamEntries<S, T>;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<StreamEntries<S, T>> {
        let mut args = Args::default();
        self.after.iter().for_each(|id| push_id(*id, &mut args));
        let mut head = Args::default();
        if let Some(count) = self.count {
            head.push(b"COUNT");
            head.push_count(count);
        }
        head.push(b"STREAMS");
        let keys = std::mem::take(&mut self.keys);
        let mut command = keys.read::<S, _>("XREAD", KeyCount::Implied, Ok(args), read_streams::<S, T>);
        let request = std::mem::replace(&mut command.request, Ok(Request::Empty));
        command.request = several::check_names(request);
        let command = waiting(command.with_head(head), self.block).unless(self.count == Some(0));
        command.with_call(std::mem::take(&mut self.call))
    }
}

/// Decodes the streams and their entries.
fn read_streams<S: Keyspace, T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<StreamEntries<S, T>> {
    let streams = pairs(request, replies)?.into_iter().map(|(name, entries)| {
        let key = several::named::<S, Stream<T>>(request, &bytes(name)?)?;
        Ok((key, entries_of::<T>(entries)?))
    });
    streams.collect()
}

impl<S, T> std::fmt::Debug for XReadManyOptions<S, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("command", &"XREAD").finish_non_exhaustive()
    }
}

command_builder!(XReadMany<S, T> => StreamEntries<S, T>, where S: Keyspace, T: SingleValue);
