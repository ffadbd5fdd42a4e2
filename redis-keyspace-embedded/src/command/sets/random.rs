//! Commands that pick random members.

use bytes::Bytes;

use super::access::{members, read};
use crate::command::arguments::first;
use crate::command::bounded::{negatable, positive};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::command::sample::{Sample, places};
use crate::notices::EventClasses;
use crate::ordered::Ordered;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] =
    &[command("spop", -2, 0, ONE_KEY, spop), command("srandmember", -2, 0, ONE_KEY, srandmember)];

fn spop(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let count = match rest {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(Failure::SYNTAX),
    };
    let seed = context.state.next_random();
    let db = context.db()?;
    let Some(value) = db.value_mut(key) else {
        return Ok(count.map_or(Reply::Nil, |_| Reply::Set(Vec::new())));
    };
    let set = value.set_mut()?;
    let chosen: Vec<Bytes> = match count {
        None => set.near(seed).cloned().into_iter().collect(),
        Some(count) => {
            let all: Vec<&Bytes> = set.iter().map(|(member, ())| member).collect();
            let places = places(Sample::Distinct(count), all.len(), seed);
            places.filter_map(|place| all.get(place).copied().cloned()).collect()
        }
    };
    for member in &chosen {
        set.remove(member);
    }
    let mut popped: Vec<Reply> = chosen.into_iter().map(Reply::Bulk).collect();
    if !popped.is_empty() {
        db.notify(EventClasses::SET, "spop", key);
        db.settle(key);
    }
    Ok(match count {
        Some(_) => Reply::Set(popped),
        None => popped.pop().unwrap_or(Reply::Nil),
    })
}

fn srandmember(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let count = match rest {
        [] => None,
        [count] => Some(negatable(count)?),
        _ => return Err(Failure::SYNTAX),
    };
    let (seed, limit) = (context.state.next_random(), context.output_limit());
    let Some(set) = read(context, key)? else {
        return Ok(count.map_or(Reply::Nil, |_| Reply::Array(Vec::new())));
    };
    let Some(count) = count else {
        return Ok(Reply::bulk_or_nil(set.near(seed).cloned()));
    };
    let sample = Sample::of(count, limit);
    if sample == Sample::Distinct(0) {
        return Ok(Reply::Array(Vec::new()));
    }
    let all = members(Some(set));
    let chosen = places(sample, Ordered::len(set), seed);
    Ok(Reply::Array(chosen.filter_map(|place| all.get(place).cloned()).collect()))
}
