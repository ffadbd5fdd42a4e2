//! The streams of a pattern: its keys, and its keys with their values.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::matcher::Matcher;
use super::seen::SeenKeys;
use super::target::ScanOptions;
use super::walk::{Walk, WalkStep};
use crate::client::Target;
use crate::error::{Error, Result, short_name};
use crate::key::KeyText;
use crate::kind::Readable;
use crate::protocol::{Keys, Packet, Reply, read};
use crate::schema::{Key, Keyspace};

/// A key that a scan found, with its typed arguments.
pub struct KeyMatch<S: Keyspace, V> {
    key: Key<S, V>,
    arguments: S::Parsed,
}

impl<S: Keyspace, V> KeyMatch<S, V> {
    /// Returns the key.
    pub fn key(&self) -> &Key<S, V> {
        &self.key
    }

    /// Returns the key, without the arguments.
    pub fn into_key(self) -> Key<S, V> {
        self.key
    }

    /// Returns the typed arguments.
    #[must_use]
    pub fn arguments(&self) -> S::Parsed {
        self.arguments.clone()
    }
}

impl<S: Keyspace, V> Clone for KeyMatch<S, V> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), arguments: self.arguments.clone() }
    }
}

impl<S: Keyspace, V> fmt::Debug for KeyMatch<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMatch").field("key", &self.key).field("arguments", &self.arguments).finish()
    }
}

impl<S: Keyspace> Matcher<S> {
    /// Returns the typed key of a name; `None` if it does not belong to the pattern. The key uses
    /// the handle of the target, if it has one.
    pub(crate) fn found<V>(&self, name: String, target: &Target) -> Option<KeyMatch<S, V>> {
        let arguments = self.arguments(&name)?;
        let key = Key::of(KeyText::Shared(name.into()), self.template());
        let key = match target {
            Target::Handle(redis) => key.on(redis),
            Target::Chosen | Target::Bound(_) => key,
        };
        Some(KeyMatch { key, arguments })
    }
}

type Stepping = BoxFuture<'static, (Walk, Result<WalkStep>)>;

enum ScanState {
    New(ScanOptions),
    Between(Walk),
    Stepping(Stepping),
    Done,
}

/// A stream of keys, created by [`Pattern::scan`](super::Pattern::scan).
///
/// It implements `Stream`; [`next`](Self::next) returns one key after the other and needs no trait
/// in scope. The stream ends after an error.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Scan<S: Keyspace, V> {
    matcher: Matcher<S>,
    kind: &'static str,
    progress: ScanState,
    /// The handle that was set on the pattern, if any. The returned keys use it too.
    target: Target,
    ready: VecDeque<KeyMatch<S, V>>,
    /// `None` if keys may be returned twice.
    seen: Option<SeenKeys>,
    skipped: u64,
}

impl<S: Keyspace, V> Scan<S, V> {
    pub(super) fn new(matcher: Matcher<S>, options: ScanOptions, kind: &'static str) -> Self {
        Self {
            matcher,
            kind,
            target: options.call.target.clone(),
            seen: (!options.repeats).then(SeenKeys::default),
            progress: ScanState::New(options),
            ready: VecDeque::new(),
            skipped: 0,
        }
    }

