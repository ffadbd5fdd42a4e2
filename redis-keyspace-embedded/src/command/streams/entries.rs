//! Adds and removes entries.

use bytes::Bytes;

use super::parse::{NewId, TrimOptions, entry_id, new_id};
use super::{change_stream, id, read_stream};
use crate::command::arguments::{exactly, first};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::stream::{EntryId, Stream};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xadd", -5, 0, ONE_KEY, xadd),
    command("xlen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read_stream(context, key)?.map_or(0, Stream::len)))
    }),
    command("xdel", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], ids) = first(arguments)?;
        let Some(stream) = change_stream(context, key)? else { return Ok(Reply::Integer(0)) };
        let ids: Vec<EntryId> = ids.iter().map(|text| entry_id(text, 0)).collect::<Result<_, _>>()?;
        let deleted = ids.into_iter().filter(|&id| stream.delete(id)).count();
        if deleted > 0 {
            let db = context.db()?;
            db.notify(EventClasses::STREAM, "xdel", key);
            db.settle(key);
        }
        Ok(Reply::count(deleted))
    }),
    command("xtrim", -4, 0, ONE_KEY, |context, arguments| {
        let ([key], rest) = first(arguments)?;
        let node = context.db()?.compact.node;
        let trim = TrimOptions::parse(rest, false, node)?.trim.ok_or(Failure::SYNTAX)?;
        let Some(stream) = change_stream(context, key)? else { return Ok(Reply::Integer(0)) };
        let deleted = stream.trim(trim);
        if deleted > 0 {
            let db = context.db()?;
            db.notify(EventClasses::STREAM, "xtrim", key);
            db.settle(key);
        }
        Ok(Reply::count(deleted))
    }),
];

fn xadd(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let node = context.db()?.compact.node;
    let TrimOptions { trim, only_present, rest } = TrimOptions::parse(rest, true, node)?;
    let (text, fields) = rest.split_first().ok_or(Failure::arity("xadd"))?;
    let wanted = if text.as_ref() == b"*" { NewId::Automatic } else { new_id(text, 0)? };
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Failure::arity("xadd"));
    }
    if matches!(wanted, NewId::Given(EntryId::ZERO)) {
        return Err(Failure::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let now = context.now;
    let db = context.db()?;
    if only_present && !db.contains(key) {
        return Ok(Reply::Nil);
    }
    let Some(value) = db.value_or(key, Value::Stream(Box::default()), now) else { return Ok(Reply::Nil) };
    let stream = value.stream_mut()?;
    let last = stream.last_id();
    let next = last
        .next()
        .ok_or(Failure::new("ERR The stream has exhausted the last possible ID, unable to add more items"))?;
    let added = match wanted {
        NewId::Given(id) => Some(id),
        NewId::AutomaticNumber(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| EntryId { ms, seq }),
        NewId::AutomaticNumber(ms) => Some(EntryId { ms, seq: 0 }),
        NewId::Automatic => {
            let ms = u64::try_from(now).unwrap_or(0);
            Some(if ms > last.ms { EntryId { ms, seq: 0 } } else { next })
        }
    };
    let added = added.filter(|&added| added > last).ok_or(Failure::new(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    ))?;
    stream.add(added, fields);
    let trimmed = trim.map_or(0, |trim| stream.trim(trim));
    db.notify(EventClasses::STREAM, "xadd", key);
    if trimmed > 0 {
        db.notify(EventClasses::STREAM, "xtrim", key);
    }
    db.settle(key);
    Ok(id(added))
}
