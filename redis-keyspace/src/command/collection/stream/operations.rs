//! The operations of streams.

use std::ops::RangeBounds;

use super::add::{XAdd, XAddOptions};
use super::base::{IdRange, StreamParts, command};
use super::entry::Entry;
use super::group::ConsumerGroup;
use super::info::{self, GroupInfo, StreamInfo};
use super::range::{self, XRange};
use super::read::{self, XRead};
use super::tail::Tail;
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::command::collection::base::{self, KeyOptions};
use crate::command::collection::docs::{reading, removing, writing};
use crate::kind::{SingleValue, Stream, StreamId, Trim};
use crate::protocol::{Args, push_id, push_trim};
use crate::schema::{Key, Keyspace};

/// Operations of streams; see [`Stream`].
impl<S: Keyspace, T: SingleValue> Key<S, Stream<T>> {
    /// Adds an entry at the end. Returns its ID.
    ///
    /// If the template declares `trim`, the command also trims the stream.
    /// [`trim`](XAdd::trim) overrides that, [`id`](XAdd::id) sets the ID, and
    /// [`only_if_present`](XAdd::only_if_present) adds the entry only if the stream exists.
    ///
    /// Not retried after a lost connection: the first attempt may have added the entry.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "audit", ttl = none)]
    /// # struct AuditKeys { #[key(trim = "~100000")] log: fn(org: u64) -> Stream<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let first = AuditKeys::log(1).xadd("ada logged in").await?;
    /// let second = AuditKeys::log(1).xadd("ada logged out").await?;
    /// assert!(first < second);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "XADD")]
    pub fn xadd(&self, value: &T::Borrowed) -> XAdd<S, T, StreamId> {
        let mut entry = Args::default();
        entry.push(T::STREAM_FIELD.as_bytes());
        let entry = base::push::<S, _, T>(self, value, &mut entry).map(|()| entry);
        XAdd(Deferred::Building(KeyOptions::new(self, XAddOptions::new(entry))))
    }

    /// Returns the number of entries.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::log(1).xadd(&7).await?;
    /// assert_eq!(FeedKeys::log(1).xlen().await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XLEN")]
    pub fn xlen(&self) -> Command<u64> {
        Command::read_of(self, "XLEN", |_| Ok(()), base::size)
    }

    /// Deletes entries. Returns how many there were. Without IDs, nothing is sent.
    ///
    /// A stream stays when its last entry is deleted, with its groups. Deleting does not
    /// acknowledge: an entry that is pending in a group stays so.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let id = FeedKeys::log(1).xadd(&7).await?;
    /// assert_eq!(FeedKeys::log(1).xdel([id]).await?, 1);
    /// assert_eq!(FeedKeys::log(1).xdel([id]).await?, 0);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind). If the key has another type, the
    /// error names both, and nothing is changed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "XDEL")]
    pub fn xdel(&self, ids: impl IntoIterator<Item = StreamId>) -> Command<u64> {
        let ids: Vec<StreamId> = ids.into_iter().collect();
        let fill = |args: &mut Args| {
            ids.iter().for_each(|id| push_id(*id, args));
            Ok(())
        };
        Command::removal_of(self, "XDEL", fill, base::size).unless(ids.is_empty())
    }

    /// Removes the oldest entries. Returns how many.
    ///
    /// A template that declares `trim` trims with each [`xadd`](Key::xadd).
    ///
    /// ```
    /// # use redis_keyspace::stream::Trim;
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// for n in 0..5 {
    ///     FeedKeys::log(1).xadd(&n).await?;
    /// }
    /// assert_eq!(FeedKeys::log(1).xtrim(Trim::max_len(2).exact()).await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "XTRIM")]
    pub fn xtrim(&self, trim: Trim) -> Command<u64> {
        Command::removal_of(self, "XTRIM", |args| push_trim(trim, args), base::size)
    }

