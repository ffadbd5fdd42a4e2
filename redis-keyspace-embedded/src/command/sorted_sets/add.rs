//! ZADD and ZINCRBY.

use bytes::Bytes;

use crate::command::arguments::{first, float, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::SortedSet;
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zadd", -4, 0, ONE_KEY, |context, arguments| zadd(context, arguments, false)),
    command("zincrby", 4, 0, ONE_KEY, |context, arguments| zadd(context, arguments, true)),
];

/// The options of ZADD.
#[derive(Clone, Copy, Default)]
struct ZaddOptions {
    only_new: bool,
    only_present: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

impl ZaddOptions {
    /// Parses the options in front of the pairs. Returns the rest of the arguments.
    fn parse(mut self, mut rest: &[Bytes]) -> (Self, &[Bytes]) {
        while let Some((name, after)) = rest.split_first() {
            match option(name).as_slice() {
                b"NX" => self.only_new = true,
                b"XX" => self.only_present = true,
                b"GT" => self.only_greater = true,
                b"LT" => self.only_less = true,
                b"CH" => self.count_changed = true,
                b"INCR" => self.increment = true,
                _ => break,
            }
            rest = after;
        }
        (self, rest)
    }

    fn check(self, pairs: usize) -> Result<(), Failure> {
        let Self { only_new, only_present, only_greater, only_less, .. } = self;
        if only_new && only_present {
            return Err(Failure::new("ERR XX and NX options at the same time are not compatible"));
        }
        if (only_greater && only_less) || (only_new && (only_greater || only_less)) {
            return Err(Failure::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(Failure::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// Returns the new score of a member, or `None` if the options do not allow a change.
    fn apply(self, before: Option<f64>, score: f64) -> Result<Option<f64>, Failure> {
        let Some(before) = before else { return Ok((!self.only_present).then_some(score)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increment { before + score } else { score };
        if score.is_nan() {
            return Err(Failure::new("ERR resulting score is not a number (NaN)"));
        }
        let is_refused = (self.only_less && score >= before) || (self.only_greater && score <= before);
        Ok((!is_refused).then_some(score))
    }
}

pub(in crate::command) fn zadd(context: &mut Context<'_>, arguments: &[Bytes], increment: bool) -> Answer {
    let ([key], rest) = first(arguments)?;
    let (options, rest) = ZaddOptions { increment, ..ZaddOptions::default() }.parse(rest);
    let (pairs, []) = rest.as_chunks::<2>() else { return Err(Failure::SYNTAX) };
    if pairs.is_empty() {
        return Err(Failure::SYNTAX);
    }
    options.check(pairs.len())?;
    let scores = pairs.iter().map(|[score, member]| Ok((float(score)?, member)));
    let scores: Vec<(f64, &Bytes)> = scores.collect::<Result<_, Failure>>()?;
    let now = context.now;
    let db = context.db()?;
    let nothing = if options.increment { Reply::Nil } else { Reply::Integer(0) };
    if options.only_present && !db.contains(key) {
        return Ok(nothing);
    }
    let Some(value) = db.value_or(key, Value::SortedSet(SortedSet::default()), now) else {
        return Ok(nothing);
    };
    let sorted = value.sorted_set_mut()?;
    let (mut added, mut moved, mut last) = (0, 0, None);
    for (score, member) in scores {
        let Some(score) = options.apply(sorted.score(member), score)? else { continue };
        match sorted.insert(member, score) {
            None => added += 1,
            Some(before) if before != score => moved += 1,
            Some(_) => {}
        }
        last = Some(score);
    }
    if added > 0 || moved > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        db.notify(EventClasses::SORTED_SET, event, key);
        db.settle(key);
    }
    Ok(if options.increment {
        last.map_or(Reply::Nil, Reply::Double)
    } else {
        Reply::count(if options.count_changed { added + moved } else { added })
    })
}
