//! The options of a subscription to one channel.

use std::fmt;
use std::future::IntoFuture;

use futures_core::future::BoxFuture;

use super::feed::{BUFFER, Feed, FeedOptions, resolve};
use super::subscription::Subscription;
use crate::client::{CallOptions, call_options};
use crate::connect::Topic;
use crate::error::Result;
use crate::key::slot_within;
use crate::kind::{Channel, SingleValue};
use crate::schema::{Key, Keyspace};

impl<S: Keyspace, T: SingleValue> Key<S, Channel<T>> {
    /// Subscribes to the channel. Await it; it returns when the server has confirmed the
    /// subscription, so every message that is published later arrives.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat")]
    /// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::channel::Event;
    ///
    /// let mut messages = ChatKeys::room(7).subscribe().await?;
    /// ChatKeys::room(7).publish("hello").await?;
    /// assert_eq!(messages.next().await.transpose()?, Some(Event::Message("hello".to_owned())));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// All subscriptions of a pool share one connection, which is opened for the first of them and
    /// closed after the last. Handles with the same configuration share a pool; keyspaces with
    /// another database or other options have their own. On a cluster, there may be several
    /// connections: a sharded channel is served by the master of its slot.
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured) on a
    /// [disabled](crate::Redis::disabled) handle, and
    /// [`Configuration`](crate::ErrorKind::Configuration) on a
    /// [pool of the application](crate::Redis::from_pool), which can't lend a connection for it. If
    /// the server can't be reached, the call waits for it until the deadline.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the subscription, unsubscribes.
    ///
    /// # Round trips
    ///
    /// One, and those of the login for the first subscription. None if another subscription of the
    /// pool to the same channel is confirmed.
    #[doc(alias = "SUBSCRIBE")]
    #[doc(alias = "SSUBSCRIBE")]
    pub fn subscribe(&self) -> Subscribe<S, T> {
        Subscribe { key: self.clone(), buffer: BUFFER, call: CallOptions::of_key(self) }
    }
}

/// A subscription to a channel that has not started, and its options. Await it. Created by
/// [`Key::subscribe`].
#[must_use = "nothing is subscribed unless it is awaited"]
pub struct Subscribe<S, T> {
    key: Key<S, Channel<T>>,
    buffer: u32,
    call: CallOptions,
}

impl<S, T> Subscribe<S, T> {
    call_options! { self => self.call;
        /// Sets how long to wait for the confirmation of the server. It covers connecting.
    }

    /// Sets how many messages may wait to be read; the default is 1024, the minimum 1. They take at
    /// most 16 MiB of memory, unless a single message is longer. A message takes its text and about
    /// 270 bytes.
    ///
    /// When so many wait, the connection waits for the reader, and all other subscriptions of the
    /// pool with it: a quarter of a second in all. After that, messages that find no room are
    /// dropped and counted, without waiting; [`Event::Lagged`](super::Event::Lagged) reports them.
    /// When the reader has read everything, the connection waits for it again.
    ///
    /// A connection has another budget of a quarter of a second for all its readers together. A
    /// quarter of the time without waiting is added to it, so many slow readers hold up the
    /// connection at most a fifth of the time.
    pub fn buffer(mut self, messages: u32) -> Self {
        self.buffer = messages.max(1);
        self
    }
}

impl<S: Keyspace, T: SingleValue> IntoFuture for Subscribe<S, T> {
    type Output = Result<Subscription<T>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { key, buffer, call } = self;
        Box::pin(async move {
            let template = key.template();
            let command = if template.is_sharded() { "SSUBSCRIBE" } else { "SUBSCRIBE" };
            let subscribing = async {
                key.check_name()?;
                let binding = resolve(&call, S::META)?;
                binding.pool().settings.sizes().check_key(key.as_str())?;
                let slot = template.is_sharded().then(|| slot_within(&binding.namespace, key.as_str()));
                let topic = Topic::channel(binding.wire_name(key.as_str()), slot);
                let deadline = binding.deadline(call.timeout);
                let options = FeedOptions { keyspace: S::META, template, command, buffer, deadline };
                Feed::open(binding, topic, &options).await
            };
            let feed = subscribing.await.map_err(|error| key.explain(command, error))?;
            Ok(Subscription::new(feed, key.as_str().into()))
        })
    }
}

impl<S, T> fmt::Debug for Subscribe<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe").field("channel", &self.key).finish_non_exhaustive()
    }
}
