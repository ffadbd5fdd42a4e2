//! The entries of a range as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream as FuturesStream;

use super::base::{IdRange, range_of};
use super::entry::{Entry, RawEntry};
use super::replies::raw_entries;
use crate::client::CallOptions;
use crate::command::base::{Command, polled_already};
use crate::error::Result;
use crate::kind::{SingleValue, Stream};
use crate::schema::{Key, Keyspace, OnUnavailable};

/// The size of a page, if no other is set.
const USUAL_PAGE: u64 = 100;

/// What to read, and where.
pub(super) struct PageSource<S, T> {
    pub(super) key: Key<S, Stream<T>>,
    pub(super) call: CallOptions,
    /// `None` is a range that is always empty.
    pub(super) range: Option<IdRange>,
    /// The size of a page, if it is set.
    pub(super) count: Option<u64>,
    pub(super) is_reversed: bool,
}

/// A stream of the entries of a range, created by [`XRange::pages`](super::XRange::pages).
///
/// It implements `Stream`; [`next`](Self::next) returns one entry after the other and needs no
/// trait in scope. The stream ends after an error, except after an entry that can't be decoded.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Pages<S: Keyspace, T: SingleValue> {
    /// `None` if the builder was polled before.
    source: Option<(Key<S, Stream<T>>, CallOptions)>,
    /// What is left to read; `None` at the end.
    rest: Option<IdRange>,
    is_reversed: bool,
    count: u64,
    ready: VecDeque<RawEntry>,
    reading: Option<Command<Vec<RawEntry>>>,
}

impl<S: Keyspace, T: SingleValue> Pages<S, T> {
    pub(super) fn new(source: Option<PageSource<S, T>>) -> Self {
        let (source, rest, is_reversed, count) = match source {
            Some(PageSource { key, call, range, count, is_reversed }) => {
                (Some((key, call)), range, is_reversed, count)
            }
            // The first poll reports it.
            None => (None, IdRange::new(&(..)), false, None),
        };
        let count = count.unwrap_or(USUAL_PAGE).max(1);
        Self { source, rest, is_reversed, count, ready: VecDeque::new(), reading: None }
    }

    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) for an entry that can't be decoded, after which the
    /// stream continues; otherwise those of any command, after which it ends.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call continues.
    ///
    /// # Round trips
    ///
    /// None while entries of the current page are left; otherwise one.
    pub async fn next(&mut self) -> Option<Result<Entry<T::Owned>>> {
        std::future::poll_fn(|context| self.poll_entry(context)).await
    }

    fn poll_entry(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Entry<T::Owned>>>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let decoded = entry.decode::<T>().map(|value| Entry { id: entry.id, value });
                return Poll::Ready(Some(decoded.map_err(|error| self.explain(error))));
            }
            let Some(reading) = &mut self.reading else {
                let Some(rest) = self.rest else { return Poll::Ready(None) };
                let Some((key, call)) = &self.source else {
                    self.rest = None;
                    return Poll::Ready(Some(Err(polled_already("XRANGE"))));
                };
                let page = range_of(key, Some(rest), Some(self.count), self.is_reversed, raw_entries);
                // A missing page would be taken for the end.
                self.reading = Some(page.with_call(call.clone()).on_unavailable(OnUnavailable::Error));
                continue;
            };
            let page = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            let rest = self.rest.take();
            match page {
                Ok(entries) => {
                    let is_full = u64::try_from(entries.len()).is_ok_and(|length| length >= self.count);
                    let last = entries.last().filter(|_| is_full).map(|entry| entry.id);
                    self.rest = last.zip(rest).and_then(|(last, rest)| rest.after(last, self.is_reversed));
                    self.ready = entries.into();
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn explain(&self, error: crate::Error) -> crate::Error {
        match &self.source {
            Some((key, _)) => key.explain("XRANGE", error),
            None => error,
        }
    }
}

impl<S: Keyspace, T: SingleValue> Unpin for Pages<S, T> {}

impl<S: Keyspace, T: SingleValue> FuturesStream for Pages<S, T> {
    type Item = Result<Entry<T::Owned>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_entry(context)
    }
}

impl<S: Keyspace, T: SingleValue> fmt::Debug for Pages<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.source.as_ref().map(|(key, _)| key);
        f.debug_struct("Pages").field("key", &key).field("rest", &self.rest).finish_non_exhaustive()
    }
}
