//! `XRANGE` and `XREVRANGE`.

use super::base::{IdRange, range_of};
use super::entry::{Entry, RawEntry};
use super::pages::{PageSource, Pages};
use super::replies::{entries, raw_entries};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions};
use crate::kind::{SingleValue, Stream};
use crate::protocol::Decode;
use crate::schema::{Key, Keyspace};

/// `XRANGE` with its options, created by [`Key::xrange`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XRange<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XRangeOptions<R>>, R>,
);

pub(in crate::command::collection) struct XRangeOptions<R> {
    /// `None` is a range that is always empty.
    range: Option<IdRange>,
    count: Option<u64>,
    is_reversed: bool,
    decode: Decode<R>,
}

impl<R> XRangeOptions<R> {
    pub(super) fn new(range: Option<IdRange>, decode: Decode<R>) -> Self {
        Self { range, count: None, is_reversed: false, decode }
    }

    /// Replaces how the reply is decoded.
    fn decoded_by<Q>(self, decode: Decode<Q>) -> XRangeOptions<Q> {
        let Self { range, count, is_reversed, .. } = self;
        XRangeOptions { range, count, is_reversed, decode }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> XRange<S, T, R> {
    /// Returns at most this many entries; with 0 none, and nothing is sent.
    pub fn count(self, count: u64) -> Self {
        let count = Some(count);
        Self(self.0.map(|options| options.with(|options| XRangeOptions { count, ..options })))
    }

    /// Reverses the order: the newest entry comes first.
    #[doc(alias = "XREVRANGE")]
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| XRangeOptions { is_reversed: true, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> XRange<S, T, Vec<Entry<T::Owned>>> {
    /// Returns the entries as they are stored, for entries of other clients.
    pub fn raw(self) -> XRange<S, T, Vec<RawEntry>> {
        XRange(self.0.map(|options| options.with(|options| options.decoded_by(raw_entries))))
    }

    /// Returns a stream of the entries, which reads them page by page. [`count`](Self::count) sets
    /// the size of a page; the default is 100, the minimum 1.
    ///
    /// Entries that are added while the stream is read are returned too, if they are in the range.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Stream};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// for n in 0..5 {
    ///     FeedKeys::log(1).xadd(&n).await?;
    /// }
    /// let mut sum = 0;
    /// let mut pages = FeedKeys::log(1).xrange(..).count(2).pages();
    /// while let Some(entry) = pages.next().await.transpose()? {
    ///     sum += entry.value;
    /// }
    /// assert_eq!(sum, 10);
    /// # Ok(()) }).await }
    /// ```
    pub fn pages(self) -> Pages<S, T> {
        Pages::new(match self.0 {
            Deferred::Building(options) => options.into_parts().map(|(key, options, call)| {
                let XRangeOptions { range, count, is_reversed, .. } = options;
                PageSource { key, call, range, count, is_reversed }
            }),
            Deferred::Running(_) => None,
        })
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Stream<T>> for XRangeOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<R> {
        range_of(key, self.range, self.count, self.is_reversed, self.decode)
    }
}

pub(super) fn all<T: SingleValue>(range: Option<IdRange>) -> XRangeOptions<Vec<Entry<T::Owned>>> {
    XRangeOptions::new(range, entries::<T>)
}

command_builder!(XRange<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);
