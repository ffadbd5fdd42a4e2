//! New entries of a stream, as they are added.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream as FuturesStream;
use tokio::time::Sleep;

use super::base::{IdRange, StreamParts, command, range_of, waiting};
use super::entry::{Entry, RawEntry};
use super::replies::{raw_entries, raw_read_entries};
use crate::client::{CallOptions, Redis, Target};
use crate::command::base::Command;
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId};
use crate::schema::{Key, Keyspace, OnUnavailable, Reads};
use crate::time::Backoff;

/// How long one command waits for entries.
const WAIT: Duration = Duration::from_secs(10);
/// How many entries one command returns, if no other number is set.
const USUAL_COUNT: u64 = 100;
/// The pauses after errors.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A stream of entries as they are added, created by [`Key::tail`].
///
/// It implements `Stream`; [`next`](Self::next) returns one entry after the other and needs no
/// trait in scope. It never ends. It remembers the ID of the last entry and reads from there, also
/// after an error, so it misses no entry that is still in the stream.
///
/// An error does not end the stream: the next call tries again, after a pause that grows from 0.1 s
/// to 5 s. A program that should end then must stop calling it.
///
/// While it waits, it uses an exclusive connection; see
/// [`exclusive_connections`](crate::RedisBuilder::exclusive_connections).
#[must_use = "a stream does nothing unless it is polled"]
pub struct Tail<S: Keyspace, T: SingleValue> {
    key: Key<S, Stream<T>>,
    call: CallOptions,
    /// The entry after which the next command reads. `None` before the end was found.
    after: Option<StreamId>,
    /// The last entry that was returned, or where the stream started.
    position: Option<StreamId>,
    count: u64,
    ready: VecDeque<RawEntry>,
    state: TailState,
    backoff: Backoff,
}

enum TailState {
    Between,
    /// Finds the last entry.
    Finding(Command<Vec<RawEntry>>),
    Reading(Command<Vec<RawEntry>>),
    Pausing(Pin<Box<Sleep>>),
}

impl<S: Keyspace, T: SingleValue> Tail<S, T> {
    pub(super) fn new(key: &Key<S, Stream<T>>) -> Self {
        Self {
            key: key.clone(),
            call: CallOptions::of_key(key),
            after: None,
            position: None,
            count: USUAL_COUNT,
            ready: VecDeque::new(),
            state: TailState::Between,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// Starts after this entry instead of at the end of the stream.
    pub fn after(self, id: StreamId) -> Self {
        Self { after: Some(id), position: Some(id), ..self }
    }

    /// Sets how many entries one command returns at most. The default is 100, the minimum 1.
    pub fn count(self, count: u64) -> Self {
        Self { count: count.max(1), ..self }
    }

    /// Sets the handle to run on, overriding the installed or scoped one.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.call.target = Target::Handle(redis.clone());
        self
    }

    /// Returns the ID of the last entry that the stream returned; before the first one, where it
    /// started. `None` before the end of the stream was found. A later [`after`](Self::after)
    /// continues there.
    #[must_use]
    pub fn position(&self) -> Option<StreamId> {
        self.position
    }

    /// Waits for the next entry.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) for an entry that can't be decoded; otherwise those of
    /// any command. The next call continues. A [disabled](crate::Redis::disabled) handle has
    /// nothing to wait for: [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured).
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call continues.
    ///
    /// # Round trips
    ///
    /// None while entries are left that were read before; otherwise one for each wait of up to 10
    /// s. The first call takes another one to find the end of the stream, unless
    /// [`after`](Self::after) is set.
    pub async fn next(&mut self) -> Result<Entry<T::Owned>> {
        std::future::poll_fn(|context| self.poll_entry(context)).await
    }

    fn poll_entry(&mut self, context: &mut Context<'_>) -> Poll<Result<Entry<T::Owned>>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.position = Some(entry.id);
                let decoded = entry.decode::<T>().map(|value| Entry { id: entry.id, value });
                return Poll::Ready(decoded.map_err(|error| self.key.explain("XREAD", error)));
            }
            let outcome = match &mut self.state {
                TailState::Between => {
                    self.state = self.next_state();
                    continue;
                }
                TailState::Pausing(pause) => {
                    ready!(pause.as_mut().poll(context));
                    self.state = TailState::Between;
                    continue;
                }
                TailState::Finding(finding) => {
                    let last = ready!(Pin::new(finding).poll(context));
                    // Without entries, everything that is added is new.
                    let position = |last: Vec<RawEntry>| last.first().map_or(StreamId::MIN, |entry| entry.id);
                    last.map(|last| {
                        self.after = Some(position(last));
                        self.position = self.after;
                    })
                }
                TailState::Reading(reading) => ready!(Pin::new(reading).poll(context)).map(|entries| {
                    self.after = entries.last().map(|entry| entry.id).or(self.after);
                    self.ready = entries.into();
                }),
            };
            self.state = TailState::Between;
            match outcome {
                Ok(()) => self.backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
                Err(error) => {
                    self.pause();
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn next_state(&self) -> TailState {
        let Some(after) = self.after else {
            let whole = IdRange::new(&(..));
            let last = range_of(&self.key, whole, Some(1), true, raw_entries);
            // A replica may be behind, and a miss would mean that the stream is empty: what is old
            // would be taken for new.
            let mut last = last.with_call(self.call.clone()).reads(Reads::Master);
            last.subject.needs_server = true;
            return TailState::Finding(last.on_unavailable(OnUnavailable::Error));
        };
        let mut parts = StreamParts::default().ids(&[after]);
        parts.head.push(b"COUNT");
        parts.head.push_count(self.count);
        parts.head.push(b"STREAMS");
        let mut read = command(&self.key, "XREAD", "XREAD", Ok(parts), raw_read_entries).repeatable();
        // A handle that stores nothing would answer at once, again and again.
        read.subject.needs_server = true;
        TailState::Reading(waiting(read.with_call(self.call.clone()), Some(WAIT)))
    }

    fn pause(&mut self) {
        // Without a runtime there is no clock, and the next command fails again.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.state = TailState::Pausing(Box::pin(tokio::time::sleep(self.backoff.pause())));
        }
    }
}

impl<S: Keyspace, T: SingleValue> Unpin for Tail<S, T> {}

impl<S: Keyspace, T: SingleValue> FuturesStream for Tail<S, T> {
    type Item = Result<Entry<T::Owned>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_entry(context).map(Some)
    }
}

impl<S: Keyspace, T: SingleValue> fmt::Debug for Tail<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("key", &self.key)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
