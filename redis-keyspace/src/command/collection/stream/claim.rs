//! `XCLAIM` and `XAUTOCLAIM`.

use std::time::Duration;

use super::base::{StreamParts, command, push_millis};
use super::entry::{Entry, RawEntry};
use super::replies::{WireEntry, entries, id, ids, raw_entries, typed, wire_entries};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions, answer, list, unexpected};
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::{Decode, Replies, Request};
use crate::schema::{Key, Keyspace};

/// The server reserves memory for as many entries as a command may claim.
const MOST: u64 = 1_000_000;

/// `XCLAIM` with its options, created by [`ConsumerGroup::claim`](super::ConsumerGroup::claim).
/// Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XClaim<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XClaimOptions<R>>, R>,
);

pub(in crate::command::collection) struct XClaimOptions<R> {
    group: String,
    consumer: String,
    min_idle: Duration,
    ids: Vec<StreamId>,
    decode: Decode<R>,
}

pub(super) fn claiming<T: SingleValue>(
    group: String,
    consumer: String,
    min_idle: Duration,
    ids: Vec<StreamId>,
) -> XClaimOptions<Vec<Entry<T::Owned>>> {
    XClaimOptions { group, consumer, min_idle, ids, decode: entries::<T> }
}

impl<S: Keyspace, T: SingleValue> XClaim<S, T, Vec<Entry<T::Owned>>> {
    /// Returns the entries as they are stored, for entries of other clients.
    pub fn raw(self) -> XClaim<S, T, Vec<RawEntry>> {
        XClaim(self.0.map(|options| {
            options.with(|XClaimOptions { group, consumer, min_idle, ids, .. }| XClaimOptions {
                group,
                consumer,
                min_idle,
                ids,
                decode: raw_entries,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Stream<T>> for XClaimOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<R> {
        let Self { group, consumer, min_idle, ids, decode } = self;
        let arguments = || {
            let mut parts = StreamParts::default().after(&[&group, &consumer]);
            push_millis(min_idle, &mut parts.args)?;
            Ok(parts.ids(&ids))
        };
        command(key, "XCLAIM", "XCLAIM", arguments(), decode).unless(ids.is_empty())
    }
}

command_builder!(XClaim<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// What `XAUTOCLAIM` claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed<E> {
    /// The entries, which belong to the consumer now.
    pub entries: Vec<E>,
    /// Entries that were pending, although they are deleted from the stream. The server has removed
    /// them from the pending entries.
    pub deleted: Vec<StreamId>,
    /// How many pending entries are deleted and still pending. Servers before Redis 7.0 do not say
    /// which ones; acknowledge them to be rid of them. Always 0 on newer servers.
    pub deleted_and_pending: u64,
    /// Where the next call continues; `None` if all pending entries were examined.
    pub next: Option<StreamId>,
}

/// `XAUTOCLAIM` with its options, created by
/// [`ConsumerGroup::auto_claim`](super::ConsumerGroup::auto_claim). Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XAutoClaim<S: Keyspace, T: SingleValue, E: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XAutoClaimOptions<E>>, Claimed<E>>,
);

pub(in crate::command::collection) struct XAutoClaimOptions<E> {
    group: String,
    consumer: String,
    min_idle: Duration,
    start: StreamId,
    count: Option<u64>,
    decode: Decode<Claimed<E>>,
}

pub(super) fn auto_claiming<T: SingleValue>(
    group: String,
    consumer: String,
    min_idle: Duration,
) -> XAutoClaimOptions<Entry<T::Owned>> {
    let start = StreamId::MIN;
    XAutoClaimOptions { group, consumer, min_idle, start, count: None, decode: claimed::<T> }
}

impl<S: Keyspace, T: SingleValue, E: 'static> XAutoClaim<S, T, E> {
    /// Starts at this entry: the [`next`](Claimed::next) of the last call.
    pub fn start(self, id: StreamId) -> Self {
        Self(self.0.map(|options| options.with(|options| XAutoClaimOptions { start: id, ..options })))
    }

    /// Claims at most this many entries, and at most a million. The server's default is 100. With
    /// 0, nothing is sent, no entry is claimed, and [`next`](Claimed::next) is `None`.
    pub fn count(self, count: u64) -> Self {
        let count = Some(count);
        Self(self.0.map(|options| options.with(|options| XAutoClaimOptions { count, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> XAutoClaim<S, T, Entry<T::Owned>> {
    /// Returns the entries as they are stored, for entries of other clients.
    pub fn raw(self) -> XAutoClaim<S, T, RawEntry> {
        XAutoClaim(self.0.map(|options| {
            options.with(|XAutoClaimOptions { group, consumer, min_idle, start, count, .. }| {
                XAutoClaimOptions { group, consumer, min_idle, start, count, decode: raw_claimed }
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, E: 'static> BuildOptions<S, Stream<T>> for XAutoClaimOptions<E> {
    type Output = Claimed<E>;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<Claimed<E>> {
        let Self { group, consumer, min_idle, start, count, decode } = self;
        let arguments = || {
            let mut parts = StreamParts::default().after(&[&group, &consumer]);
            push_millis(min_idle, &mut parts.args)?;
            parts = parts.ids(&[start]);
            Ok(match count {
                Some(count) => parts.after(&["COUNT"]).number(count.min(MOST)),
                None => parts,
            })
        };
        command(key, "XAUTOCLAIM", "XAUTOCLAIM", arguments(), decode).unless(count == Some(0))
    }
}

command_builder!(XAutoClaim<S, T, E> => Claimed<E>, where S: Keyspace, T: SingleValue, E: 'static);

fn raw_claimed(request: &Request, replies: Replies) -> Result<Claimed<RawEntry>> {
    let reply = answer(request, replies)?;
    if matches!(request, Request::Empty) {
        return Ok(Claimed { entries: Vec::new(), deleted: Vec::new(), deleted_and_pending: 0, next: None });
    }
    let mut parts = list(reply)?.into_iter();
    let next = id(parts.next().ok_or_else(|| unexpected("XAUTOCLAIM returns where to continue"))?)?;
    let claimed = wire_entries(parts.next().ok_or_else(|| unexpected("XAUTOCLAIM returns entries"))?)?;
    // Servers before 7.0 do not send the third part.
    let mut deleted = parts.next().map(ids).transpose()?.unwrap_or_default();
    let (mut entries, mut deleted_and_pending) = (Vec::with_capacity(claimed.len()), 0);
    for entry in claimed {
        match entry {
            WireEntry::There(entry) => entries.push(entry),
            WireEntry::Deleted(id) => deleted.push(id),
            WireEntry::Unnamed => deleted_and_pending += 1,
        }
    }
    let next = Some(next).filter(|next| *next != StreamId::MIN);
    Ok(Claimed { entries, deleted, deleted_and_pending, next })
}

fn claimed<T: SingleValue>(request: &Request, replies: Replies) -> Result<Claimed<Entry<T::Owned>>> {
    let Claimed { entries, deleted, deleted_and_pending, next } = raw_claimed(request, replies)?;
    Ok(Claimed { entries: typed::<T>(entries)?, deleted, deleted_and_pending, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Reply;

    fn bulk(text: &'static str) -> Reply {
        Reply::Bulk(text.into())
    }

    fn decoded(parts: Vec<Reply>) -> Claimed<Entry<u64>> {
        claimed::<u64>(&Request::Batch(Vec::new()), Replies::One(Reply::Array(parts))).unwrap()
    }

    #[test]
    fn the_replies_of_all_versions_are_decoded() {
        let entry = Reply::Array(vec![bulk("5-1"), Reply::Array(vec![bulk("value"), bulk("7")])]);
        let expected = vec![Entry { id: StreamId::new(5, 1), value: 7 }];

        let seven =
            decoded(vec![bulk("6-0"), Reply::Array(vec![entry.clone()]), Reply::Array(vec![bulk("4-0")])]);
        assert_eq!(seven.entries, expected);
        assert_eq!((seven.deleted, seven.next), (vec![StreamId::new(4, 0)], Some(StreamId::new(6, 0))));

        let six = decoded(vec![bulk("0-0"), Reply::Array(vec![Reply::Nil, entry])]);
        assert_eq!(six.entries, expected);
        assert_eq!((six.deleted_and_pending, six.next), (1, None));
    }
}
