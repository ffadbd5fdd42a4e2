//! Pushes and pops.

use std::collections::VecDeque;

use bytes::Bytes;

use super::access::{end, popped, pushed};
use crate::command::arguments::{first, option};
use crate::command::bounded::{at_least, counted_keys, positive};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{NO_KEYS, ONE_KEY};
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{End, Value, keep};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("lpush", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Front, false)),
    command("rpush", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Back, false)),
    command("lpushx", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Front, true)),
    command("rpushx", -3, 0, ONE_KEY, |context, arguments| push(context, arguments, End::Back, true)),
    command("lpop", -2, 0, ONE_KEY, |context, arguments| pop(context, arguments, End::Front, "lpop")),
    command("rpop", -2, 0, ONE_KEY, |context, arguments| pop(context, arguments, End::Back, "rpop")),
    command("lmpop", -4, 0, NO_KEYS, |context, arguments| {
        let (keys, pops) = Pops::parse(arguments)?;
        let db = context.db()?;
        for key in keys {
            if let Some(reply) = pops.take(db, key)? {
                return Ok(reply);
            }
        }
        Ok(Reply::NilArray)
    }),
];

fn push(context: &mut Context<'_>, arguments: &[Bytes], end: End, only_present: bool) -> Answer {
    let ([key], elements) = first(arguments)?;
    let now = context.now;
    let db = context.db()?;
    if only_present && !db.contains(key) {
        return Ok(Reply::Integer(0));
    }
    let Some(value) = db.value_or(key, Value::List(VecDeque::new()), now) else {
        return Ok(Reply::Integer(0));
    };
    let list = value.list_mut()?;
    elements.iter().for_each(|element| end.add(list, keep(element)));
    let length = list.len();
    db.notify(EventClasses::LIST, pushed(end), key);
    db.settle(key);
    Ok(Reply::count(length))
}

fn pop(context: &mut Context<'_>, arguments: &[Bytes], end: End, name: &str) -> Answer {
    let ([key], rest) = first(arguments)?;
    let count = match rest {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(Failure::arity(name)),
    };
    let db = context.db()?;
    let Some(value) = db.value_mut(key) else {
        return Ok(if count.is_some() { Reply::NilArray } else { Reply::Nil });
    };
    let list = value.list_mut()?;
    let reply = match count {
        Some(0) => return Ok(Reply::Array(Vec::new())),
        Some(count) => take(list, end, count),
        None => Reply::bulk_or_nil(end.take(list)),
    };
    db.notify(EventClasses::LIST, popped(end), key);
    db.settle(key);
    Ok(reply)
}

/// Takes up to `count` elements from an end.
fn take(list: &mut VecDeque<Bytes>, end: End, count: usize) -> Reply {
    let count = count.min(list.len());
    Reply::Array((0..count).filter_map(|_| end.take(list)).map(Reply::Bulk).collect())
}

/// What LMPOP and BLMPOP take from the first list that has elements.
#[derive(Clone, Copy)]
pub(super) struct Pops {
    end: End,
    count: usize,
}

impl Pops {
    /// Parses the arguments from the number of keys on. Returns the keys, too.
    pub(super) fn parse(arguments: &[Bytes]) -> Result<(&[Bytes], Self), Failure> {
        let (keys, rest) = counted_keys(arguments, Failure::SYNTAX)?;
        let ([side], options) = first(rest)?;
        let end = end(side)?;
        let count = match options {
            [] => 1,
            [name, count, rest @ ..] if option(name) == b"COUNT" => {
                let count = at_least(count, 1, "ERR count should be greater than 0")?;
                if !rest.is_empty() {
                    return Err(Failure::SYNTAX);
                }
                count
            }
            _ => return Err(Failure::SYNTAX),
        };
        Ok((keys, Self { end, count }))
    }

    /// Takes elements from the list at `key`. Returns `None` if it does not exist.
    pub(super) fn take(self, db: &mut Db, key: &Bytes) -> Result<Option<Reply>, Failure> {
        let Some(value) = db.value_mut(key) else { return Ok(None) };
        let elements = take(value.list_mut()?, self.end, self.count);
        db.notify(EventClasses::LIST, popped(self.end), key);
        db.settle(key);
        Ok(Some(Reply::Array(vec![Reply::Bulk(key.clone()), elements])))
    }
}
