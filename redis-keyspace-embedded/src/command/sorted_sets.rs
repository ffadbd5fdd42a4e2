//! Sorted sets.

use bytes::Bytes;

use super::arguments::{exactly, first, float, integer, option, range};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::sorted_set::SortedSet;
use crate::value::Value;

pub(super) const TABLE: &[Spec] = &[
    command("zadd", -4, 0, ONE_KEY, zadd),
    command("zscore", 3, 0, ONE_KEY, |context, arguments| {
        let [key, member] = exactly(arguments)?;
        Ok(read(context, key)?.and_then(|sorted| sorted.score(member)).map_or(Reply::Nil, Reply::Double))
    }),
    command("zcard", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, SortedSet::len)))
    }),
    command("zrange", -4, 0, ONE_KEY, zrange),
];

fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a SortedSet>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::sorted_set).transpose()
}

/// The conditions under which ZADD changes a member.
#[derive(Clone, Copy, Default)]
struct ZaddConditions {
    only_new: bool,
    only_present: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
}

impl ZaddConditions {
    /// Parses the options before the first score.
    fn parse(mut rest: &[Bytes]) -> Result<(Self, &[Bytes]), Failure> {
        let mut conditions = Self::default();
        while let Some((name, after)) = rest.split_first() {
            match option(name).as_slice() {
                b"NX" => conditions.only_new = true,
                b"XX" => conditions.only_present = true,
                b"GT" => conditions.only_greater = true,
                b"LT" => conditions.only_less = true,
                b"CH" => conditions.count_changed = true,
                b"INCR" => return Err(Failure::unsupported_option("ZADD", "INCR")),
                _ => break,
            }
            rest = after;
        }
        Ok((conditions, rest))
    }

    fn check(self) -> Result<(), Failure> {
        let Self { only_new, only_present, only_greater, only_less, .. } = self;
        if only_new && only_present {
            return Err(Failure::new("ERR XX and NX options at the same time are not compatible"));
        }
        if (only_greater && only_less) || (only_new && (only_greater || only_less)) {
            return Err(Failure::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        Ok(())
    }

    fn allow(self, before: Option<f64>, score: f64) -> bool {
        match before {
            None => !self.only_present,
            Some(before) => {
                !self.only_new
                    && (!self.only_greater || score > before)
                    && (!self.only_less || score < before)
            }
        }
    }
}

fn zadd(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let (conditions, rest) = ZaddConditions::parse(rest)?;
    let (pairs, []) = rest.as_chunks::<2>() else { return Err(Failure::SYNTAX) };
    if pairs.is_empty() {
        return Err(Failure::SYNTAX);
    }
    conditions.check()?;
    let scores = pairs.iter().map(|[score, member]| Ok((float(score)?, member)));
    let scores: Vec<(f64, &Bytes)> = scores.collect::<Result<_, Failure>>()?;
    let now = context.now;
    let db = context.db()?;
    if conditions.only_present && !db.contains(key) {
        return Ok(Reply::Integer(0));
    }
    let Some(value) = db.value_or(key, Value::SortedSet(SortedSet::default()), now) else {
        return Ok(Reply::Integer(0));
    };
    let sorted = value.sorted_set_mut()?;
    let (mut added, mut moved) = (0, 0);
    for (score, member) in scores {
        if !conditions.allow(sorted.score(member), score) {
            continue;
        }
        match sorted.insert(member, score) {
            None => added += 1,
            Some(before) if before != score => moved += 1,
            Some(_) => {}
        }
    }
    if added > 0 || moved > 0 {
        db.settle(key);
    }
    Ok(Reply::count(if conditions.count_changed { added + moved } else { added }))
}

fn zrange(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, start, stop], options) = first(arguments)?;
    let mut with_scores = false;
    for name in options {
        match option(name).as_slice() {
            b"WITHSCORES" => with_scores = true,
            b"BYSCORE" => return Err(Failure::unsupported_option("ZRANGE", "BYSCORE")),
            b"BYLEX" => return Err(Failure::unsupported_option("ZRANGE", "BYLEX")),
            b"REV" => return Err(Failure::unsupported_option("ZRANGE", "REV")),
            _ => return Err(Failure::SYNTAX),
        }
    }
    let (start, stop) = (integer(start)?, integer(stop)?);
    let nested = context.client.protocol == Protocol::Resp3;
    let Some(sorted) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    let part = range(start, stop, sorted.len());
    let members = sorted.iter().skip(part.start).take(part.len());
    let mut replies = Vec::with_capacity(part.len());
    for (member, score) in members {
        let member = Reply::Bulk(member.clone());
        match (with_scores, nested) {
            (false, _) => replies.push(member),
            (true, true) => replies.push(Reply::Array(vec![member, Reply::Double(score)])),
            (true, false) => replies.extend([member, Reply::Double(score)]),
        }
    }
    Ok(Reply::Array(replies))
}
