//! Commands that look up members of one sorted set.

use bytes::Bytes;

use super::parse::{lex_range, score_range};
use super::{members, read, with_scores};
use crate::command::arguments::{exactly, first, option};
use crate::command::bounded::negatable;
use crate::command::context::{Context, Spec, command};
use crate::command::cursor::{self, Page};
use crate::command::flags::ONE_KEY;
use crate::command::sample::{Sample, places};
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
        let seed = context.state.next_random();
        let member = read(context, key)?.and_then(|sorted| {
            let rank = places(Sample::Distinct(1), sorted.len(), seed).next()?;
            at(sorted, rank)
        });
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
    let seed = context.state.next_random();
    let protocol = context.protocol();
    let sample = Sample::of(count, context.output_limit());
    let Some(sorted) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    let chosen = places(sample, sorted.len(), seed).filter_map(|rank| at(sorted, rank));
    Ok(if has_scores { with_scores(chosen, protocol) } else { members(chosen) })
}

/// Returns the member with this rank.
fn at(sorted: &SortedSet, rank: usize) -> Option<(&Bytes, f64)> {
    sorted.ranks(rank..rank.saturating_add(1), Step::Up).next()
}

fn zscan(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, cursor], rest) = first(arguments)?;
    let cursor = cursor::parse(cursor)?;
    let Some(sorted) = read(context, key)? else { return Ok(cursor::reply(0, Vec::new())) };
    let page = Page::parse(rest, false)?;
    let (members, next) = sorted.scan(cursor, page.count);
    let members = members
        .into_iter()
        .filter(|(member, _)| page.selects(member))
        // Unlike in other commands, scores are strings under RESP3, too.
        .flat_map(|(member, score)| [Reply::Bulk(member.clone()), Reply::bulk(scanned(sorted, score))]);
    Ok(cursor::reply(next, members.collect()))
}

/// Prints a score like ZSCAN. A small set has whole numbers as integers.
fn scanned(sorted: &SortedSet, score: f64) -> String {
    const MAX_INTEGER: f64 = (1_i64 << 62) as f64;
    if !sorted.is_large() && score.fract() == 0.0 && score.abs() <= MAX_INTEGER {
        return format!("{score:.0}");
    }
    format_double(score)
}
