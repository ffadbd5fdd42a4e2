//! The streams of the elements of a collection.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::pages::{ElementPage, ElementPages, PageOptions};
use crate::client::CallOptions;
use crate::error::{Error, Result};
use crate::kind::{DecodeError, Hash, Set, SingleValue, SortedSet};
use crate::protocol::{Reply, read};
use crate::scan::seen::SeenKeys;
use crate::schema::{Key, Keyspace};

type PageInFlight = BoxFuture<'static, (ElementPages, Result<Option<ElementPage>>)>;

enum ScanProgress {
    New(PageOptions),
    Between(ElementPages),
    Reading(PageInFlight),
    /// This option was changed after the scan had started.
    Misused(&'static str),
    Done,
}

/// The part that the streams share. `I` is the item.
struct MemberScan<S, V, I> {
    key: Key<S, V>,
    command: &'static str,
    progress: ScanProgress,
    ready: VecDeque<Result<I>>,
    /// `None` if elements may be returned twice.
    seen: Option<SeenKeys>,
    /// Decodes an element and the part behind it.
    decode: fn(Bytes, Option<Reply>) -> Result<I>,
}

impl<S: Keyspace, V, I> MemberScan<S, V, I> {
    fn new(key: &Key<S, V>, command: &'static str, decode: fn(Bytes, Option<Reply>) -> Result<I>) -> Self {
        let options = PageOptions {
            keyspace: S::META,
            command,
            key: key.text(),
            call: CallOptions::of_key(key),
            page_size: 500,
            without_values: false,
        };
        Self {
            key: key.clone(),
            command,
            progress: ScanProgress::New(options),
            ready: VecDeque::new(),
            seen: Some(SeenKeys::default()),
            decode,
        }
    }

    /// Changes the options. After the start of the scan, that is an error, because the pages before
    /// were read with other ones.
    fn with(mut self, option: &'static str, change: impl FnOnce(&mut PageOptions)) -> Self {
        if let ScanProgress::New(options) = &mut self.progress {
            change(options);
        } else {
            self.progress = ScanProgress::Misused(option);
            self.ready.clear();
        }
        self
    }

    /// Changes the options and the items.
    fn decoding<J>(
        self,
        option: &'static str,
        change: impl FnOnce(&mut PageOptions),
        decode: fn(Bytes, Option<Reply>) -> Result<J>,
    ) -> MemberScan<S, V, J> {
        let Self { key, command, progress, seen, .. } = self.with(option, change);
        MemberScan { key, command, progress, ready: VecDeque::new(), seen, decode }
    }

