//! XSETID.

use bytes::Bytes;

use super::change_stream;
use super::parse::entry_id;
use crate::command::arguments::{first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::stream::EntryId;

pub(in crate::command) const TABLE: &[Spec] = &[command("xsetid", -3, 0, ONE_KEY, set_id)];

/// As on a real server, the stream does not count as changed.
fn set_id(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, id], mut rest) = first(arguments)?;
    let id = entry_id(id, 0)?;
    let (mut added, mut max_deleted) = (None, EntryId::ZERO);
    while !rest.is_empty() {
        let ([name, value], after) = first(rest)?;
        match option(name).as_slice() {
            b"ENTRIESADDED" => {
                let number = integer(value)?;
                if number < 0 {
                    return Err(Failure::new("ERR entries_added must be positive"));
                }
                added = Some(number);
            }
            b"MAXDELETEDID" => {
                max_deleted = entry_id(value, 0)?;
                if id < max_deleted {
                    return Err(Failure::new(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
            }
            _ => return Err(Failure::SYNTAX),
        }
        rest = after;
    }
    let stream = change_stream(context, key)?.ok_or(Failure::NO_SUCH_KEY)?;
    if let Some(last) = stream.range(EntryId::ZERO..=EntryId::MAX).next_back() {
        if id < last.id {
            return Err(Failure::new(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        let length = i64::try_from(stream.len()).unwrap_or(i64::MAX);
        if added.is_some_and(|added| added < length) {
            return Err(Failure::new(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    if max_deleted == EntryId::ZERO {
        max_deleted = stream.max_deleted();
    }
    stream.restore_history(id, max_deleted, added.unwrap_or(stream.added()));
    context.db()?.notify(EventClasses::STREAM, "xsetid", key);
    Ok(Reply::OK)
}
