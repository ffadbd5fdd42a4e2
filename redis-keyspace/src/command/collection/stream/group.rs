//! Consumer groups.

use std::fmt;
use std::ops::RangeBounds;
use std::time::Duration;

use super::base::{IdRange, StreamParts, command};
use super::claim::{XAutoClaim, XClaim, auto_claiming, claiming};
use super::consumer::DELETE_CONSUMER;
use super::entry::Entry;
use super::info::{ConsumerInfo, consumers};
use super::pending::{PendingSummary, XPending, XPendingOptions, summary};
use super::read_group::{XReadGroup, new_entries};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions, keep};
use crate::error::{Error, Result};
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::{Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// Where a group starts to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadFrom {
    /// At the first entry. For jobs: those that were added before the first worker count, too.
    Start,
    /// After the last entry. For events, of which only new ones matter.
    End,
    /// After this entry.
    After(StreamId),
}

impl ReadFrom {
    fn word(self) -> String {
        match self {
            Self::Start => "0-0".to_owned(),
            Self::End => "$".to_owned(),
            Self::After(id) => id.to_string(),
        }
    }
}

/// A consumer group of a stream, created by [`Key::group`]. It delivers each entry to one of its
/// consumers. The entry stays pending for this consumer until it is acknowledged, so that another
/// one can claim it if the consumer fails.
///
/// Creating the value does no I/O. All commands are sent to the master, because a replica may not
/// know the group yet.
///
/// | | |
/// | --- | --- |
/// | the group | [`create`](Self::create), [`set_id`](Self::set_id), [`destroy`](Self::destroy) |
/// | entries | [`read`](Self::read), [`ack`](Self::ack), [`claim`](Self::claim), [`auto_claim`](Self::auto_claim) |
/// | pending entries | [`pending`](Self::pending), [`pending_entries`](Self::pending_entries) |
/// | consumers | [`consumers`](Self::consumers), [`create_consumer`](Self::create_consumer), [`delete_consumer`](Self::delete_consumer) |
/// | all of it | [`worker`](Self::worker): a loop with retries and dead letters |
///
/// ```
/// use redis_keyspace::stream::ReadFrom;
/// use redis_keyspace::{Keyspace, Redis, Stream, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "mail", ttl = none)]
/// struct MailKeys {
///     #[key("waiting", trim = "~100000")]
///     waiting: Stream<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// MailKeys::waiting().xadd("to: ada").await?;
///
/// let senders = MailKeys::waiting().group("senders");
/// assert!(senders.create(ReadFrom::Start).await?);
/// for mail in senders.read("sender-1").count(10).await? {
///     assert_eq!(mail.value, "to: ada");
///     assert_eq!(senders.ack([mail.id]).await?, 1);
/// }
/// # Ok(()) }).await }
/// ```
pub struct ConsumerGroup<S: Keyspace, T: SingleValue> {
    key: Key<S, Stream<T>>,
    name: String,
}

impl<S: Keyspace, T: SingleValue> ConsumerGroup<S, T> {
    pub(super) fn new(key: &Key<S, Stream<T>>, name: String) -> Self {
        Self { key: key.clone(), name }
    }

    /// Returns the name of the group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key of the stream.
    pub fn key(&self) -> &Key<S, Stream<T>> {
        &self.key
    }

    /// Creates the group, and the stream if it does not exist. Returns `false` if the group exists.
    /// It stays as it is then.
    ///
    /// A new stream gets the declared TTL in the same atomic step.
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One. A second one if the server does not know the script that sets the TTL yet.
    #[doc(alias = "XGROUP CREATE")]
    pub fn create(&self, from: ReadFrom) -> Command<bool> {
        let parts = StreamParts::before(&["CREATE"]).after(&[&self.name, &from.word(), "MKSTREAM"]);
        let mut packet = parts.packet(&self.key, "XGROUP");
        let request = keep(&self.key, &mut packet).map(|()| Request::One(packet));
        let request = request.map_err(|error| self.key.explain("XGROUP CREATE", error));
        Command::new::<S>("XGROUP CREATE", Some(self.key.template()), request, is_created)
            .on_target(self.key.redis().into())
    }

    /// Moves the group: the next entry that it delivers is the one at this place. Entries that are
    /// pending stay so.
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XGROUP SETID")]
    pub fn set_id(&self, from: ReadFrom) -> Command<()> {
        let parts = StreamParts::before(&["SETID"]).after(&[&self.name, &from.word()]);
        command(&self.key, "XGROUP SETID", "XGROUP", Ok(parts), read::unit)
    }