    fn poll_element(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<I>>> {
        loop {
            if let Some(element) = self.ready.pop_front() {
                return Poll::Ready(Some(element));
            }
            match std::mem::replace(&mut self.progress, ScanProgress::Done) {
                ScanProgress::New(options) => match ElementPages::new(options) {
                    Ok(pages) => self.progress = ScanProgress::Between(pages),
                    Err(error) => return Poll::Ready(Some(Err(self.explain(error)))),
                },
                ScanProgress::Between(mut pages) => {
                    self.progress = ScanProgress::Reading(Box::pin(async move {
                        let page = pages.next().await;
                        (pages, page)
                    }));
                }
                ScanProgress::Reading(mut reading) => {
                    let Poll::Ready((pages, page)) = reading.as_mut().poll(context) else {
                        self.progress = ScanProgress::Reading(reading);
                        return Poll::Pending;
                    };
                    match page {
                        Ok(None) => return Poll::Ready(None),
                        Ok(Some(page)) => {
                            self.progress = ScanProgress::Between(pages);
                            self.take(page);
                        }
                        Err(error) => return Poll::Ready(Some(Err(self.explain(error)))),
                    }
                }
                ScanProgress::Misused(option) => {
                    let error = Error::invalid_input(format!(
                        "`{option}` was set after the scan had started: set it before the first element is read"
                    ));
                    return Poll::Ready(Some(Err(self.explain(error))));
                }
                ScanProgress::Done => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, page: ElementPage) {
        let mut parts = page.parts.into_iter();
        while let Some(element) = parts.next() {
            let behind = if page.has_values { parts.next() } else { None };
            let element = match read::to_bytes(element) {
                Ok(Some(element)) => element,
                Ok(None) | Err(_) => {
                    let error = Error::protocol("an element of a scan is not a string");
                    self.ready.push_back(Err(self.explain(error)));
                    continue;
                }
            };
            if self.seen.as_mut().is_none_or(|seen| seen.is_new(&element[..])) {
                let decoded = (self.decode)(element, behind).map_err(|error| self.explain(error));
                self.ready.push_back(decoded);
            }
        }
    }

    fn explain(&self, error: Error) -> Error {
        self.key.explain(self.command, error)
    }
}

fn decoded<T: SingleValue>(bytes: Bytes) -> Result<T::Owned> {
    T::decode_owned(bytes).map_err(Error::decode)
}

fn member<T: SingleValue>(element: Bytes, _: Option<Reply>) -> Result<T::Owned> {
    decoded::<T>(element)
}

fn entry<F: SingleValue, V: SingleValue>(field: Bytes, value: Option<Reply>) -> Result<(F::Owned, V::Owned)> {
    let value = value.map_or(Ok(None), read::to_bytes)?;
    let value = value.ok_or_else(|| Error::protocol("a field of a scan has no value"))?;
    Ok((decoded::<F>(field)?, decoded::<V>(value)?))
}

fn scored<T: SingleValue>(element: Bytes, score: Option<Reply>) -> Result<(T::Owned, f64)> {
    let text = match score {
        Some(Reply::Double(score)) => return Ok((decoded::<T>(element)?, score + 0.0)),
        score => score.map_or(Ok(None), read::to_bytes)?,
    };
    let score: Option<f64> =
        text.as_deref().and_then(|text| str::from_utf8(text).ok()).and_then(|text| text.parse().ok());
    let score = score.ok_or_else(|| Error::decode(DecodeError::new("a score is not a number")))?;
    // Adding zero turns negative zero into zero.
    Ok((decoded::<T>(element)?, score + 0.0))
}

/// Defines a stream: its documentation, its parameters, the kind of its key, and its items.
macro_rules! member_stream {
    (
        $(#[$docs:meta])*
        $stream:ident<$($parameter:ident),+; $item_parameter:ident>, $kind:ty
    ) => {
        $(#[$docs])*
        #[must_use = "a stream does nothing unless it is polled"]
        pub struct $stream<S: Keyspace, $($parameter: SingleValue,)+ $item_parameter>(
            MemberScan<S, $kind, $item_parameter>,
        );

        impl<S: Keyspace, $($parameter: SingleValue,)+ $item_parameter> $stream<S, $($parameter,)+ $item_parameter> {
            /// Sets about how many elements the server returns for one page (`COUNT`). The default
            /// is 500, the minimum 1. The server returns a small collection as a whole.
            ///
            /// Once the scan has started, this is an error: the next item is an
            /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error, and then the stream ends.
            pub fn batch(self, elements: u32) -> Self {
                Self(self.0.with("batch", |options| options.page_size = elements.max(1)))
            }

            /// Allows elements to be returned twice, which the server may do while its hash table
            /// shrinks. Then no element is remembered; otherwise, about 50 bytes are for each.
            pub fn allow_repeats(mut self) -> Self {
                self.0.seen = None;
                self
            }

            /// Sets the deadline of each page. Once the scan has started, this is an error, as for
            /// [`batch`](Self::batch).
            pub fn timeout(self, timeout: Duration) -> Self {
                Self(self.0.with("timeout", |options| options.call.timeout = Some(timeout)))
            }

            /// Returns the next element; `None` at the end.
            ///
            /// # Errors
            ///
            /// Those of any command, after which the stream ends. An element that can't be decoded
            /// is a [`Decode`](crate::ErrorKind::Decode) error, after which the stream continues.
            ///
            /// # Cancellation
            ///
            /// Dropping the future loses nothing: the next call continues the scan.
            ///
            /// # Round trips
            ///
            /// None while elements of the current page are left; otherwise one for each page up to
            /// the next element.
            pub async fn next(&mut self) -> Option<Result<$item_parameter>> {
                std::future::poll_fn(|context| self.0.poll_element(context)).await
            }
        }

        impl<S: Keyspace, $($parameter: SingleValue,)+ $item_parameter> Unpin
            for $stream<S, $($parameter,)+ $item_parameter>
        {
        }

        impl<S: Keyspace, $($parameter: SingleValue,)+ $item_parameter> Stream
            for $stream<S, $($parameter,)+ $item_parameter>
        {
            type Item = Result<$item_parameter>;

            fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.get_mut().0.poll_element(context)
            }
        }

        impl<S: Keyspace, $($parameter: SingleValue,)+ $item_parameter> fmt::Debug
            for $stream<S, $($parameter,)+ $item_parameter>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).field("key", &self.0.key).finish_non_exhaustive()
            }
        }
    };
}

member_stream! {
    /// A stream of the fields of a hash, created by [`Key::hscan`](crate::Key::hscan).
    ///
    /// It implements `Stream`; [`next`](Self::next) returns one element after the other and needs
    /// no trait in scope. The stream ends after an error of the server.
    HScan<F, V; I>, Hash<F, V>
}

member_stream! {
    /// A stream of the members of a set, created by [`Key::sscan`](crate::Key::sscan).
    ///
    /// It implements `Stream`; [`next`](Self::next) returns one element after the other and needs
    /// no trait in scope. The stream ends after an error of the server.
    SScan<T; I>, Set<T>
}

member_stream! {
    /// A stream of the members of a sorted set with their scores, created by
    /// [`Key::zscan`](crate::Key::zscan).
    ///
    /// It implements `Stream`; [`next`](Self::next) returns one element after the other and needs
    /// no trait in scope. The stream ends after an error of the server.
    ZScan<T; I>, SortedSet<T>
}

impl<S: Keyspace, F: SingleValue, V: SingleValue> HScan<S, F, V, (F::Owned, V::Owned)> {
    pub(super) fn new(key: &Key<S, Hash<F, V>>) -> Self {
        Self(MemberScan::new(key, "HSCAN", entry::<F, V>))
    }

    /// Returns only the fields, without their values. A server before Redis 7.4 and Valkey 8.0
    /// sends the values all the same.
    ///
    /// Once the scan has started, this is an error, as for [`batch`](Self::batch).
    pub fn fields_only(self) -> HScan<S, F, V, F::Owned> {
        HScan(self.0.decoding("fields_only", |options| options.without_values = true, member::<F>))
    }
}

impl<S: Keyspace, T: SingleValue> SScan<S, T, T::Owned> {
    pub(super) fn new(key: &Key<S, Set<T>>) -> Self {
        Self(MemberScan::new(key, "SSCAN", member::<T>))
    }
}

impl<S: Keyspace, T: SingleValue> ZScan<S, T, (T::Owned, f64)> {
    pub(super) fn new(key: &Key<S, SortedSet<T>>) -> Self {
        Self(MemberScan::new(key, "ZSCAN", scored::<T>))
    }
}
