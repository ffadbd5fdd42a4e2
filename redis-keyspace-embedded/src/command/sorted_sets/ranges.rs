//! ZRANGE and its older forms.

use bytes::Bytes;

use super::parse::{lex_range, score_range};
use super::{members, read, store, with_scores};
use crate::command::arguments::{first, integer, option, range};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::{LexRange, ScoreRange, SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zrange", -4, 0, ONE_KEY, |context, arguments| zrange(context, arguments, None, None)),
    command("zrevrange", -4, 0, ONE_KEY, |context, arguments| {
        zrange(context, arguments, Some(By::Rank), Some(Step::Down))
    }),
    command("zrangebyscore", -4, 0, ONE_KEY, |context, arguments| {
        zrange(context, arguments, Some(By::Score), Some(Step::Up))
    }),
    command("zrevrangebyscore", -4, 0, ONE_KEY, |context, arguments| {
        zrange(context, arguments, Some(By::Score), Some(Step::Down))
    }),
    command("zrangebylex", -4, 0, ONE_KEY, |context, arguments| {
        zrange(context, arguments, Some(By::Member), Some(Step::Up))
    }),
    command("zrevrangebylex", -4, 0, ONE_KEY, |context, arguments| {
        zrange(context, arguments, Some(By::Member), Some(Step::Down))
    }),
    command("zrangestore", -5, 0, (1, 2, 1), |context, arguments| {
        let ([target, source], rest) = first(arguments)?;
        let query = ZrangeQuery::parse(rest, None, None, true)?;
        let found = match read(context, source)? {
            Some(sorted) => query.run(sorted).map(|(member, score)| (member.clone(), score)).collect(),
            None => SortedSet::default(),
        };
        store(context, target, "zrangestore", found)
    }),
];

/// What the ends of a range are.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Rank,
    Score,
    Member,
}

enum Ends<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// The ends and options of ZRANGE.
struct ZrangeQuery<'a> {
    ends: Ends<'a>,
    step: Step,
    offset: usize,
    limit: usize,
    has_scores: bool,
}

impl<'a> ZrangeQuery<'a> {
    /// Parses the arguments after the key. An option can set `by` and `step` only if they are
    /// `None`.
    fn parse(
        arguments: &'a [Bytes],
        mut by: Option<By>,
        mut step: Option<Step>,
        stores: bool,
    ) -> Result<Self, Failure> {
        let ([start, stop], mut rest) = first(arguments)?;
        let (mut has_scores, mut offset, mut limit) = (false, 0, -1);
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            match (option(name).as_slice(), after) {
                (b"WITHSCORES", _) if !stores => has_scores = true,
                (b"LIMIT", [first, second, after @ ..]) => {
                    (offset, limit) = (integer(first)?, integer(second)?);
                    rest = after;
                }
                (b"REV", _) if step.is_none() => step = Some(Step::Down),
                (b"BYLEX", _) if by.is_none() => by = Some(By::Member),
                (b"BYSCORE", _) if by.is_none() => by = Some(By::Score),
                _ => return Err(Failure::SYNTAX),
            }
        }
        let (by, step) = (by.unwrap_or(By::Rank), step.unwrap_or(Step::Up));
        if limit != -1 && by == By::Rank {
            return Err(Failure::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if has_scores && by == By::Member {
            return Err(Failure::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (min, max) = if step == Step::Down { (stop, start) } else { (start, stop) };
        let ends = match by {
            By::Rank => Ends::Ranks(integer(start)?, integer(stop)?),
            By::Score => Ends::Scores(score_range(min, max)?),
            By::Member => Ends::Members(lex_range(min, max)?),
        };
        // A negative offset skips all members, and a negative limit allows all.
        let [offset, limit] = [offset, limit].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let offset = if by == By::Rank { 0 } else { offset };
        Ok(Self { ends, step, offset, limit, has_scores })
    }

    fn run<'s>(&self, sorted: &'s SortedSet) -> impl Iterator<Item = (&'s Bytes, f64)> + use<'s> {
        let ranks = match &self.ends {
            Ends::Ranks(start, stop) => {
                let places = range(*start, *stop, sorted.len());
                let from_end = |place: usize| sorted.len().saturating_sub(place);
                match self.step {
                    Step::Up => places,
                    Step::Down => from_end(places.end)..from_end(places.start),
                }
            }
            Ends::Scores(scores) => sorted.ranks_by_score(scores),
            Ends::Members(members) => sorted.ranks_by_member(members, self.step, self.offset),
        };
        let has_skipped = matches!(self.ends, Ends::Members(_));
        let offset = if has_skipped { 0 } else { self.offset.min(ranks.len()) };
        let count = self.limit.min(ranks.len().saturating_sub(offset));
        let ranks = match self.step {
            Step::Up => {
                let start = ranks.start.saturating_add(offset);
                start..start.saturating_add(count)
            }
            Step::Down => {
                let end = ranks.end.saturating_sub(offset);
                end.saturating_sub(count)..end
            }
        };
        sorted.ranks(ranks, self.step)
    }
}

fn zrange(context: &mut Context<'_>, arguments: &[Bytes], by: Option<By>, step: Option<Step>) -> Answer {
    let ([key], rest) = first(arguments)?;
    let query = ZrangeQuery::parse(rest, by, step, false)?;
    let protocol = context.protocol();
    let Some(sorted) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    let found = query.run(sorted);
    Ok(if query.has_scores { with_scores(found, protocol) } else { members(found) })
}
