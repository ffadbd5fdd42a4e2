//! The messages of one channel.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::event::Event;
use super::feed::Feed;
use crate::error::{Error, Result, short_name};
use crate::kind::SingleValue;

/// The messages of a channel, as a stream. Created by [`Key::subscribe`](crate::Key::subscribe).
///
/// It implements `Stream`; [`next`](Self::next) returns one event after the other and needs no
/// trait in scope. It ends only when its handle is closed. A lost connection is opened again, as
/// often as necessary, and reported by [`Event::Resubscribed`]. Dropping it unsubscribes. While it
/// exists, the connections of its handle stay open.
#[must_use = "a subscription ends when it is dropped"]
pub struct Subscription<T> {
    feed: Feed,
    /// The name of the channel, without the namespace.
    channel: Box<str>,
    types: PhantomData<fn() -> T>,
}

impl<T: SingleValue> Subscription<T> {
    pub(super) fn new(feed: Feed, channel: Box<str>) -> Self {
        Self { feed, channel, types: PhantomData }
    }

    /// Returns the next event; `None` after the handle was closed.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat")]
    /// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let mut messages = ChatKeys::room(7).subscribe().await?;
    /// ChatKeys::room(7).publish("hello").await?;
    /// let event = messages.next().await.transpose()?;
    /// assert_eq!(event.and_then(|event| event.message()).as_deref(), Some("hello"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) for a message that is not of the declared kind,
    /// [`TooLarge`](crate::ErrorKind::TooLarge) for one that is longer than `max_value_bytes`, and
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if the server no longer permits the
    /// subscription after a reconnection. If the connection can't be opened again, and waiting may
    /// not help, the reason is returned once: for example
    /// [`AuthenticationFailed`](crate::ErrorKind::AuthenticationFailed). The subscription continues
    /// after an error: [`Event::Resubscribed`] follows when the server has confirmed it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call returns the same event.
    ///
    /// # Round trips
    ///
    /// None: the server sends messages by itself.
    pub async fn next(&mut self) -> Option<Result<Event<T::Owned>>> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<T::Owned>>>> {
        let event = self.feed.poll_next(context);
        let decode = |payload| {
            let message = T::decode_owned(payload).map_err(Error::decode);
            message.map_err(|error| self.feed.explain(error, Some(&self.channel)))
        };
        event.map(|event| event.map(|event| event?.try_map(|(_, payload)| decode(payload))))
    }
}

impl<T> Unpin for Subscription<T> {}

impl<T: SingleValue> Stream for Subscription<T> {
    type Item = Result<Event<T::Owned>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("channel", &short_name(&self.channel)).finish_non_exhaustive()
    }
}
