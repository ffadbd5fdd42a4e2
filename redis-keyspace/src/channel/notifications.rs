//! Notifications about changes of keys.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_util::future::join_all;

use super::event::Event;
use super::feed::resolve;
use super::matched::{MatchedFeed, PatternRequest};
use crate::client::{Binding, call_options, run, run_at};
use crate::connect::{Node, Reach};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::scan::{KeyMatch, Pattern};
use crate::schema::{Key, Keyspace};
use crate::time::Deadline;

/// The setting of the server.
const SETTING: &str = "notify-keyspace-events";

impl<S: Keyspace, V: Kind, B> Pattern<S, V, B> {
    /// Subscribes to the changes of all keys of the pattern: keyspace notifications. Await it; it
    /// returns when the server has confirmed the subscription.
    ///
    /// The server sends the name of an event for each change: `set`, `del`, `expire`, `expired`,
    /// `lpush`, `hset` and so on, as it documents them. It sends nothing unless its setting
    /// `notify-keyspace-events` says so, which needs a `K` and the classes of events: `KA` for the
    /// common ones, `KAmn` also for keys that are created and for reads of missing keys.
    ///
    /// Notifications are sent at most once, like messages. `expired` is sent when the server
    /// removes a key, which may be later than its TTL. On a cluster, every master sends its own, so
    /// all of them are subscribed to.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "session", ttl = "1d")]
    /// pub struct SessionKeys {
    ///     #[key("{user}")]
    ///     session: fn(user: u64) -> Text,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// # redis.clone().scope(async {
    /// # redis.raw(async |mut connection: redis_keyspace::raw::RawConnection| {
    /// #     redis_keyspace::redis::cmd("CONFIG").arg("SET").arg("notify-keyspace-events").arg("KA")
    /// #         .query_async::<()>(&mut connection).await
    /// # }).await?;
    /// use redis_keyspace::channel::Event;
    ///
    /// let mut changes = SessionKeys::session_keys().all().notifications().await?;
    /// SessionKeys::session(7).set("a").await?;
    /// let Some(Event::Message(change)) = changes.next().await.transpose()? else { panic!() };
    /// assert_eq!(change.arguments(), ParsedSessionKeys::Session { user: 7 });
    /// assert_eq!(change.event(), "set");
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Key::subscribe`](crate::Key::subscribe).
    /// [`Configuration`](crate::ErrorKind::Configuration) if the server sends no notifications. That
    /// is checked if the user may run `CONFIG GET`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream, unsubscribes.
    ///
    /// # Round trips
    ///
    /// Two, and those of the login for the first subscription: the setting, and the subscription.
    /// On a cluster, to each master at the same time.
    pub fn notifications(&self) -> WatchKeys<S, V> {
        let () = V::STORED;
        WatchKeys { request: PatternRequest::new(self), kind: PhantomData }
    }
}

/// A subscription to changes of keys that has not started, and its options. Await it. Created by
/// [`Pattern::notifications`].
#[must_use = "nothing is subscribed unless it is awaited"]
pub struct WatchKeys<S, V> {
    request: PatternRequest<S>,
    kind: PhantomData<fn() -> V>,
}

impl<S, V> WatchKeys<S, V> {
    call_options! { self => self.request.call;
        /// Sets how long to wait for the setting of the server and its confirmation. It covers
        /// connecting.
    }

    /// Sets how many notifications may wait to be read; see
    /// [`Subscribe::buffer`](super::Subscribe::buffer).
    pub fn buffer(mut self, notifications: u32) -> Self {
        self.request.buffer = notifications.max(1);
        self
    }
}

impl<S: Keyspace, V: Kind> IntoFuture for WatchKeys<S, V> {
    type Output = Result<Notifications<S, V>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { request, .. } = self;
        Box::pin(async move {
            let matcher = request.matcher.clone();
            let subscribing = async {
                matcher.check_bound()?;
                let binding = resolve(&request.call, S::META)?;
                binding.require_server()?;
                let deadline = binding.deadline(request.call.timeout);
                check_setting(&binding, deadline).await?;
                let start = format!("__keyspace@{}__:", binding.pool().settings.db);
                request.open(binding, start, Reach::EveryMaster, deadline).await
            };
            let feed = subscribing.await.map_err(|error| PatternRequest::explain(&matcher, error))?;
            Ok(Notifications { feed, kind: PhantomData })
        })
    }
}

impl<S, V> fmt::Debug for WatchKeys<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.describe("WatchKeys", f)
    }
}

/// Fails if a server is known to send no notifications. A user who may not ask subscribes anyway.
async fn check_setting(binding: &Arc<Binding>, deadline: Deadline) -> Result<()> {
    let mut packet = Packet::new("CONFIG", Keys::None);
    packet.args.push(b"GET");
    packet.args.push(SETTING.as_bytes());
    let request = Request::One(packet);
    let replies = run(Arc::clone(binding), &request, deadline, true, None).await?;
    check_reply(replies, &binding.pool().settings.endpoint.to_string())?;
    let masters = binding.pool().cluster().map(|cluster| cluster.masters()).unwrap_or_default();
    let of_masters = masters.iter().map(async |node: &Arc<Node>| {
        let (replies, _) = run_at(binding, node, &request, deadline, None).await?;
        check_reply(replies, &node.settings.endpoint.to_string())
    });
    join_all(of_masters).await.into_iter().collect()
}

fn check_reply(replies: Replies, endpoint: &str) -> Result<()> {
    // A map as a list, in both versions of the protocol.
    let (Ok(Reply::Map(parts)) | Ok(Reply::Array(parts))) = read::one(replies) else { return Ok(()) };
    let [_, Reply::Bulk(classes)] = &*parts else { return Ok(()) };
    // Not part of `A`, but enough for notifications: `n` and `m`.
    let has_class = classes.iter().any(|class| !b"KE".contains(class));
    if classes.contains(&b'K') && has_class {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "{endpoint} sends no notifications about keys, because its setting `{SETTING}` is {:?}: set it to \"KA\", or to \
         `K` and the classes of events that you need, in the configuration of the server",
        String::from_utf8_lossy(classes)
    )))
}

/// A change of a key.
pub struct Notification<S: Keyspace, V> {
    found: KeyMatch<S, V>,
    event: Box<str>,
}

impl<S: Keyspace, V> Notification<S, V> {
    /// Returns the key.
    pub fn key(&self) -> &Key<S, V> {
        self.found.key()
    }

    /// Returns the key, without the event.
    pub fn into_key(self) -> Key<S, V> {
        self.found.into_key()
    }

    /// Returns the typed arguments of the key.
    #[must_use]
    pub fn arguments(&self) -> S::Parsed {
        self.found.arguments()
    }

    /// Returns the name of the event, as the server documents it: `set`, `del`, `expired`.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }
}

impl<S: Keyspace, V> Clone for Notification<S, V> {
    fn clone(&self) -> Self {
        Self { found: self.found.clone(), event: self.event.clone() }
    }
}

impl<S: Keyspace, V> fmt::Debug for Notification<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("key", self.key()).field("event", &self.event).finish()
    }
}

/// The changes of keys, as a stream. Created by [`Pattern::notifications`].
///
/// It behaves as [`Subscription`](super::Subscription) does.
#[must_use = "a subscription ends when it is dropped"]
pub struct Notifications<S, V> {
    feed: MatchedFeed<S>,
    kind: PhantomData<fn() -> V>,
}

type NextNotification<S, V> = Option<Result<Event<Notification<S, V>>>>;

impl<S: Keyspace, V: Kind> Notifications<S, V> {
    /// Returns the next change; `None` after the handle was closed.
    ///
    /// # Errors
    ///
    /// Those of [`Subscription::next`](super::Subscription::next) that do not concern a message.
    /// The subscription continues after an error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call returns the same event.
    ///
    /// # Round trips
    ///
    /// None: the server sends notifications by itself.
    pub async fn next(&mut self) -> Option<Result<Event<Notification<S, V>>>> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// Returns how many notifications were skipped so far: the glob of the pattern matched their
    /// keys, but the keys do not belong to it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.feed.skipped()
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<NextNotification<S, V>> {
        let event = self.feed.poll_next(context, |event| str::from_utf8(event).is_ok());
        let named = |(found, event): (_, bytes::Bytes)| {
            Ok(Notification { found, event: String::from_utf8_lossy(&event).into() })
        };
        event.map(|event| event.map(|event| event?.try_map(named)))
    }
}

impl<S, V> Unpin for Notifications<S, V> {}

impl<S: Keyspace, V: Kind> Stream for Notifications<S, V> {
    type Item = Result<Event<Notification<S, V>>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context)
    }
}

impl<S, V> fmt::Debug for Notifications<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feed.describe("Notifications", f)
    }
}
