//! What the subscriptions to patterns share: of channels, and of changes of keys.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::event::Event;
use super::feed::{BUFFER, Feed, FeedOptions};
use crate::client::{Binding, CallOptions, Target};
use crate::connect::{Reach, Topic};
use crate::error::{Error, Result, short_name};
use crate::key::without_spaces;
use crate::scan::{KeyMatch, Matcher, Pattern};
use crate::schema::Keyspace;
use crate::time::Deadline;

/// The command that subscribes to a pattern.
const COMMAND: &str = "PSUBSCRIBE";

/// A subscription to a pattern that has not started.
pub(super) struct PatternRequest<S> {
    pub(super) matcher: Matcher<S>,
    pub(super) buffer: u32,
    pub(super) call: CallOptions,
}

impl<S: Keyspace> PatternRequest<S> {
    pub(super) fn new<V, B>(pattern: &Pattern<S, V, B>) -> Self {
        Self { matcher: pattern.matcher().clone(), buffer: BUFFER, call: pattern.call() }
    }

    /// Subscribes. The names of the channels have `start` before the namespace.
    pub(super) async fn open(
        self,
        binding: Arc<Binding>,
        start: String,
        reach: Reach,
        deadline: Deadline,
    ) -> Result<MatchedFeed<S>> {
        let Self { matcher, buffer, call } = self;
        let (keyspace, template) = (S::META, matcher.template());
        // A namespace contains no glob characters. The glob has the same text as the ACL rule of
        // the catalog; other channels that it matches are skipped.
        let glob = without_spaces(&format!("{start}{}", binding.wire_name(&matcher.glob())));
        let options = FeedOptions { keyspace, template, command: COMMAND, buffer, deadline };
        let feed = Feed::open(binding, Topic::pattern(glob, reach), &options).await?;
        Ok(MatchedFeed { feed, matcher, start, target: call.target, skipped: 0 })
    }

    /// Adds the declaration to an error.
    pub(super) fn explain(matcher: &Matcher<S>, error: Error) -> Error {
        error.about(COMMAND, Some(matcher.template().name()), None)
    }
}

impl<S> PatternRequest<S> {
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glob = self.matcher.glob();
        f.debug_struct(name).field("glob", &short_name(&glob)).finish_non_exhaustive()
    }
}

/// The messages of a pattern, with the keys of their channels.
pub(super) struct MatchedFeed<S> {
    feed: Feed,
    matcher: Matcher<S>,
    /// What the names of the channels have before the namespace.
    start: String,
    /// The handle that was set on the pattern, if any. The keys use it too.
    target: Target,
    skipped: u64,
}

/// A key, and a message that is not decoded.
type RawMatch<S, V> = (KeyMatch<S, V>, Bytes);

type NextMatch<S, V> = Option<Result<Event<RawMatch<S, V>>>>;

impl<S: Keyspace> MatchedFeed<S> {
    /// Returns how many messages were skipped.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the next event. Skips messages that do not fit, and those of other channels.
    pub(super) fn poll_next<V>(
        &mut self,
        context: &mut Context<'_>,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Poll<NextMatch<S, V>> {
        loop {
            let (channel, payload) = match ready!(self.feed.poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Ok(Event::Message(message))) => message,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Event::Resubscribed)) => return Poll::Ready(Some(Ok(Event::Resubscribed))),
                Some(Ok(Event::Lagged(count))) => return Poll::Ready(Some(Ok(Event::Lagged(count)))),
            };
            let key = channel.strip_prefix(self.start.as_bytes()).map(|key| channel.slice_ref(key));
            let name = key.and_then(|key| self.feed.own_name(&key));
            match name.and_then(|name| self.matcher.found(name, &self.target)) {
                Some(found) if fits(&payload) => {
                    return Poll::Ready(Some(Ok(Event::Message((found, payload)))));
                }
                _ => self.skipped += 1,
            }
        }
    }

    /// Adds the declaration and the key to an error.
    pub(super) fn explain(&self, error: Error, key: &str) -> Error {
        self.feed.explain(error, Some(key))
    }
}

impl<S> MatchedFeed<S> {
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glob = self.matcher.glob();
        let mut shown = f.debug_struct(name);
        shown.field("glob", &short_name(&glob)).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}
