//! Unions, intersections and differences.

use std::collections::HashMap;

use bytes::Bytes;

use super::{members, store, with_scores};
use crate::command::arguments::{first, float, integer, option};
use crate::command::bounded::at_least;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{NO_KEYS, ONE_KEY};
use crate::ordered::Ordered;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::SortedSet;
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("zunion", -3, 0, NO_KEYS, |context, arguments| {
        combine(context, arguments, Operation::Union, "zunion")
    }),
    command("zinter", -3, 0, NO_KEYS, |context, arguments| {
        combine(context, arguments, Operation::Intersection, "zinter")
    }),
    command("zdiff", -3, 0, NO_KEYS, |context, arguments| {
        combine(context, arguments, Operation::Difference, "zdiff")
    }),
    command("zunionstore", -4, 0, ONE_KEY, |context, arguments| {
        combine_and_store(context, arguments, Operation::Union, "zunionstore")
    }),
    command("zinterstore", -4, 0, ONE_KEY, |context, arguments| {
        combine_and_store(context, arguments, Operation::Intersection, "zinterstore")
    }),
    command("zdiffstore", -4, 0, ONE_KEY, |context, arguments| {
        combine_and_store(context, arguments, Operation::Difference, "zdiffstore")
    }),
    command("zintercard", -3, 0, NO_KEYS, |context, arguments| {
        let call = WeightedInputs::parse(context, arguments, Operation::Count, "zintercard")?;
        let limit = if call.limit == 0 { usize::MAX } else { call.limit };
        Ok(Reply::count(call.intersection().take(limit).count()))
    }),
];

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Union,
    Intersection,
    Difference,
    Count,
}

#[derive(Clone, Copy, Default)]
enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, before: f64, score: f64) -> f64 {
        match self {
            Self::Sum => zero_for_nan(before + score),
            Self::Min if score < before => score,
            Self::Max if score > before => score,
            Self::Min | Self::Max => before,
        }
    }
}

