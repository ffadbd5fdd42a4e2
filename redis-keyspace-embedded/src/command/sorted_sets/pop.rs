//! Takes members from an end.

use bytes::Bytes;

use super::pairs;
use crate::command::arguments::{first, option};
use crate::command::bounded::{at_least, counted_keys};
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Failure, Reply};
use crate::sorted_set::Step;
use crate::value::Value;

/// Removes and returns at most `count` members from an end. Returns `None` if the key does not
/// exist.
pub(super) fn pop(
    db: &mut Db,
    key: &[u8],
    from: Step,
    count: usize,
) -> Result<Option<Vec<(Bytes, f64)>>, Failure> {
    let Some(sorted) = db.value_mut(key).map(Value::sorted_set_mut).transpose()? else { return Ok(None) };
    let count = count.min(sorted.len());
    let ranks = match from {
        Step::Up => 0..count,
        Step::Down => sorted.len().saturating_sub(count)..sorted.len(),
    };
    let popped = sorted.ranks(ranks.clone(), from).map(|(member, score)| (member.clone(), score));
    let popped = popped.collect();
    if sorted.remove_ranks(&ranks) > 0 {
        let event = match from {
            Step::Up => "zpopmin",
            Step::Down => "zpopmax",
        };
        db.notify(EventClasses::SORTED_SET, event, key);
        db.settle(key);
    }
    Ok(Some(popped))
}

pub(super) fn borrowed(popped: &[(Bytes, f64)]) -> impl Iterator<Item = (&Bytes, f64)> {
    popped.iter().map(|(member, score)| (member, *score))
}

/// The end and the number of members of ZMPOP and BZMPOP.
#[derive(Clone, Copy)]
pub(super) struct MemberPops {
    from: Step,
    count: usize,
}

impl MemberPops {
    /// Parses the arguments from the number of keys on. Returns the keys, too.
    pub(super) fn parse(arguments: &[Bytes]) -> Result<(&[Bytes], Self), Failure> {
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
        Ok((keys, Self { from, count: count.unwrap_or(1) }))
    }

    /// Returns the reply, or `None` if the key does not exist.
    pub(super) fn take(self, db: &mut Db, key: &Bytes) -> Result<Option<Reply>, Failure> {
        let popped = pop(db, key, self.from, self.count)?;
        Ok(popped.map(|popped| Reply::Array(vec![Reply::Bulk(key.clone()), pairs(borrowed(&popped))])))
    }
}
