//! The messages of all channels of a template.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::event::Event;
use super::feed::resolve;
use super::matched::{MatchedFeed, PatternRequest};
use crate::client::call_options;
use crate::connect::Reach;
use crate::error::{Error, Result};
use crate::kind::{Channel, SingleValue};
use crate::scan::{KeyMatch, Pattern};
use crate::schema::Keyspace;

impl<S: Keyspace, T: SingleValue, B> Pattern<S, Channel<T>, B> {
    /// Subscribes to all channels of the pattern. Await it; it returns when the server has
    /// confirmed the subscription.
    ///
    /// Each message comes with the key of its channel, whose arguments are typed. Messages of other
    /// channels that the glob matches are skipped and counted, as by a scan.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "chat")]
    /// pub struct ChatKeys {
    ///     #[key("room:{id}")]
    ///     room: fn(id: u64) -> Channel<Text>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::channel::Event;
    ///
    /// let mut messages = ChatKeys::room_keys().all().subscribe().await?;
    /// ChatKeys::room(7).publish("hello").await?;
    /// let Some(Event::Message((found, text))) = messages.next().await.transpose()? else { panic!() };
    /// assert_eq!(found.arguments(), ParsedChatKeys::Room { id: 7 });
    /// assert_eq!(text, "hello");
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Key::subscribe`](crate::Key::subscribe).
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for sharded channels, to which patterns do
    /// not apply.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the subscription, unsubscribes.
    ///
    /// # Round trips
    ///
    /// As [`Key::subscribe`](crate::Key::subscribe).
    #[doc(alias = "PSUBSCRIBE")]
    pub fn subscribe(&self) -> SubscribePattern<S, T> {
        SubscribePattern { request: PatternRequest::new(self), kind: PhantomData }
    }
}

/// A subscription to a pattern that has not started, and its options. Await it. Created by
/// [`Pattern::subscribe`].
#[must_use = "nothing is subscribed unless it is awaited"]
pub struct SubscribePattern<S, T> {
    request: PatternRequest<S>,
    kind: PhantomData<fn() -> T>,
}

impl<S, T> SubscribePattern<S, T> {
    call_options! { self => self.request.call;
        /// Sets how long to wait for the confirmation of the server. It covers connecting.
    }

    /// Sets how many messages may wait to be read; see
    /// [`Subscribe::buffer`](super::Subscribe::buffer).
    pub fn buffer(mut self, messages: u32) -> Self {
        self.request.buffer = messages.max(1);
        self
    }
}

impl<S: Keyspace, T: SingleValue> IntoFuture for SubscribePattern<S, T> {
    type Output = Result<PatternSubscription<S, T>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { request, .. } = self;
        Box::pin(async move {
            let matcher = request.matcher.clone();
            let subscribing = async {
                matcher.check_bound()?;
                if matcher.template().is_sharded() {
                    return Err(Error::invalid_input(
                        "patterns do not apply to sharded channels: subscribe to each channel, or declare the template \
                         without `sharded`",
                    ));
                }
                let binding = resolve(&request.call, S::META)?;
                binding.pool().settings.sizes().check_key(&matcher.glob())?;
                let deadline = binding.deadline(request.call.timeout);
                request.open(binding, String::new(), Reach::AnyNode, deadline).await
            };
            let feed = subscribing.await.map_err(|error| PatternRequest::explain(&matcher, error))?;
            Ok(PatternSubscription { feed, kind: PhantomData })
        })
    }
}

impl<S, T> fmt::Debug for SubscribePattern<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.describe("SubscribePattern", f)
    }
}

/// The messages of all channels of a pattern, as a stream. Created by [`Pattern::subscribe`].
///
/// It behaves as [`Subscription`](super::Subscription) does.
#[must_use = "a subscription ends when it is dropped"]
pub struct PatternSubscription<S, T> {
    feed: MatchedFeed<S>,
    kind: PhantomData<fn() -> T>,
}

/// A key of a channel, and a message.
type KeyedMessage<S, T> = (KeyMatch<S, Channel<T>>, <T as SingleValue>::Owned);

type NextMessage<S, T> = Option<Result<Event<KeyedMessage<S, T>>>>;

impl<S: Keyspace, T: SingleValue> PatternSubscription<S, T> {
    /// Returns the next event; `None` after the handle was closed.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat")]
    /// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let mut messages = ChatKeys::room_keys().subscribe().await?;
    /// ChatKeys::room(7).publish("hello").await?;
    /// let (found, text) = messages.next().await.transpose()?.and_then(|event| event.message()).unwrap();
    /// assert_eq!((found.key().as_str(), text.as_str()), ("chat:room:7", "hello"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Subscription::next`](super::Subscription::next).
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call returns the same event.
    ///
    /// # Round trips
    ///
    /// None: the server sends messages by itself.
    pub async fn next(&mut self) -> Option<Result<Event<KeyedMessage<S, T>>>> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// Returns how many messages were skipped so far: the glob of the pattern matched their
    /// channels, but the channels do not belong to it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.feed.skipped()
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<NextMessage<S, T>> {
        let event = self.feed.poll_next(context, |_| true);
        let decode = |(found, payload): (KeyMatch<S, Channel<T>>, _)| {
            let message = T::decode_owned(payload).map_err(Error::decode);
            let message = message.map_err(|error| self.feed.explain(error, found.key().as_str()))?;
            Ok((found, message))
        };
        event.map(|event| event.map(|event| event?.try_map(decode)))
    }
}

impl<S, T> Unpin for PatternSubscription<S, T> {}

impl<S: Keyspace, T: SingleValue> Stream for PatternSubscription<S, T> {
    type Item = Result<Event<KeyedMessage<S, T>>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context)
    }
}

impl<S, T> fmt::Debug for PatternSubscription<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feed.describe("PatternSubscription", f)
    }
}
