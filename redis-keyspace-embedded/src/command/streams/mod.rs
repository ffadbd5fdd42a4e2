//! Streams.

mod parse;

// The commands by subject. Each module has a table of its commands.
pub(super) mod claims;
pub(super) mod entries;
pub(super) mod groups;
pub(super) mod info;
pub(super) mod pending;
pub(super) mod ranges;
pub(super) mod read;
pub(super) mod set_id;

use bytes::Bytes;

use super::context::Context;
use crate::reply::{Failure, Reply};
use crate::stream::{EntryId, Group, Stream, StreamEntry};
use crate::value::Value;

/// Returns the stream at a key for a read command.
fn read_stream<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a Stream>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::stream).transpose()
}

/// Returns the stream at a key to change it.
fn change_stream<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a mut Stream>, Failure> {
    context.db()?.value_mut(key).map(Value::stream_mut).transpose()
}

/// Returns the group of a stream to change it.
fn change_group<'a>(
    context: &'a mut Context<'_>,
    key: &[u8],
    group: &[u8],
) -> Result<&'a mut Group, Failure> {
    let found = change_stream(context, key)?.and_then(|stream| stream.group_mut(group));
    found.ok_or_else(|| no_group(key, group, ""))
}

/// The error for a group that does not exist. `place` says which command missed it.
fn no_group(key: &[u8], group: &[u8], place: &str) -> Failure {
    let quoted = Failure::quoting("NOGROUP No such key '", key, "' or consumer group '");
    let [key, group] = [quoted.0, Failure::quoting("", group, &format!("'{place}")).0];
    Failure::text([key, group].concat())
}

fn id(id: EntryId) -> Reply {
    Reply::bulk(id.to_string())
}

fn entry(entry: &StreamEntry) -> Reply {
    Reply::Array(vec![id(entry.id), Reply::Array(entry.fields.iter().cloned().map(Reply::Bulk).collect())])
}

fn entries<'a>(entries: impl IntoIterator<Item = &'a StreamEntry>) -> Reply {
    Reply::Array(entries.into_iter().map(entry).collect())
}

/// Converts a count, of which 0 means "all".
fn count_or_all(count: i64) -> usize {
    usize::try_from(count).ok().filter(|&count| count > 0).unwrap_or(usize::MAX)
}

fn owned(name: &Bytes) -> Bytes {
    Bytes::copy_from_slice(name)
}