    /// Returns the next key; `None` at the end.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let mut scan = SessionKeys::session_keys().scan();
    /// let found = scan.next().await.transpose()?.unwrap();
    /// assert_eq!(found.into_key(), SessionKeys::session(7, "phone"));
    /// assert!(scan.next().await.is_none());
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind). The stream ends after an error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call continues the scan.
    ///
    /// # Round trips
    ///
    /// None while keys of the current page are left; otherwise one for each page up to the next
    /// key.
    pub async fn next(&mut self) -> Option<Result<KeyMatch<S, V>>> {
        std::future::poll_fn(|context| self.poll_found(context)).await
    }

    /// Returns how many keys were skipped so far: the glob of the pattern matched them, but they do
    /// not belong to it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn poll_found(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<KeyMatch<S, V>>>> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(found)));
            }
            match ready!(self.poll_step(context, |_, _| Vec::new())) {
                None => return Poll::Ready(None),
                Some(Ok(step)) => self.take(step),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Runs the next round trip; `None` if the scan is complete.
    fn poll_step(
        &mut self,
        context: &mut Context<'_>,
        send_along: impl FnOnce(&mut Self, &Walk) -> Vec<Packet>,
    ) -> Poll<Option<Result<WalkStep>>> {
        let mut send_along = Some(send_along);
        loop {
            match std::mem::replace(&mut self.progress, ScanState::Done) {
                ScanState::New(options) => {
                    match Walk::new(&self.matcher.wanted(self.kind), options, S::META) {
                        Ok(walk) => self.progress = ScanState::Between(walk),
                        Err(error) => return Poll::Ready(Some(Err(self.explain(error)))),
                    }
                }
                ScanState::Between(mut walk) => {
                    let packets = send_along.take().map(|packets| packets(self, &walk)).unwrap_or_default();
                    if packets.is_empty() && !walk.has_next_page() {
                        return Poll::Ready(None);
                    }
                    self.progress = ScanState::Stepping(Box::pin(async move {
                        let step = walk.step(packets, true).await;
                        (walk, step)
                    }));
                }
                ScanState::Stepping(mut stepping) => {
                    let Poll::Ready((walk, step)) = stepping.as_mut().poll(context) else {
                        self.progress = ScanState::Stepping(stepping);
                        return Poll::Pending;
                    };
                    return Poll::Ready(Some(match step {
                        Ok(WalkStep { failure: Some(error), .. }) | Err(error) => Err(self.explain(error)),
                        Ok(step) => {
                            self.progress = ScanState::Between(walk);
                            Ok(step)
                        }
                    }));
                }
                ScanState::Done => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, step: WalkStep) {
        self.skipped += step.unreadable;
        for text in step.keys {
            match self.matcher.arguments(&text) {
                None => self.skipped += 1,
                Some(arguments) if self.seen.as_mut().is_none_or(|seen| seen.is_new(&text)) => {
                    let key = Key::of(KeyText::Shared(text.into()), self.matcher.template());
                    let key = match &self.target {
                        Target::Handle(redis) => key.on(redis),
                        Target::Chosen | Target::Bound(_) => key,
                    };
                    self.ready.push_back(KeyMatch { key, arguments });
                }
                Some(_) => {}
            }
        }
    }

    fn explain(&self, error: Error) -> Error {
        error.about("SCAN", Some(self.matcher.template().name()), None)
    }
}

impl<S: Keyspace, V> Unpin for Scan<S, V> {}

impl<S: Keyspace, V> Stream for Scan<S, V> {
    type Item = Result<KeyMatch<S, V>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_found(context)
    }
}

impl<S: Keyspace, V> fmt::Debug for Scan<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("glob", &short_name(&self.matcher.glob()))
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

type MatchedValue<S, V> = Result<(KeyMatch<S, V>, <V as Readable>::Value)>;

/// A stream of keys with their values, created by [`Pattern::values`](super::Pattern::values).
#[must_use = "a stream does nothing unless it is polled"]
pub struct Values<S: Keyspace, V: Readable> {
    scan: Scan<S, V>,
    /// The keys whose values were requested.
    asked: Vec<KeyMatch<S, V>>,
    ready: VecDeque<MatchedValue<S, V>>,
}

impl<S: Keyspace, V: Readable> Values<S, V> {
    pub(super) fn new(scan: Scan<S, V>) -> Self {
        Self { scan, asked: Vec::new(), ready: VecDeque::new() }
    }

    /// Returns the next key with its value; `None` at the end.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let mut values = SessionKeys::session_keys().values();
    /// let (found, value) = values.next().await.transpose()?.unwrap();
    /// assert_eq!((found.key().as_str(), value.as_str()), ("session:7:phone", "a"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command, after which the stream ends. A value that can't be decoded is a
    /// [`Decode`](crate::ErrorKind::Decode) error, after which the stream continues.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call continues the scan.
    ///
    /// # Round trips
    ///
    /// None while values of the current page are left; otherwise one for each page up to the next
    /// value.
    pub async fn next(&mut self) -> Option<Result<(KeyMatch<S, V>, V::Value)>> {
        std::future::poll_fn(|context| self.poll_value(context)).await
    }

    /// Returns how many keys were skipped so far: the glob of the pattern matched them, but they do
    /// not belong to it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.scan.skipped()
    }

    fn poll_value(&mut self, context: &mut Context<'_>) -> Poll<Option<MatchedValue<S, V>>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Poll::Ready(Some(ready));
            }
            let Self { scan, asked, .. } = self;
            let step = scan.poll_step(context, |scan, walk| {
                asked.extend(scan.ready.drain(..));
                let groups = walk.divide(asked, |found| found.key.as_str());
                let texts = |group: &[KeyMatch<S, V>]| group.iter().map(|found| found.key.text()).collect();
                groups.map(|group| Packet::new("MGET", Keys::Many(texts(group)))).collect()
            });
            match ready!(step) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(mut step)) => {
                    if let Err(error) = self.take(std::mem::take(&mut step.replies)) {
                        self.scan.progress = ScanState::Done;
                        return Poll::Ready(Some(Err(error)));
                    }
                    self.scan.take(step);
                }
            }
        }
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<()> {
        let template = Some(self.scan.matcher.template().name());
        let about = |error: Error| error.about("MGET", template, None);
        let mut values = Vec::with_capacity(self.asked.len());
        for reply in replies {
            let Reply::Array(some) = read::checked(reply).map_err(about)? else {
                return Err(about(Error::protocol("MGET did not return a list")));
            };
            values.extend(some);
        }
        if values.len() != self.asked.len() {
            return Err(about(Error::protocol("MGET did not return one value per key")));
        }
        for (found, value) in self.asked.drain(..).zip(values) {
            let read = read::to_bytes(value).and_then(|bytes| {
                bytes.map(|bytes| V::read_present(&bytes).map_err(Error::decode)).transpose()
            });
            match read {
                Ok(None) => {}
                Ok(Some(value)) => self.ready.push_back(Ok((found, value))),
                Err(error) => {
                    self.ready.push_back(Err(error.about("MGET", template, Some(found.key.as_str()))));
                }
            }
        }
        Ok(())
    }
}

impl<S: Keyspace, V: Readable> Unpin for Values<S, V> {}

impl<S: Keyspace, V: Readable> Stream for Values<S, V> {
    type Item = Result<(KeyMatch<S, V>, V::Value)>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_value(context)
    }
}

impl<S: Keyspace, V: Readable> fmt::Debug for Values<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("scan", &self.scan).finish_non_exhaustive()
    }
}