    /// Returns the entries with IDs in a range, oldest first.
    ///
    /// [`count`](XRange::count) limits their number, [`rev`](XRange::rev) reverses the order,
    /// [`pages`](XRange::pages) reads a large range page by page. A range that is always empty
    /// sends nothing.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let first = FeedKeys::log(1).xadd(&7).await?;
    /// FeedKeys::log(1).xadd(&8).await?;
    /// let entries = FeedKeys::log(1).xrange(first..).await?;
    /// assert_eq!((entries[0].id, entries[0].value, entries[1].value), (first, 7, 8));
    /// let newest = FeedKeys::log(1).xrange(..).rev().count(1).await?;
    /// assert_eq!(newest[0].value, 8);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XRANGE")]
    #[doc(alias = "XREVRANGE")]
    pub fn xrange(&self, ids: impl RangeBounds<StreamId>) -> XRange<S, T, Vec<Entry<T::Owned>>> {
        XRange(Deferred::Building(KeyOptions::new(self, range::all::<T>(IdRange::new(&ids)))))
    }

    /// Returns the entries after an ID, oldest first. [`StreamId::MIN`] returns all.
    ///
    /// [`count`](XRead::count) limits their number, and [`block`](XRead::block) waits for some. To
    /// follow a stream, use [`tail`](Key::tail).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let first = FeedKeys::log(1).xadd(&7).await?;
    /// FeedKeys::log(1).xadd(&8).await?;
    /// let later = FeedKeys::log(1).xread(first).await?;
    /// assert_eq!(later[0].value, 8);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XREAD")]
    pub fn xread(&self, after: StreamId) -> XRead<S, T, Vec<Entry<T::Owned>>> {
        XRead(Deferred::Building(KeyOptions::new(self, read::all::<T>(after))))
    }

    /// Returns a stream of the entries that are added from now on. "Now" is its first poll;
    /// [`after`](Tail::after) starts after a given entry.
    ///
    /// Entries that are trimmed or deleted before they are read do not come, and nothing tells that
    /// they are missing.
    ///
    /// ```
    /// # use redis_keyspace::stream::StreamId;
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let mut entries = FeedKeys::log(1).tail().after(StreamId::MIN);
    /// let (entry, added) = tokio::join!(entries.next(), async { FeedKeys::log(1).xadd(&7).await });
    /// assert_eq!((entry?.value, entries.position()), (7, Some(added?)));
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "XREAD")]
    pub fn tail(&self) -> Tail<S, T> {
        Tail::new(self)
    }

    /// Returns facts about the stream; `None` if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::log(1).xinfo().await?, None);
    /// let id = FeedKeys::log(1).xadd(&7).await?;
    /// assert_eq!(FeedKeys::log(1).xinfo().await?.unwrap().last_id, id);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XINFO STREAM")]
    pub fn xinfo(&self) -> Command<Option<StreamInfo>> {
        let parts = StreamParts::before(&["STREAM"]);
        command(self, "XINFO STREAM", "XINFO", Ok(parts), info::stream).repeatable().reading()
    }

    /// Returns the consumer groups; none if the stream does not exist. The master answers.
    ///
    /// ```
    /// # use redis_keyspace::stream::ReadFrom;
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::log(1).group("readers").create(ReadFrom::Start).await?;
    /// let groups = FeedKeys::log(1).groups().await?;
    /// assert_eq!((groups[0].name.as_str(), groups[0].pending), ("readers", 0));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "XINFO GROUPS")]
    pub fn groups(&self) -> Command<Vec<GroupInfo>> {
        let parts = StreamParts::before(&["GROUPS"]);
        command(self, "XINFO GROUPS", "XINFO", Ok(parts), info::groups).repeatable().reading()
    }

    /// Returns the consumer group with this name. Does no I/O; the group need not exist.
    ///
    /// ```
    /// # use redis_keyspace::stream::ReadFrom;
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let readers = FeedKeys::log(1).group("readers");
    /// assert!(readers.create(ReadFrom::Start).await?);
    /// assert!(!readers.create(ReadFrom::Start).await?, "it exists");
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "XGROUP")]
    #[doc(alias = "XREADGROUP")]
    pub fn group(&self, name: impl Into<String>) -> ConsumerGroup<S, T> {
        ConsumerGroup::new(self, name.into())
    }
}
