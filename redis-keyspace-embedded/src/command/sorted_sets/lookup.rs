//! Commands that look up members of one sorted set.

use bytes::Bytes;

use super::parse::{lex_range, score_range};
use super::{members, read, with_scores};
use crate::command::arguments::{exactly, first, integer, option};
use crate::command::bounded::negatable;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::glob;
use crate::number::format_double;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::{SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zscore", 3, 0, ONE_KEY, |context, arguments| {
        let [key, member] = exactly(arguments)?;
        Ok(read(context, key)?.and_then(|sorted| sorted.score(member)).map_or(Reply::Nil, Reply::Double))
    }),
    command("zmscore", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], names) = first(arguments)?;
        let sorted = read(context, key)?;
        let score = |name: &Bytes| sorted.and_then(|sorted| sorted.score(name));
        Ok(Reply::Array(names.iter().map(|name| score(name).map_or(Reply::Nil, Reply::Double)).collect()))
    }),
    command("zcard", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, SortedSet::len)))
    }),
    command("zcount", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = score_range(min, max)?;
        Ok(Reply::count(read(context, key)?.map_or(0, |sorted| sorted.ranks_by_score(&range).len())))
    }),
    command("zlexcount", 4, 0, ONE_KEY, |context, arguments| {
        let [key, min, max] = exactly(arguments)?;
        let range = lex_range(min, max)?;
        let count = |sorted: &SortedSet| sorted.ranks_by_member(&range, Step::Up, 0).len();
        Ok(Reply::count(read(context, key)?.map_or(0, count)))
    }),
    command("zrank", -3, 0, ONE_KEY, |context, arguments| zrank(context, arguments, "zrank", Step::Up)),
    command("zrevrank", -3, 0, ONE_KEY, |context, arguments| {
        zrank(context, arguments, "zrevrank", Step::Down)
    }),
    command("zrandmember", -2, 0, ONE_KEY, zrandmember),
    command("zscan", -3, 0, ONE_KEY, zscan),
];

/// Returns the rank of a member. The option WITHSCORE is that of version 7.2.
fn zrank(context: &mut Context<'_>, arguments: &[Bytes], name: &str, step: Step) -> Answer {
    let (key, member, with_score) = match arguments {
        [key, member] => (key, member, false),
        [key, member, word] if option(word) == b"WITHSCORE" => (key, member, true),
        _ => return Err(Failure::arity(name)),
    };
    let found = read(context, key)?.and_then(|sorted| {
        let rank = sorted.rank(member)?;
        let rank = if step == Step::Up { rank } else { sorted.len().saturating_sub(rank).saturating_sub(1) };
        Some((Reply::count(rank), Reply::Double(sorted.score(member)?)))
    });
    Ok(match (found, with_score) {
        (Some((rank, _)), false) => rank,
        (Some((rank, score)), true) => Reply::Array(vec![rank, score]),
        (None, false) => Reply::Nil,
        (None, true) => Reply::NilArray,
    })
}

fn zrandmember(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], options) = first(arguments)?;
    let Some((count, options)) = options.split_first() else {
        let random = context.state.next_random();
        let member = read(context, key)?.and_then(|sorted| at(sorted, random));
        return Ok(Reply::bulk_or_nil(member.map(|(member, _)| member.clone())));
    };
    let count = negatable(count)?;
    let has_scores = match options {
        [] => false,
        [word] if option(word) == b"WITHSCORES" => true,
        _ => return Err(Failure::SYNTAX),
    };
    if has_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Failure::new("ERR value is out of range"));
    }
    let mut random = context.state.next_random();
    let protocol = context.client.protocol;
    let Some(sorted) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random ^ (random >> 32)
    };
    let amount = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let chosen: Vec<_> = if count < 0 {
        (0..amount).map_while(|_| at(sorted, next())).collect()
    } else {
        sample(sorted, amount, next)
    };
    let chosen = chosen.into_iter();
    Ok(if has_scores { with_scores(chosen, protocol) } else { members(chosen) })
}

/// Returns the member that a random number selects.
fn at(sorted: &SortedSet, random: u64) -> Option<(&Bytes, f64)> {
    let rank = random.checked_rem(u64::try_from(sorted.len()).ok()?)?;
    let rank = usize::try_from(rank).ok()?;
    sorted.ranks(rank..rank.saturating_add(1), Step::Up).next()
}

/// Returns different members: one after the other is chosen with the probability that the number of
/// missing ones and the number of members left require.
fn sample(sorted: &SortedSet, amount: usize, mut random: impl FnMut() -> u64) -> Vec<(&Bytes, f64)> {
    let mut missing = u64::try_from(amount.min(sorted.len())).unwrap_or(u64::MAX);
    let mut left = u64::try_from(sorted.len()).unwrap_or(u64::MAX);
    let chosen = sorted.iter().filter(|_| {
        let is_chosen = random().checked_rem(left).is_some_and(|place| place < missing);
        left = left.saturating_sub(1);
        missing = missing.saturating_sub(u64::from(is_chosen));
        is_chosen
    });
    chosen.collect()
}

fn zscan(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, cursor], mut rest) = first(arguments)?;
    let cursor = scan_cursor(cursor).ok_or(Failure::new("ERR invalid cursor"))?;
    let Some(sorted) = read(context, key)? else {
        return Ok(Reply::Array(vec![Reply::text("0"), Reply::Array(Vec::new())]));
    };
    let (mut pattern, mut count) = (None, 10_usize);
    while !rest.is_empty() {
        let ([name, value], after) = first(rest)?;
        match option(name).as_slice() {
            b"MATCH" => pattern = Some(value),
            b"COUNT" => {
                let number = integer(value)?;
                count = usize::try_from(number).ok().filter(|&count| count > 0).ok_or(Failure::SYNTAX)?;
            }
            _ => return Err(Failure::SYNTAX),
        }
        rest = after;
    }
    let (page, next) = sorted.scan(cursor, count);
    let page = page
        .into_iter()
        .filter(|(member, _)| pattern.is_none_or(|pattern| glob::matches(pattern, member)))
        // Unlike in other commands, scores are strings under RESP3, too.
        .flat_map(|(member, score)| [Reply::Bulk(member.clone()), Reply::bulk(scanned(sorted, score))])
        .collect();
    Ok(Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(page)]))
}

/// Prints a score like ZSCAN. A small set has whole numbers as integers.
fn scanned(sorted: &SortedSet, score: f64) -> String {
    const MAX_INTEGER: f64 = (1_i64 << 62) as f64;
    if !sorted.is_large() && score.fract() == 0.0 && score.abs() <= MAX_INTEGER {
        return format!("{score:.0}");
    }
    format_double(score)
}

/// Parses a cursor like `strtoul`: empty text is 0, and a minus sign is allowed.
fn scan_cursor(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.split(|&byte| byte == 0).next()?).ok()?;
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    Some(if text.starts_with('-') { number.wrapping_neg() } else { number })
}