    /// Deletes the group with its consumers and pending entries. The entries of the stream stay.
    /// Returns `false` if the group does not exist.
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    #[doc(alias = "XGROUP DESTROY")]
    pub fn destroy(&self) -> Command<bool> {
        let parts = StreamParts::before(&["DESTROY"]).after(&[&self.name]);
        command(&self.key, "XGROUP DESTROY", "XGROUP", Ok(parts), is_destroyed)
    }

    /// Returns the consumers of the group; none if the stream does not exist. A consumer exists
    /// after its first read.
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XINFO CONSUMERS")]
    pub fn consumers(&self) -> Command<Vec<ConsumerInfo>> {
        let parts = StreamParts::before(&["CONSUMERS"]).after(&[&self.name]);
        command(&self.key, "XINFO CONSUMERS", "XINFO", Ok(parts), consumers).repeatable()
    }

    /// Creates a consumer. Returns `false` if it exists. Not necessary: the first read creates it.
    /// Needs Redis 6.2.
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XGROUP CREATECONSUMER")]
    pub fn create_consumer(&self, consumer: &str) -> Command<bool> {
        let parts = StreamParts::before(&["CREATECONSUMER"]).after(&[&self.name, consumer]);
        command(&self.key, "XGROUP CREATECONSUMER", "XGROUP", Ok(parts), read::boolean)
    }

    /// Deletes a consumer if no entries are pending for it. Returns `false` if there are some, and
    /// changes nothing: the server would drop them, so that no other consumer could claim them.
    /// Claim them first, with [`claim`](Self::claim).
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    ///
    /// # Round trips
    ///
    /// One: a script, which checks and deletes in one step.
    #[doc(alias = "XGROUP DELCONSUMER")]
    pub fn delete_consumer(&self, consumer: &str) -> Command<bool> {
        let parts = StreamParts::before(&[DELETE_CONSUMER, "1"]).after(&[&self.name, consumer]);
        command(&self.key, "XGROUP DELCONSUMER", "EVAL", Ok(parts), read::boolean)
    }

    /// Delivers new entries to a consumer: those that were never delivered to any. They stay
    /// pending until they are [acknowledged](Self::ack).
    ///
    /// [`count`](XReadGroup::count) limits how many, [`block`](XReadGroup::block) waits for some,
    /// [`pending_from`](XReadGroup::pending_from) reads pending ones again. Each process needs its
    /// own name; if two share one, each may process the entries of the other.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if an entry can't be decoded; all of them are pending
    /// then, and [`raw`](XReadGroup::raw) reads them without decoding.
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist.
    /// Otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, entries may be
    /// delivered: they are pending for the consumer.
    ///
    /// # Round trips
    ///
    /// One. Not retried after a lost connection.
    #[doc(alias = "XREADGROUP")]
    pub fn read(&self, consumer: impl Into<String>) -> XReadGroup<S, T, Vec<Entry<T::Owned>>> {
        let options = new_entries::<T>(self.name.clone(), consumer.into());
        XReadGroup(Deferred::Building(KeyOptions::new(&self.key, options)))
    }

