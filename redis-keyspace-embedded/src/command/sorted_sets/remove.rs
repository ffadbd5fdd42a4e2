//! Commands that remove members.

use std::ops::Range;

use bytes::Bytes;

use super::parse::{lex_range, score_range};
use super::pop::{MemberPops, borrowed, pop};
use super::{change, flat, pairs};
use crate::command::arguments::{exactly, first, integer, range};
use crate::command::blocking::{timeout, wait};
use crate::command::bounded::positive;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{NO_KEYS, ONE_KEY};
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::sorted_set::{SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zrem", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let Some(sorted) = change(context, key)? else { return Ok(Reply::Integer(0)) };
        let removed = members.iter().filter(|member| sorted.remove(member).is_some()).count();
        if removed > 0 {
            let db = context.db()?;
            db.notify(EventClasses::SORTED_SET, "zrem", key);
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
    command("zremrangebyrank", 4, 0, ONE_KEY, |context, arguments| {
        let [key, start, stop] = exactly(arguments)?;
        let (start, stop) = (integer(start)?, integer(stop)?);
        remove_ranks(context, key, "zremrangebyrank", |sorted| range(start, stop, sorted.len()))
    }),
    command("zremrangebyscore", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = score_range(min, max)?;
        remove_ranks(context, key, "zremrangebyscore", |sorted| sorted.ranks_by_score(&range))
    }),
    command("zremrangebylex", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = lex_range(min, max)?;
        remove_ranks(context, key, "zremrangebylex", |sorted| sorted.ranks_by_member(&range, Step::Up, 0))
    }),
    command("zpopmin", -2, 0, ONE_KEY, |context, arguments| zpop(context, arguments, Step::Up)),
    command("zpopmax", -2, 0, ONE_KEY, |context, arguments| zpop(context, arguments, Step::Down)),
    command("zmpop", -4, 0, NO_KEYS, |context, arguments| {
        let (keys, pops) = MemberPops::parse(arguments)?;
        let db = context.db()?;
        for key in keys {
            if let Some(reply) = pops.take(db, key)? {
                return Ok(reply);
            }
        }
        Ok(Reply::NilArray)
    }),
    command("bzpopmin", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, Step::Up)),
    command("bzpopmax", -3, 0, (1, -2, 1), |context, arguments| blocking_pop(context, arguments, Step::Down)),
    command("bzmpop", -5, 0, NO_KEYS, |context, arguments| {
        let ([seconds], rest) = first(arguments)?;
        let (keys, pops) = MemberPops::parse(rest)?;
        block(context, keys, seconds, move |db, key| pops.take(db, key))
    }),
];

fn remove_ranks(
    context: &mut Context<'_>,
    key: &[u8],
    event: &'static str,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> Answer {
    let Some(sorted) = change(context, key)? else { return Ok(Reply::Integer(0)) };
    let ranks = ranks(sorted);
    let removed = sorted.remove_ranks(&ranks);
    if removed > 0 {
        let db = context.db()?;
        db.notify(EventClasses::SORTED_SET, event, key);
        db.settle(key);
    }
    Ok(Reply::count(removed))
}

fn zpop(context: &mut Context<'_>, arguments: &[Bytes], from: Step) -> Answer {
    let (key, count) = match arguments {
        [key] => (key, None),
        [key, count] => (key, Some(positive(count)?)),
        _ => return Err(Failure::SYNTAX),
    };
    let is_nested = count.is_some() && context.protocol() == Protocol::Resp3;
    let popped = pop(context.db()?, key, from, count.unwrap_or(1))?.unwrap_or_default();
    Ok(if is_nested { pairs(borrowed(&popped)) } else { flat(borrowed(&popped)) })
}

fn blocking_pop(context: &mut Context<'_>, arguments: &[Bytes], from: Step) -> Answer {
    let Some((seconds, keys)) = arguments.split_last() else { return Err(Failure::SYNTAX) };
    block(context, keys, seconds, move |db, key| {
        let popped = pop(db, key, from, 1)?.and_then(|popped| popped.into_iter().next());
        let reply =
            |(member, score)| vec![Reply::Bulk(key.clone()), Reply::Bulk(member), Reply::Double(score)];
        Ok(popped.map(|popped| Reply::Array(reply(popped))))
    })
}

/// Takes from the first key that has a sorted set, or waits for one.
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
