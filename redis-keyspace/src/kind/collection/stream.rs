//! The kind of streams.

use std::marker::PhantomData;

use crate::kind::{Kind, SingleValue, Stored};

/// A Redis stream: a log of entries, each with an ID that the server assigns. Consumer groups
/// divide the entries among workers.
///
/// `T` is a single-value kind: `Stream<Json<Event>>`, `Stream<Text>`. Each entry has one field, so
/// that other clients can read it: `json` for a `Json<T>`, and `value` for all other kinds. Other
/// fields of an entry are ignored. An entry without the field is a
/// [`Decode`](crate::ErrorKind::Decode) error that names the fields that it has; `.raw()` on the
/// commands that read returns such entries as they are.
///
/// ```
/// use redis_keyspace::{Keyspace, Redis, Stream, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "audit", ttl = none)]
/// struct AuditKeys {
///     /// What happened, at least the last 100,000 entries.
///     #[key("{org}:log", trim = "~100000")]
///     log: fn(org: u64) -> Stream<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let log = AuditKeys::log(1);
/// let first = log.xadd("ada logged in").await?;
/// log.xadd("ada changed her password").await?;
///
/// // All entries after the first, oldest first.
/// let later = log.xread(first).await?;
/// assert_eq!(later[0].value, "ada changed her password");
/// // The newest entry.
/// let newest = log.xrange(..).rev().count(1).await?;
/// assert_eq!(newest, later);
///
/// // A group delivers each entry to one of its consumers, which acknowledges it.
/// let mailers = log.group("mailers");
/// mailers.create(redis_keyspace::stream::ReadFrom::Start).await?;
/// for entry in mailers.read("worker-1").count(10).await? {
///     // .. send a mail ..
///     mailers.ack([entry.id]).await?;
/// }
/// assert_eq!(mailers.pending().await?.count, 0);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`xadd`] |
/// | read | [`xrange`], [`xread`], [`xread_many`], [`tail`], [`xlen`], [`xinfo`] |
/// | remove | [`xdel`], [`xtrim`] |
/// | wait for entries | [`xread`], [`xread_many`] and [`read`] with `block`: [one stream](crate::command::XRead::block), [several](crate::command::XReadMany::block), [a group](crate::command::XReadGroup::block) |
/// | groups | [`group`], which returns a [`ConsumerGroup`]; [`groups`] |
/// | of a group: set up | [`create`], [`set_id`], [`destroy`], [`name`], [`key`] |
/// | of a group: entries | [`read`], [`ack`], [`ack`] with [`delete`], [`pending`], [`pending_entries`], [`claim`], [`auto_claim`] |
/// | of a group: consumers | [`consumers`], [`create_consumer`], [`delete_consumer`] |
/// | of a group: a loop that runs jobs | [`worker`]; see [workers](crate::worker) |
///
/// [`xadd`]: crate::Key::xadd
/// [`xrange`]: crate::Key::xrange
/// [`xread`]: crate::Key::xread
/// [`xread_many`]: crate::Key::xread_many
/// [`tail`]: crate::Key::tail
/// [`xlen`]: crate::Key::xlen
/// [`xinfo`]: crate::Key::xinfo
/// [`xdel`]: crate::Key::xdel
/// [`xtrim`]: crate::Key::xtrim
/// [`group`]: crate::Key::group
/// [`groups`]: crate::Key::groups
/// [`ConsumerGroup`]: crate::stream::ConsumerGroup
/// [`create`]: crate::stream::ConsumerGroup::create
/// [`set_id`]: crate::stream::ConsumerGroup::set_id
/// [`destroy`]: crate::stream::ConsumerGroup::destroy
/// [`read`]: crate::stream::ConsumerGroup::read
/// [`ack`]: crate::stream::ConsumerGroup::ack
/// [`pending`]: crate::stream::ConsumerGroup::pending
/// [`pending_entries`]: crate::stream::ConsumerGroup::pending_entries
/// [`claim`]: crate::stream::ConsumerGroup::claim
/// [`auto_claim`]: crate::stream::ConsumerGroup::auto_claim
/// [`consumers`]: crate::stream::ConsumerGroup::consumers
/// [`create_consumer`]: crate::stream::ConsumerGroup::create_consumer
/// [`delete_consumer`]: crate::stream::ConsumerGroup::delete_consumer
/// [`name`]: crate::stream::ConsumerGroup::name
/// [`key`]: crate::stream::ConsumerGroup::key
/// [`worker`]: crate::stream::ConsumerGroup::worker
/// [`delete`]: crate::command::XAck::delete
///
/// # Trimming
///
/// A stream grows until it is trimmed. `trim = "~100000"` on the field makes each
/// [`xadd`](crate::Key::xadd) trim the stream in the same command: at least that many entries stay.
/// `trim = "1000"` keeps exactly as many. A stream with `ttl = none` must declare one of these, or
/// `trim = none` if the program trims it.
///
/// # TTL
///
/// The write that creates the stream sets the TTL of the template, and later writes keep it. Then
/// the stream expires as a whole, with its newest entries and all of its consumer groups. So a
/// queue declares `ttl = none` and `trim`. For a stream per session, whose end is known, a TTL
/// fits; `renew = "write"` makes it live as long as it is written.
#[derive(Debug)]
pub struct Stream<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for Stream<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "stream";
    const IS_FILLED: bool = false;
    const IS_COLLECTION: bool = true;
    const IS_TRIMMED: bool = true;
}

impl<T: SingleValue> Stored for Stream<T> {}
