//! Sorted sets.

mod parse;
mod pop;

// The commands by subject. Each module has a table of its commands.
pub(super) mod add;
pub(super) mod combine;
pub(super) mod lookup;
pub(super) mod ranges;
pub(super) mod remove;

use bytes::Bytes;

use super::context::Context;
use crate::notices::EventClasses;
use crate::reply::{Failure, Reply};
use crate::resp::Protocol;
use crate::sorted_set::SortedSet;
use crate::value::Value;

/// Returns the sorted set at a key for a read command.
pub(super) fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a SortedSet>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::sorted_set).transpose()
}

/// Returns the sorted set at a key to change it.
pub(super) fn change<'a>(
    context: &'a mut Context<'_>,
    key: &[u8],
) -> Result<Option<&'a mut SortedSet>, Failure> {
    context.db()?.value_mut(key).map(Value::sorted_set_mut).transpose()
}

/// Creates a reply of members.
fn members<'a>(members: impl Iterator<Item = (&'a Bytes, f64)>) -> Reply {
    Reply::Array(members.map(|(member, _)| Reply::Bulk(member.clone())).collect())
}

/// Creates a reply of members with their scores: pairs under RESP3, a flat array under RESP2.
fn with_scores<'a>(members: impl Iterator<Item = (&'a Bytes, f64)>, protocol: Protocol) -> Reply {
    if protocol == Protocol::Resp3 { pairs(members) } else { flat(members) }
}

fn pair((member, score): (&Bytes, f64)) -> [Reply; 2] {
    [Reply::Bulk(member.clone()), Reply::Double(score)]
}

fn pairs<'a>(members: impl Iterator<Item = (&'a Bytes, f64)>) -> Reply {
    Reply::Array(members.map(|member| Reply::Array(pair(member).into())).collect())
}

fn flat<'a>(members: impl Iterator<Item = (&'a Bytes, f64)>) -> Reply {
    Reply::Array(members.flat_map(pair).collect())
}

/// Stores the result of a command, or removes the key if the result is empty. Returns the reply.
pub(super) fn store(
    context: &mut Context<'_>,
    key: &[u8],
    event: &'static str,
    mut sorted: SortedSet,
) -> Result<Reply, Failure> {
    let now = context.now;
    let db = context.db()?;
    sorted.repack(db.compact.sorted_set);
    let count = sorted.len();
    if count > 0 {
        db.put(key, Value::SortedSet(sorted), None, now);
        db.notify(EventClasses::SORTED_SET, event, key);
    } else {
        db.remove_and_notify(key);
    }
    Ok(Reply::count(count))
}
