//! The messages of all channels of a template.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::event::Event;
use super::feed::{BUFFER, Feed, FeedOptions, resolve};
use crate::client::{CallOptions, Target, call_options};
use crate::connect::{Reach, Topic};
use crate::error::{Error, Result, short_name};
use crate::kind::{Channel, SingleValue};
use crate::scan::{KeyMatch, Matcher, Pattern};
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
        SubscribePattern {
            matcher: self.matcher().clone(),
            buffer: BUFFER,
            call: self.call().clone(),
            kind: std::marker::PhantomData,
        }
    }
}

/// A subscription to a pattern that has not started, and its options. Await it. Created by
/// [`Pattern::subscribe`].
#[must_use = "nothing is subscribed unless it is awaited"]
pub struct SubscribePattern<S, T> {
    matcher: Matcher<S>,
    buffer: u32,
    call: CallOptions,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl<S, T> SubscribePattern<S, T> {
    call_options! { self => self.call;
        /// Sets how long to wait for the confirmation of the server. It covers connecting.
    }

    /// Sets how many messages may wait to be read; see
    /// [`Subscribe::buffer`](super::Subscribe::buffer).
    pub fn buffer(mut self, messages: u32) -> Self {
        self.buffer = messages.max(1);
        self
    }
}

impl<S: Keyspace, T: SingleValue> IntoFuture for SubscribePattern<S, T> {
    type Output = Result<PatternSubscription<S, T>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        const COMMAND: &str = "PSUBSCRIBE";
        let Self { matcher, buffer, call, .. } = self;
        Box::pin(async move {
            let template = matcher.template();
            let subscribing = async {
                matcher.check_bound()?;
                if template.is_sharded() {
                    return Err(Error::invalid_input(
                        "patterns do not apply to sharded channels: subscribe to each channel, or declare the template \
                         without `sharded`",
                    ));
                }
                let binding = resolve(&call, S::META)?;
                binding.pool().settings.sizes().check_key(&matcher.glob())?;
                // A namespace contains no glob characters.
                let topic = Topic::pattern(binding.wire_name(&matcher.glob()), Reach::AnyNode);
                let options = FeedOptions {
                    keyspace: S::META,
                    template,
                    command: COMMAND,
                    buffer,
                    timeout: call.timeout,
                };
                Feed::open(binding, topic, &options).await
            };
            let feed =
                subscribing.await.map_err(|error| error.about(COMMAND, Some(template.name()), None))?;
            Ok(PatternSubscription {
                feed,
                matcher,
                target: call.target,
                skipped: 0,
                kind: std::marker::PhantomData,
            })
        })
    }
}

impl<S, T> fmt::Debug for SubscribePattern<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribePattern")
            .field("glob", &short_name(&self.matcher.glob()))
            .finish_non_exhaustive()
    }
}

/// The messages of all channels of a pattern, as a stream. Created by [`Pattern::subscribe`].
///
/// It behaves as [`Subscription`](super::Subscription) does.
#[must_use = "a subscription ends when it is dropped"]
pub struct PatternSubscription<S, T> {
    feed: Feed,
    matcher: Matcher<S>,
    /// The handle that was set on the pattern, if any. The keys use it too.
    target: Target,
    skipped: u64,
    kind: std::marker::PhantomData<fn() -> T>,
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
        self.skipped
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<NextMessage<S, T>> {
        loop {
            let (channel, payload) = match ready!(self.feed.poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Event::Resubscribed)) => return Poll::Ready(Some(Ok(Event::Resubscribed))),
                Some(Ok(Event::Lagged(count))) => return Poll::Ready(Some(Ok(Event::Lagged(count)))),
                Some(Ok(Event::Message(message))) => message,
            };
            let name = self.feed.own_name(&channel);
            let Some(found) = name.and_then(|name| self.matcher.found(name, &self.target)) else {
                self.skipped += 1;
                continue;
            };
            let message = T::decode_owned(payload).map_err(Error::decode);
            let message = message.map_err(|error| self.feed.explain(error, Some(found.key().as_str())));
            return Poll::Ready(Some(message.map(|message| Event::Message((found, message)))));
        }
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
        f.debug_struct("PatternSubscription")
            .field("glob", &short_name(&self.matcher.glob()))
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
