//! Commands that change elements in the middle of a list.

use std::collections::VecDeque;

use bytes::Bytes;

use super::reads::place;
use crate::command::arguments::{exactly, integer, option, range};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::keep;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("lset", 4, 0, ONE_KEY, |context, arguments| {
        let [key, index, element] = exactly(arguments)?;
        let db = context.db()?;
        let list = db.value_mut(key).ok_or(Failure::NO_SUCH_KEY)?.list_mut()?;
        let place = place(integer(index)?, list.len());
        let target = place.and_then(|place| list.get_mut(place));
        *target.ok_or(Failure::new("ERR index out of range"))? = keep(element);
        db.notify(EventClasses::LIST, "lset", key);
        db.settle(key);
        Ok(Reply::OK)
    }),
    command("lrem", 4, 0, ONE_KEY, |context, arguments| {
        let [key, count, element] = exactly(arguments)?;
        let count = integer(count)?;
        let db = context.db()?;
        let Some(value) = db.value_mut(key) else { return Ok(Reply::Integer(0)) };
        let removed = remove(value.list_mut()?, count, element);
        if removed > 0 {
            db.notify(EventClasses::LIST, "lrem", key);
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
    command("ltrim", 4, 0, ONE_KEY, |context, arguments| {
        let [key, start, stop] = exactly(arguments)?;
        let (start, stop) = (integer(start)?, integer(stop)?);
        let db = context.db()?;
        let Some(value) = db.value_mut(key) else { return Ok(Reply::OK) };
        let list = value.list_mut()?;
        let kept = range(start, stop, list.len());
        list.truncate(kept.end);
        list.drain(..kept.start);
        db.notify(EventClasses::LIST, "ltrim", key);
        db.settle(key);
        Ok(Reply::OK)
    }),
    command("linsert", 5, 0, ONE_KEY, linsert),
];

/// Removes up to `count` elements from the front, or from the back if it is negative. Removes all
/// if it is 0. Returns how many were removed.
fn remove(list: &mut VecDeque<Bytes>, count: i64, element: &Bytes) -> usize {
    let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let most = if count == 0 { usize::MAX } else { most };
    let present = list.iter().filter(|item| *item == element).count();
    let removed = present.min(most);
    // From the back, the first ones stay.
    let skipped = if count < 0 { present - removed } else { 0 };
    let (mut seen, before) = (0_usize, list.len());
    list.retain(|item| {
        if item != element {
            return true;
        }
        seen = seen.saturating_add(1);
        seen <= skipped || seen > skipped.saturating_add(removed)
    });
    before - list.len()
}

fn linsert(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [key, side, pivot, element] = exactly(arguments)?;
    let offset = match option(side).as_slice() {
        b"BEFORE" => 0,
        b"AFTER" => 1,
        _ => return Err(Failure::SYNTAX),
    };
    let db = context.db()?;
    let Some(value) = db.value_mut(key) else { return Ok(Reply::Integer(0)) };
    let list = value.list_mut()?;
    let Some(place) = list.iter().position(|item| item == pivot) else { return Ok(Reply::Integer(-1)) };
    list.insert(place.saturating_add(offset), keep(element));
    let length = list.len();
    db.notify(EventClasses::LIST, "linsert", key);
    db.settle(key);
    Ok(Reply::count(length))
}
