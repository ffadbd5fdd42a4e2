//! Commands that remove members.

use std::ops::Range;

use bytes::Bytes;

use super::parse::{lex_range, score_range};
use super::{change, flat, pairs};
use crate::command::arguments::{exactly, first, integer, option, range};
use crate::command::bounded::{at_least, counted_keys, positive};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{NO_KEYS, ONE_KEY};
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::sorted_set::{SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zrem", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let Some(sorted) = change(context, key)? else { return Ok(Reply::Integer(0)) };
        let removed = members.iter().filter(|member| sorted.remove(member).is_some()).count();
        if removed > 0 {
            context.db()?.settle(key);
        }
        Ok(Reply::count(removed))
    }),
    command("zremrangebyrank", 4, 0, ONE_KEY, |context, arguments| {
        let [key, start, stop] = exactly(arguments)?;
        let (start, stop) = (integer(start)?, integer(stop)?);
        remove_ranks(context, key, |sorted| range(start, stop, sorted.len()))
    }),
    command("zremrangebyscore", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = score_range(min, max)?;
        remove_ranks(context, key, |sorted| sorted.ranks_by_score(&range))
    }),
    command("zremrangebylex", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = lex_range(min, max)?;
        remove_ranks(context, key, |sorted| sorted.ranks_by_member(&range, Step::Up, 0))
    }),
    command("zpopmin", -2, 0, ONE_KEY, |context, arguments| zpop(context, arguments, Step::Up)),
    command("zpopmax", -2, 0, ONE_KEY, |context, arguments| zpop(context, arguments, Step::Down)),
    command("zmpop", -4, 0, NO_KEYS, zmpop),
];

fn remove_ranks(
    context: &mut Context<'_>,
    key: &[u8],
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> Answer {
    let Some(sorted) = change(context, key)? else { return Ok(Reply::Integer(0)) };
    let ranks = ranks(sorted);
    let removed = sorted.remove_ranks(&ranks);
    if removed > 0 {
        context.db()?.settle(key);
    }
    Ok(Reply::count(removed))
}

/// Removes and returns at most `count` members from an end. Returns `None` if the key does not
/// exist.
fn pop(
    context: &mut Context<'_>,
    key: &[u8],
    from: Step,
    count: usize,
) -> Result<Option<Vec<(Bytes, f64)>>, Failure> {
    let Some(sorted) = change(context, key)? else { return Ok(None) };
    let count = count.min(sorted.len());
    let ranks = match from {
        Step::Up => 0..count,
        Step::Down => sorted.len().saturating_sub(count)..sorted.len(),
    };
    let popped = sorted.ranks(ranks.clone(), from).map(|(member, score)| (member.clone(), score));
    let popped = popped.collect();
    if sorted.remove_ranks(&ranks) > 0 {
        context.db()?.settle(key);
    }
    Ok(Some(popped))
}

fn borrowed(popped: &[(Bytes, f64)]) -> impl Iterator<Item = (&Bytes, f64)> {
    popped.iter().map(|(member, score)| (member, *score))
}

fn zpop(context: &mut Context<'_>, arguments: &[Bytes], from: Step) -> Answer {
    let (key, count) = match arguments {
        [key] => (key, None),
        [key, count] => (key, Some(positive(count)?)),
        _ => return Err(Failure::SYNTAX),
    };
    let popped = pop(context, key, from, count.unwrap_or(1))?.unwrap_or_default();
    let is_nested = count.is_some() && context.client.protocol == Protocol::Resp3;
    Ok(if is_nested { pairs(borrowed(&popped)) } else { flat(borrowed(&popped)) })
}

fn zmpop(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let (keys, rest) = counted_keys(arguments, Failure::SYNTAX)?;
    let ([end], mut rest) = first(rest)?;
    let from = match option(end).as_slice() {
        b"MIN" => Step::Up,
        b"MAX" => Step::Down,
        _ => return Err(Failure::SYNTAX),
    };
    let mut count = None;
    while !rest.is_empty() {
        let ([name, value], after) = first(rest)?;
        if count.is_some() || option(name) != b"COUNT" {
            return Err(Failure::SYNTAX);
        }
        count = Some(at_least(value, 1, "ERR count should be greater than 0")?);
        rest = after;
    }
    let count = count.unwrap_or(1);
    for key in keys {
        if let Some(popped) = pop(context, key, from, count)? {
            return Ok(Reply::Array(vec![Reply::Bulk(key.clone()), pairs(borrowed(&popped))]));
        }
    }
    Ok(Reply::NilArray)
}
