//! The streams of a pattern: its keys, and its keys with their values.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::matcher::Matcher;
use super::target::ScanOptions;
use super::walk::{PageTurn, Walk};
use crate::client::Target;
use crate::error::{Error, Result, short_name};
use crate::key::KeyText;
use crate::kind::Readable;
use crate::protocol::{Keys, Packet, Reply, read};
use crate::schema::{Key, Keyspace};

/// A key that a scan found, with the arguments that made it.
pub struct KeyMatch<S: Keyspace, V> {
    key: Key<S, V>,
    arguments: S::Parsed,
}

impl<S: Keyspace, V> KeyMatch<S, V> {
    /// The key.
    pub fn key(&self) -> &Key<S, V> {
        &self.key
    }

    /// The key by itself.
    pub fn into_key(self) -> Key<S, V> {
        self.key
    }

    /// The typed arguments.
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

type Turning = BoxFuture<'static, (Walk, Result<PageTurn>)>;

enum ScanState {
    New(ScanOptions),
    Between(Walk),
    Turning(Turning),
    Done,
}

/// A stream of keys; see [`Pattern::scan`](super::Pattern::scan). [`next`](Self::next) gives one after the other without
/// any trait in scope.
///
/// After an error the stream ends.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Scan<S: Keyspace, V> {
    matcher: Matcher<S>,
    kind: &'static str,
    progress: ScanState,
    /// Where the keys are, if that was stated: then those that are given are there too.
    target: Target,
    ready: VecDeque<KeyMatch<S, V>>,
    /// `None` where keys may be given twice.
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

    /// The next key; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping this future loses nothing: the next call goes on where it was.
    pub async fn next(&mut self) -> Option<Result<KeyMatch<S, V>>> {
        std::future::poll_fn(|context| self.poll_found(context)).await
    }

    /// How many keys the glob of the pattern has let through so far that are no keys of it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn poll_found(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<KeyMatch<S, V>>>> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(found)));
            }
            match ready!(self.poll_turn(context, |_, _| Vec::new())) {
                None => return Poll::Ready(None),
                Some(Ok(turn)) => self.take(turn),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// The next round trip; `None` when there is no more to do.
    fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
        send_along: impl FnOnce(&mut Self, &Walk) -> Vec<Packet>,
    ) -> Poll<Option<Result<PageTurn>>> {
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
                    if packets.is_empty() && !walk.goes_on() {
                        return Poll::Ready(None);
                    }
                    self.progress = ScanState::Turning(Box::pin(async move {
                        let turn = walk.turn(packets, true).await;
                        (walk, turn)
                    }));
                }
                ScanState::Turning(mut turning) => {
                    let Poll::Ready((walk, turn)) = turning.as_mut().poll(context) else {
                        self.progress = ScanState::Turning(turning);
                        return Poll::Pending;
                    };
                    return Poll::Ready(Some(match turn {
                        Ok(PageTurn { failure: Some(error), .. }) | Err(error) => Err(self.explain(error)),
                        Ok(turn) => {
                            self.progress = ScanState::Between(walk);
                            Ok(turn)
                        }
                    }));
                }
                ScanState::Done => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, turn: PageTurn) {
        self.skipped += turn.unreadable;
        for text in turn.keys {
            match self.matcher.arguments(&text) {
                None => self.skipped += 1,
                Some(arguments) if self.seen.as_mut().is_none_or(|seen| seen.is_new(&text)) => {
                    let key = Key::new(KeyText::Shared(text.into()), self.matcher.template());
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

/// The keys that were given already: a scan may come upon one again while the server's table shrinks.
#[derive(Default)]
struct SeenKeys {
    hashes: HashSet<(u64, u64)>,
    // Two of them, since 64 bits are too few: a key that is taken for another would be lost.
    first: RandomState,
    second: RandomState,
}

impl SeenKeys {
    fn is_new(&mut self, key: &str) -> bool {
        self.hashes.insert((self.first.hash_one(key), self.second.hash_one(key)))
    }
}

type MatchedValue<S, V> = Result<(KeyMatch<S, V>, <V as Readable>::Value)>;

/// A stream of keys with their values; see [`Pattern::values`](super::Pattern::values).
#[must_use = "a stream does nothing unless it is polled"]
pub struct Values<S: Keyspace, V: Readable> {
    scan: Scan<S, V>,
    /// The keys whose values are on their way.
    asked: Vec<KeyMatch<S, V>>,
    ready: VecDeque<MatchedValue<S, V>>,
}

impl<S: Keyspace, V: Readable> Values<S, V> {
    pub(super) fn new(scan: Scan<S, V>) -> Self {
        Self { scan, asked: Vec::new(), ready: VecDeque::new() }
    }

    /// The next key with its value; `None` at the end. As [`Scan::next`] otherwise.
    ///
    /// # Errors
    ///
    /// Those of any command, after which the stream ends; and, of a value that can't be decoded,
    /// [`Decode`](crate::ErrorKind::Decode), after which it goes on.
    pub async fn next(&mut self) -> Option<Result<(KeyMatch<S, V>, V::Value)>> {
        std::future::poll_fn(|context| self.poll_value(context)).await
    }

    /// How many keys the glob of the pattern has let through so far that are no keys of it.
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
            let turn = scan.poll_turn(context, |scan, walk| {
                asked.extend(scan.ready.drain(..));
                let groups = walk.divide(asked, |found| found.key.as_str());
                let texts = |group: &[KeyMatch<S, V>]| group.iter().map(|found| found.key.text()).collect();
                groups.map(|group| Packet::new("MGET", Keys::Many(texts(group)))).collect()
            });
            match ready!(turn) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(mut turn)) => {
                    if let Err(error) = self.take(std::mem::take(&mut turn.replies)) {
                        self.scan.progress = ScanState::Done;
                        return Poll::Ready(Some(Err(error)));
                    }
                    self.scan.take(turn);
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
                return Err(about(Error::protocol("MGET did not give a list")));
            };
            values.extend(some);
        }
        if values.len() != self.asked.len() {
            return Err(about(Error::protocol("MGET did not give one value a key")));
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
