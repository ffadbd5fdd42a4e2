//! What `XINFO` reports.

use std::time::Duration;

use super::replies::{Facts, is_no_stream};
use crate::command::collection::base::list;
use crate::error::Result;
use crate::kind::StreamId;
use crate::protocol::{Replies, Reply, Request, read};

/// A stream, from [`Key::xinfo`](crate::Key::xinfo).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// The number of entries.
    pub length: u64,
    /// The highest ID that the stream ever assigned. Its entry may be deleted.
    pub last_id: StreamId,
    /// The ID of the first entry; `None` if there are no entries.
    pub first_entry: Option<StreamId>,
    /// The ID of the last entry; `None` if there are no entries.
    pub last_entry: Option<StreamId>,
    /// The highest ID of an entry that was deleted; `None` before Redis 7.0.
    pub max_deleted_id: Option<StreamId>,
    /// The number of entries that were ever added; `None` before Redis 7.0.
    pub entries_added: Option<u64>,
    /// The number of consumer groups.
    pub groups: u64,
}

/// A consumer group, from [`Key::groups`](crate::Key::groups).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// The number of its consumers.
    pub consumers: u64,
    /// The number of entries that were delivered and not acknowledged.
    pub pending: u64,
    /// The last entry that was delivered.
    pub last_delivered: StreamId,
    /// How many entries were delivered; `None` if the server does not know, and before Redis 7.0.
    pub entries_read: Option<u64>,
    /// How many entries wait for their first delivery; `None` if the server does not know, for
    /// example after entries were deleted, and before Redis 7.0.
    pub lag: Option<u64>,
}

/// A consumer of a group, from [`ConsumerGroup::consumers`](super::ConsumerGroup::consumers).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// The number of entries that were delivered to it and not acknowledged.
    pub pending: u64,
    /// The time since its last attempt to read or claim.
    pub idle: Duration,
    /// The time since it last got an entry; `None` if it never did, and before Redis 7.2.
    pub inactive: Option<Duration>,
}

/// Decodes the reply of XINFO; `None` if there is no stream.
fn facts(request: &Request, replies: Replies) -> Result<Option<Reply>> {
    if matches!(request, Request::Empty) {
        return Ok(None);
    }
    Ok(read::one_unless(replies, is_no_stream)?.filter(|reply| *reply != Reply::Nil))
}

fn entry_id(reply: Option<Reply>) -> Result<Option<StreamId>> {
    let id = reply.map(list).transpose()?.and_then(|parts| parts.into_iter().next());
    id.map(super::replies::id).transpose()
}

pub(super) fn stream(request: &Request, replies: Replies) -> Result<Option<StreamInfo>> {
    let Some(reply) = facts(request, replies)? else { return Ok(None) };
    let mut facts = Facts::new(reply)?;
    Ok(Some(StreamInfo {
        length: facts.count("length")?,
        last_id: facts.id("last-generated-id")?,
        first_entry: entry_id(facts.take("first-entry"))?,
        last_entry: entry_id(facts.take("last-entry"))?,
        max_deleted_id: facts.optional_id("max-deleted-entry-id")?,
        entries_added: facts.optional_count("entries-added")?,
        groups: facts.count("groups")?,
    }))
}

fn each<T>(request: &Request, replies: Replies, decode: impl Fn(Facts) -> Result<T>) -> Result<Vec<T>> {
    let Some(reply) = facts(request, replies)? else { return Ok(Vec::new()) };
    list(reply)?.into_iter().map(|reply| decode(Facts::new(reply)?)).collect()
}

pub(super) fn groups(request: &Request, replies: Replies) -> Result<Vec<GroupInfo>> {
    each(request, replies, |mut facts| {
        Ok(GroupInfo {
            name: facts.text("name")?,
            consumers: facts.count("consumers")?,
            pending: facts.count("pending")?,
            last_delivered: facts.id("last-delivered-id")?,
            entries_read: facts.optional_count("entries-read")?,
            lag: facts.optional_count("lag")?,
        })
    })
}

pub(super) fn consumers(request: &Request, replies: Replies) -> Result<Vec<ConsumerInfo>> {
    each(request, replies, |mut facts| {
        Ok(ConsumerInfo {
            name: facts.text("name")?,
            pending: facts.count("pending")?,
            idle: facts.time("idle")?.unwrap_or_default(),
            inactive: facts.time("inactive")?,
        })
    })
}