/// The sum of both infinities counts as 0, as does 0 times infinity.
fn zero_for_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// An input: a sorted set, or a set whose members have the score 1.
#[derive(Clone)]
enum Input<'a> {
    Absent,
    Sorted(&'a SortedSet),
    Plain(&'a Ordered<()>),
}

impl<'a> Input<'a> {
    fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Sorted(sorted) => sorted.len(),
            Self::Plain(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Sorted(sorted) => sorted.score(member),
            Self::Plain(set) => set.contains(member).then_some(1.0),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (&'a Bytes, f64)> + 'a> {
        match self {
            Self::Absent => Box::new(std::iter::empty()),
            Self::Sorted(sorted) => Box::new(sorted.iter()),
            Self::Plain(set) => Box::new(set.iter().map(|(member, ())| (member, 1.0))),
        }
    }
}

/// The inputs and options of a command.
struct WeightedInputs<'a> {
    operation: Operation,
    /// The inputs and their weights.
    inputs: Vec<(Input<'a>, f64)>,
    aggregate: Aggregate,
    has_scores: bool,
    limit: usize,
}

impl<'a> WeightedInputs<'a> {
    /// Parses the arguments from the number of keys on. An error names the command.
    fn parse(
        context: &'a mut Context<'_>,
        arguments: &[Bytes],
        operation: Operation,
        name: &str,
    ) -> Result<Self, Failure> {
        let ([number], rest) = first(arguments)?;
        let number = integer(number)?;
        let Some(number) = usize::try_from(number).ok().filter(|number| *number > 0) else {
            return Err(Failure::text(format!("ERR at least 1 input key is needed for '{name}' command")));
        };
        let (keys, mut rest) = rest.split_at_checked(number).ok_or(Failure::SYNTAX)?;
        let db = context.db()?;
        let mut inputs = Vec::with_capacity(keys.len());
        for key in keys {
            let input = match db.entry(key).map(|entry| &entry.value) {
                None => Input::Absent,
                Some(Value::SortedSet(sorted)) => Input::Sorted(sorted),
                Some(Value::Set(set)) => Input::Plain(set),
                Some(_) => return Err(Failure::WRONG_TYPE),
            };
            inputs.push((input, 1.0));
        }
        let has_weights = matches!(operation, Operation::Union | Operation::Intersection);
        let stores = name.ends_with("store");
        let mut call = Self { operation, inputs, aggregate: Aggregate::Sum, has_scores: false, limit: 0 };
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            match (option(word).as_slice(), after) {
                (b"WEIGHTS", _) if has_weights && after.len() >= call.inputs.len() => {
                    let (weights, after) = after.split_at(call.inputs.len());
                    for ((_, weight), text) in call.inputs.iter_mut().zip(weights) {
                        *weight = float(text).map_err(|_| Failure::new("ERR weight value is not a float"))?;
                    }
                    rest = after;
                }
                (b"AGGREGATE", [how, after @ ..]) if has_weights => {
                    call.aggregate = match option(how).as_slice() {
                        b"SUM" => Aggregate::Sum,
                        b"MIN" => Aggregate::Min,
                        b"MAX" => Aggregate::Max,
                        _ => return Err(Failure::SYNTAX),
                    };
                    rest = after;
                }
                (b"WITHSCORES", _) if !stores && operation != Operation::Count => call.has_scores = true,
                (b"LIMIT", [limit, after @ ..]) if operation == Operation::Count => {
                    call.limit = at_least(limit, 0, "ERR LIMIT can't be negative")?;
                    rest = after;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        if operation != Operation::Difference {
            // The order decides how sums are rounded.
            call.inputs.sort_by_key(|(input, _)| input.len());
        }
        Ok(call)
    }

    /// Returns the result, lowest score first.
    fn run(&self) -> Vec<(Bytes, f64)> {
        let mut found: Vec<(Bytes, f64)> = match self.operation {
            Operation::Union => self.union().into_iter().collect(),
            Operation::Intersection | Operation::Count => self.intersection().collect(),
            Operation::Difference => self.difference().collect(),
        };
        found.sort_by(|(member, score), (other_member, other_score)| {
            let by_score = score.partial_cmp(other_score).unwrap_or(std::cmp::Ordering::Equal);
            by_score.then_with(|| member.cmp(other_member))
        });
        found
    }

    fn union(&self) -> HashMap<Bytes, f64> {
        let mut scores: HashMap<Bytes, f64> = HashMap::new();
        for (input, weight) in &self.inputs {
            for (member, score) in input.iter() {
                let score = zero_for_nan(weight * score);
                scores
                    .entry(member.clone())
                    .and_modify(|before| *before = self.aggregate.of(*before, score))
                    .or_insert(score);
            }
        }
        scores
    }

    fn intersection(&self) -> impl Iterator<Item = (Bytes, f64)> {
        let (smallest, others) = match self.inputs.split_first() {
            Some(((input, weight), others)) => (Some((input, weight)), others),
            None => (None, &[][..]),
        };
        smallest.into_iter().flat_map(move |(input, weight)| {
            input.iter().filter_map(move |(member, score)| {
                let mut score = zero_for_nan(weight * score);
                for (other, weight) in others {
                    score = self.aggregate.of(score, weight * other.score(member)?);
                }
                Some((member.clone(), score))
            })
        })
    }

    fn difference(&self) -> impl Iterator<Item = (Bytes, f64)> {
        let (from, others) = match self.inputs.split_first() {
            Some(((input, _), others)) => (input.iter(), others),
            None => (Input::Absent.iter(), &[][..]),
        };
        from.filter(move |(member, _)| others.iter().all(|(other, _)| other.score(member).is_none()))
            .map(|(member, score)| (member.clone(), score))
    }
}

fn combine(context: &mut Context<'_>, arguments: &[Bytes], operation: Operation, name: &str) -> Answer {
    let protocol = context.protocol();
    let call = WeightedInputs::parse(context, arguments, operation, name)?;
    let found = call.run();
    let found = found.iter().map(|(member, score)| (member, *score));
    Ok(if call.has_scores { with_scores(found, protocol) } else { members(found) })
}

fn combine_and_store(
    context: &mut Context<'_>,
    arguments: &[Bytes],
    operation: Operation,
    name: &'static str,
) -> Answer {
    let ([target], rest) = first(arguments)?;
    let found: SortedSet = WeightedInputs::parse(context, rest, operation, name)?.run().into_iter().collect();
    store(context, target, name, found)
}
