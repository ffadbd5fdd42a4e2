//! Pops and moves that wait for an element.

use bytes::Bytes;

use super::access::{end, popped};
use super::ends::Pops;
use super::moves::Move;
use crate::command::arguments::{exactly, first};
use crate::command::blocking::{timeout, wait};
use crate::command::context::{Context, Nesting, Spec, command};
use crate::command::flags::{NO_KEYS, TWO_KEYS};
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{End, Value};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("blpop", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, End::Front)),
    command("brpop", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, End::Back)),
    command("blmpop", -5, 0, NO_KEYS, |context, arguments| {
        let ([seconds], rest) = first(arguments)?;
        let (keys, pops) = Pops::parse(rest)?;
        block(context, keys, seconds, move |db, key| pops.take(db, key))
    }),
    command("blmove", 6, 0, TWO_KEYS, |context, arguments| {
        let [source, target, from, to, seconds] = exactly(arguments)?;
        let moves = Move { from: end(from)?, to: end(to)?, target: Bytes::copy_from_slice(target) };
        blocking_move(context, source, moves, seconds)
    }),
    command("brpoplpush", 4, 0, TWO_KEYS, |context, arguments| {
        let [source, target, seconds] = exactly(arguments)?;
        let moves = Move { from: End::Back, to: End::Front, target: Bytes::copy_from_slice(target) };
        blocking_move(context, source, moves, seconds)
    }),
];

fn blocking_pop(context: &mut Context<'_>, arguments: &[Bytes], end: End) -> Answer {
    let Some((seconds, keys)) = arguments.split_last() else { return Err(Failure::SYNTAX) };
    block(context, keys, seconds, move |db, key| {
        let Some(value) = db.value_mut(key) else { return Ok(None) };
        let Some(element) = end.take(value.list_mut()?) else { return Ok(None) };
        db.notify(EventClasses::LIST, popped(end), key);
        db.settle(key);
        Ok(Some(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::Bulk(element)])))
    })
}

/// Takes from the first key that has a list, or waits for one.
fn block(
    context: &mut Context<'_>,
    keys: &[Bytes],
    seconds: &[u8],
    take: impl Fn(&mut Db, &Bytes) -> Result<Option<Reply>, Failure> + Send + Sync + 'static,
) -> Answer {
    let timeout = timeout(seconds)?;
    let db = context.db()?;
    for key in keys {
        if let Some(reply) = take(db, key)? {
            return Ok(reply);
        }
    }
    // A client that waits ignores values of other types.
    wait(context, keys, timeout, move |db, key, _| take(db, key).ok().flatten().map(Ok))
}

fn blocking_move(context: &mut Context<'_>, source: &Bytes, moves: Move, seconds: &[u8]) -> Answer {
    let (timeout, now) = (timeout(seconds)?, context.now);
    if let Some(reply) = moves.run(context.db()?, source, now)? {
        return Ok(reply);
    }
    if context.nesting != Nesting::Nothing {
        return Ok(Reply::Nil);
    }
    wait(context, std::slice::from_ref(source), timeout, move |db, source, now| {
        let Some(Value::List(_)) = db.entry(source).map(|entry| &entry.value) else { return None };
        moves.run(db, source, now).transpose()
    })
}
