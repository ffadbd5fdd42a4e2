//! Lists, and blocking pops.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::arguments::{exactly, first, integer, range};
use super::context::{Context, Effect, Nesting, Spec, command};
use super::flags::ONE_KEY;
use crate::db::End;
use crate::number::LongDouble;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{Value, keep};

pub(super) const TABLE: &[Spec] = &[
    command("lpush", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Front)),
    command("rpush", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Back)),
    command("lpop", -2, 0, ONE_KEY, |context, arguments| pop(context, arguments, End::Front, "lpop")),
    command("rpop", -2, 0, ONE_KEY, |context, arguments| pop(context, arguments, End::Back, "rpop")),
    command("blpop", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, End::Front)),
    command("brpop", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, End::Back)),
    command("llen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let now = context.now;
        let length = context.db()?.read(key, now).map_or(Ok(0), |value| value.list().map(VecDeque::len))?;
        Ok(Reply::count(length))
    }),
    command("lrange", 4, 0, ONE_KEY, |context, arguments| {
        let [key, start, stop] = exactly(arguments)?;
        let (start, stop) = (integer(start)?, integer(stop)?);
        let now = context.now;
        let Some(value) = context.db()?.read(key, now) else { return Ok(Reply::Array(Vec::new())) };
        let list = value.list()?;
        let part = list.range(range(start, stop, list.len()));
        Ok(Reply::Array(part.cloned().map(Reply::Bulk).collect()))
    }),
];

fn push(context: &mut Context<'_>, arguments: &[Bytes], end: End) -> Answer {
    let ([key], elements) = first(arguments)?;
    let now = context.now;
    let db = context.db()?;
    let Some(value) = db.value_or(key, Value::List(VecDeque::new()), now) else {
        return Ok(Reply::Integer(0));
    };
    let list = value.list_mut()?;
    elements.iter().for_each(|element| end.add(list, keep(element)));
    let length = list.len();
    db.settle(key);
    Ok(Reply::count(length))
}

fn pop(context: &mut Context<'_>, arguments: &[Bytes], end: End, name: &str) -> Answer {
    let ([key], rest) = first(arguments)?;
    let count = match rest {
        [] => None,
        [count] => {
            let out_of_range = Failure::new("ERR value is out of range, must be positive");
            let count = integer(count).map_err(|_| out_of_range.clone())?;
            Some(usize::try_from(count).map_err(|_| out_of_range)?)
        }
        _ => return Err(Failure::arity(name)),
    };
    let db = context.db()?;
    let Some(value) = db.value_mut(key) else {
        return Ok(if count.is_some() { Reply::NilArray } else { Reply::Nil });
    };
    let list = value.list_mut()?;
    let reply = match count {
        Some(0) => return Ok(Reply::Array(Vec::new())),
        Some(count) => {
            let count = count.min(list.len());
            Reply::Array((0..count).filter_map(|_| end.take(list)).map(Reply::Bulk).collect())
        }
        None => Reply::bulk_or_nil(end.take(list)),
    };
    db.settle(key);
    Ok(reply)
}

fn blocking_pop(context: &mut Context<'_>, arguments: &[Bytes], end: End) -> Answer {
    let Some((timeout, keys)) = arguments.split_last() else { return Err(Failure::SYNTAX) };
    let timeout = timeout_of(timeout)?;
    let client = context.client.id;
    let waits = context.nesting == Nesting::Nothing;
    let db = context.db()?;
    for key in keys {
        let Some(value) = db.value_mut(key) else { continue };
        if let Some(element) = end.take(value.list_mut()?) {
            db.settle(key);
            return Ok(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::Bulk(element)]));
        }
    }
    if waits {
        let receiver = db.wait(client, keys, end);
        context.set_effect(Effect::Wait { receiver, timeout });
    }
    Ok(Reply::NilArray)
}

/// Parses a timeout. Returns `None` if there is no timeout.
fn timeout_of(argument: &[u8]) -> Result<Option<Duration>, Failure> {
    let seconds = LongDouble::parse(argument);
    let seconds = seconds.ok_or(Failure::new("ERR timeout is not a float or out of range"))?;
    let milliseconds = u64::try_from(seconds.thousandfold());
    let milliseconds = milliseconds.map_err(|_| Failure::new("ERR timeout is negative"))?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds)))
}