    /// Acknowledges entries: they are no longer pending. Returns how many were.
    ///
    /// The entries stay in the stream; [`delete`](XAck::delete) removes them, too. Without IDs,
    /// nothing is sent.
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "XACK")]
    pub fn ack(&self, ids: impl IntoIterator<Item = StreamId>) -> XAck<S, T> {
        let ids = ids.into_iter().collect();
        let options = XAckOptions { group: self.name.clone(), ids, deletes: false };
        XAck(Deferred::Building(KeyOptions::new(&self.key, options)))
    }

    /// Returns how many entries are pending, in which range, and for which consumers.
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XPENDING")]
    pub fn pending(&self) -> Command<PendingSummary> {
        let parts = StreamParts::default().after(&[&self.name]);
        command(&self.key, "XPENDING", "XPENDING", Ok(parts), summary).repeatable()
    }

    /// Returns pending entries with IDs in a range, with their consumer, idle time and number of
    /// deliveries. At most 100, unless [`count`](XPending::count) is set.
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XPENDING")]
    pub fn pending_entries(&self, range: impl RangeBounds<StreamId>) -> XPending<S, T> {
        let options = XPendingOptions::new(self.name.clone(), IdRange::new(&range));
        XPending(Deferred::Building(KeyOptions::new(&self.key, options)))
    }

    /// Takes over pending entries with these IDs, if they were delivered at least `min_idle` ago.
    /// Returns those that belong to the consumer now. Counts as a delivery, and starts their idle
    /// time again, so of two consumers that claim an entry one gets it.
    ///
    /// Entries that were deleted from the stream are not returned. Without IDs, nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if an entry can't be decoded, although it is claimed;
    /// [`Server`](crate::ErrorKind::Server) with the code `NOGROUP` if the group does not exist;
    /// otherwise those of any command.
    #[doc(alias = "XCLAIM")]
    pub fn claim(
        &self,
        consumer: impl Into<String>,
        ids: impl IntoIterator<Item = StreamId>,
        min_idle: Duration,
    ) -> XClaim<S, T, Vec<Entry<T::Owned>>> {
        let ids = ids.into_iter().collect();
        let options = claiming::<T>(self.name.clone(), consumer.into(), min_idle, ids);
        XClaim(Deferred::Building(KeyOptions::new(&self.key, options)))
    }

    /// Takes over pending entries of any consumer that were delivered at least `min_idle` ago; at
    /// most 100, unless [`count`](XAutoClaim::count) is set. Call it again from
    /// [`next`](super::Claimed::next) until that is `None`. Needs Redis 6.2.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::stream::ReadFrom;
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let group = FeedKeys::log(1).group("readers");
    /// group.create(ReadFrom::Start).await?;
    /// FeedKeys::log(1).xadd(&7).await?;
    /// group.read("crashed").await?;
    /// // Usually at least as long as the work on one entry takes.
    /// let claimed = group.auto_claim("healthy", Duration::ZERO).await?;
    /// assert_eq!(claimed.entries[0].value, 7);
    /// assert_eq!(claimed.next, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    #[doc(alias = "XAUTOCLAIM")]
    pub fn auto_claim(
        &self,
        consumer: impl Into<String>,
        min_idle: Duration,
    ) -> XAutoClaim<S, T, Entry<T::Owned>> {
        let options = auto_claiming::<T>(self.name.clone(), consumer.into(), min_idle);
        XAutoClaim(Deferred::Building(KeyOptions::new(&self.key, options)))
    }
}

impl<S: Keyspace, T: SingleValue> Clone for ConsumerGroup<S, T> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), name: self.name.clone() }
    }
}

impl<S: Keyspace, T: SingleValue> fmt::Debug for ConsumerGroup<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerGroup").field("key", &self.key).field("name", &self.name).finish()
    }
}

/// `XACK` with its options, created by [`ConsumerGroup::ack`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XAck<S: Keyspace, T: SingleValue>(Deferred<KeyOptions<S, Stream<T>, XAckOptions>, u64>);

struct XAckOptions {
    group: String,
    ids: Vec<StreamId>,
    deletes: bool,
}

impl<S: Keyspace, T: SingleValue> XAck<S, T> {
    /// Also deletes the entries from the stream, in the same transaction: `XACK` and `XDEL`. For
    /// streams with one group; other groups could not read them any more.
    #[doc(alias = "XACKDEL")]
    pub fn delete(self) -> Self {
        Self(self.0.map(|options| options.with(|options| XAckOptions { deletes: true, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, Stream<T>> for XAckOptions {
    type Output = u64;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<u64> {
        let Self { group, ids, deletes } = self;
        let ack = StreamParts::default().after(&[&group]).ids(&ids).packet(key, "XACK");
        let request = if deletes {
            Request::Atomic(vec![ack, StreamParts::default().ids(&ids).packet(key, "XDEL")])
        } else {
            Request::One(ack)
        };
        let command = Command::new::<S>("XACK", Some(key.template()), Ok(request), acknowledged);
        command.on_target(key.redis().into()).unless(ids.is_empty())
    }
}

command_builder!(XAck<S, T> => u64, where S: Keyspace, T: SingleValue);

/// Decodes the reply of XACK, and possibly of XDEL, of which only an error matters.
fn acknowledged(_: &Request, replies: Replies) -> Result<u64> {
    let mut counts = read::many(replies).into_iter().map(read::to_count);
    let count = counts.next().transpose()?.unwrap_or_default();
    counts.try_for_each(|count| count.map(drop))?;
    Ok(count)
}

fn is_created(_: &Request, replies: Replies) -> Result<bool> {
    match read::unit(&Request::Empty, replies) {
        Ok(()) => Ok(true),
        Err(error) if is_code(&error, "BUSYGROUP") => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_code(error: &Error, code: &str) -> bool {
    error.code() == Some(code)
}

/// The server has no code for a stream that does not exist.
fn is_destroyed(_: &Request, replies: Replies) -> Result<bool> {
    let is_missing = |said: &str| said.starts_with("ERR The XGROUP subcommand requires the key to exist");
    read::one_unless(replies, is_missing)?.map_or(Ok(false), read::to_bool)
}
