//! The kind of channels.

use std::marker::PhantomData;

use super::role::Role;
use super::traits::{Kind, SingleValue};

/// A channel: messages for the subscribers at the time when they are published.
///
/// `T` is a single-value kind: `Channel<Text>`, `Channel<Json<Event>>`. The name of a channel has
/// the namespace, the tenant and escaped arguments, exactly as a key has.
///
/// ```
/// use redis_keyspace::channel::Event;
/// use redis_keyspace::{Channel, Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "chat")]
/// struct ChatKeys {
///     #[key("room:{id}")]
///     room: fn(id: u64) -> Channel<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let mut messages = ChatKeys::room(7).subscribe().await?;
/// assert_eq!(ChatKeys::room(7).publish("hello").await?, 1);
/// assert_eq!(messages.next().await.transpose()?, Some(Event::Message("hello".to_owned())));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | send | [`publish`] |
/// | receive | [`subscribe`], and [`Pattern::subscribe`] for all channels of a template |
/// | count | [`subscribers`] |
///
/// [`publish`]: crate::Key::publish
/// [`subscribe`]: crate::Key::subscribe
/// [`subscribers`]: crate::Key::subscribers
/// [`Pattern::subscribe`]: crate::scan::Pattern::subscribe
///
/// # TTL
///
/// A channel stores nothing. So its template takes no `ttl`, and ignores the one of its keyspace.
/// The operations of stored keys, such as [`del`](crate::Key::del) and
/// [`scan`](crate::scan::Pattern::scan), do not compile for it.
///
/// # Delivery
///
/// At most once. A message that is published while a subscriber is not connected is lost; the
/// subscription reports the gap. For messages that must not be lost, use a stream or a list.
///
/// # Databases
///
/// Redis ignores databases for channels: `db` has no effect on them. Two programs that use the same
/// server with different databases share their channels; a
/// [namespace](crate::RedisBuilder::namespace) separates them.
///
/// # Sharded channels
///
/// On a cluster, every message of a channel goes to all nodes. With
/// `#[key("room:{id}", sharded = true)]` it stays at the nodes of the slot of the channel
/// (`SPUBLISH` and `SSUBSCRIBE`, from Redis 7.0 on). Patterns do not apply to sharded channels.
#[derive(Debug)]
pub struct Channel<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for Channel<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "none";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Channel;
}
