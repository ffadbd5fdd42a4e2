//! `XPENDING`: entries that were delivered and not acknowledged.

use std::time::Duration;

use super::base::{IdRange, StreamParts, command, push_millis};
use super::replies::{id, text};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions, answer, list, unexpected};
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::{Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// The entries of a group that were delivered and not acknowledged, in numbers. From
/// [`ConsumerGroup::pending`](super::ConsumerGroup::pending).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSummary {
    /// How many there are.
    pub count: u64,
    /// The lowest ID; `None` if nothing is pending.
    pub first: Option<StreamId>,
    /// The highest ID; `None` if nothing is pending.
    pub last: Option<StreamId>,
    /// The consumers that have some, and how many.
    pub consumers: Vec<(String, u64)>,
}

/// An entry that was delivered and not acknowledged. From
/// [`ConsumerGroup::pending_entries`](super::ConsumerGroup::pending_entries).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingEntry {
    /// Its ID.
    pub id: StreamId,
    /// The consumer that has it.
    pub consumer: String,
    /// The time since it was delivered.
    pub idle: Duration,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// `XPENDING` with its options, created by
/// [`ConsumerGroup::pending_entries`](super::ConsumerGroup::pending_entries). Await it, or pass it
/// to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XPending<S: Keyspace, T: SingleValue>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XPendingOptions>, Vec<PendingEntry>>,
);

/// How many entries are returned, if no other number is set.
const USUAL_COUNT: u64 = 100;

pub(in crate::command::collection) struct XPendingOptions {
    group: String,
    range: Option<IdRange>,
    idle: Option<Duration>,
    count: u64,
    consumer: Option<String>,
}

impl XPendingOptions {
    pub(super) fn new(group: String, range: Option<IdRange>) -> Self {
        Self { group, range, idle: None, count: USUAL_COUNT, consumer: None }
    }
}

impl<S: Keyspace, T: SingleValue> XPending<S, T> {
    fn with(self, change: impl FnOnce(XPendingOptions) -> XPendingOptions) -> Self {
        Self(self.0.map(|options| options.with(change)))
    }

    /// Returns only entries that were delivered at least this long ago. Needs Redis 6.2.
    pub fn idle_at_least(self, idle: Duration) -> Self {
        self.with(|options| XPendingOptions { idle: Some(idle), ..options })
    }

    /// Returns at most this many entries; with 0 none, and nothing is sent. The default is 100.
    pub fn count(self, count: u64) -> Self {
        self.with(|options| XPendingOptions { count, ..options })
    }

    /// Returns only entries of this consumer.
    pub fn consumer(self, name: impl Into<String>) -> Self {
        let consumer = Some(name.into());
        self.with(|options| XPendingOptions { consumer, ..options })
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, Stream<T>> for XPendingOptions {
    type Output = Vec<PendingEntry>;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<Vec<PendingEntry>> {
        let Self { group, range, idle, count, consumer } = self;
        let arguments = || {
            let mut parts = StreamParts::default().after(&[&group]);
            if let Some(idle) = idle {
                parts = parts.after(&["IDLE"]);
                push_millis(idle, &mut parts.args)?;
            }
            let ends = range.map(|range| range.ends(false));
            parts = parts.ids(ends.as_ref().map_or(&[], |ends| &ends[..])).number(count);
            Ok(match &consumer {
                Some(consumer) => parts.after(&[consumer]),
                None => parts,
            })
        };
        let pending = command(key, "XPENDING", "XPENDING", arguments(), entries).repeatable();
        pending.unless(range.is_none() || count == 0)
    }
}

command_builder!(XPending<S, T> => Vec<PendingEntry>, where S: Keyspace, T: SingleValue);

fn entries(request: &Request, replies: Replies) -> Result<Vec<PendingEntry>> {
    let entries = list(answer(request, replies)?)?;
    entries.into_iter().map(decode).collect()
}

fn decode(entry: Reply) -> Result<PendingEntry> {
    let mut parts = list(entry)?.into_iter();
    let mut part = || parts.next().ok_or_else(|| unexpected("a pending entry has four parts"));
    Ok(PendingEntry {
        id: id(part()?)?,
        consumer: text(part()?)?,
        idle: Duration::from_millis(u64::try_from(read::to_int(part()?)?).unwrap_or_default()),
        deliveries: read::to_count(part()?)?,
    })
}

pub(super) fn summary(request: &Request, replies: Replies) -> Result<PendingSummary> {
    let mut parts = list(answer(request, replies)?)?.into_iter();
    let optional = |part: Option<Reply>| part.filter(|reply| *reply != Reply::Nil);
    let count = parts.next().map(read::to_count).transpose()?.unwrap_or_default();
    let first = optional(parts.next()).map(id).transpose()?;
    let last = optional(parts.next()).map(id).transpose()?;
    let consumers = optional(parts.next()).map(list).transpose()?.unwrap_or_default();
    let consumers = consumers.into_iter().map(|consumer| {
        let mut parts = list(consumer)?.into_iter();
        let name = text(parts.next().ok_or_else(|| unexpected("a consumer has a name"))?)?;
        // The count is a string in all versions of the protocol.
        let count = match parts.next() {
            Some(Reply::Int(count)) => u64::try_from(count).ok(),
            Some(count) => text(count)?.parse().ok(),
            None => None,
        };
        Ok((name, count.ok_or_else(|| unexpected("a consumer has a count"))?))
    });
    Ok(PendingSummary { count, first, last, consumers: consumers.collect::<Result<_>>()? })
}
