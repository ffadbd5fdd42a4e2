//! Intersections, unions and differences.

use bytes::Bytes;

use crate::command::arguments::{first, option};
use crate::command::bounded::{at_least, counted_keys};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{ALL_KEYS, NO_KEYS};
use crate::notices::EventClasses;
use crate::ordered::Ordered;
use crate::reply::{Answer, Failure, Reply};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("sinter", -2, 0, ALL_KEYS, |context, keys| show(context, keys, intersection)),
    command("sunion", -2, 0, ALL_KEYS, |context, keys| show(context, keys, union)),
    command("sdiff", -2, 0, ALL_KEYS, |context, keys| show(context, keys, difference)),
    command("sinterstore", -3, 0, ALL_KEYS, |context, keys| {
        store(context, keys, "sinterstore", intersection)
    }),
    command("sunionstore", -3, 0, ALL_KEYS, |context, keys| store(context, keys, "sunionstore", union)),
    command("sdiffstore", -3, 0, ALL_KEYS, |context, keys| store(context, keys, "sdiffstore", difference)),
    command("sintercard", -3, 0, NO_KEYS, |context, arguments| {
        let missing = Failure::new("ERR Number of keys can't be greater than number of args");
        let (keys, mut rest) = counted_keys(arguments, missing)?;
        let mut limit = 0;
        while !rest.is_empty() {
            let ([name, value], after) = first(rest)?;
            if option(name) != b"LIMIT" {
                return Err(Failure::SYNTAX);
            }
            limit = at_least(value, 0, "ERR LIMIT can't be negative")?;
            rest = after;
        }
        let count = combine(context, keys, intersection)?.len();
        Ok(Reply::count(if limit == 0 { count } else { count.min(limit) }))
    }),
];

/// Combines sets. A key that does not exist is `None`.
type Combination = fn(&[Option<&Ordered<()>>]) -> Vec<Bytes>;

fn intersection(sets: &[Option<&Ordered<()>>]) -> Vec<Bytes> {
    // The smallest set first, because it has the fewest members to look up in the others.
    let sets: Option<Vec<&Ordered<()>>> = sets.iter().copied().collect();
    let Some(mut sets) = sets else { return Vec::new() };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return Vec::new() };
    let common = smallest.iter().filter(|(member, ())| others.iter().all(|set| set.contains(member)));
    common.map(|(member, ())| member.clone()).collect()
}

fn union(sets: &[Option<&Ordered<()>>]) -> Vec<Bytes> {
    let mut united = Ordered::default();
    for (member, ()) in sets.iter().flatten().flat_map(|set| set.iter()) {
        united.insert(member, ());
    }
    united.iter().map(|(member, ())| member.clone()).collect()
}

fn difference(sets: &[Option<&Ordered<()>>]) -> Vec<Bytes> {
    let Some((Some(first), others)) = sets.split_first() else { return Vec::new() };
    let is_other = |member: &Bytes| others.iter().flatten().any(|set| set.contains(member));
    first.iter().filter(|(member, ())| !is_other(member)).map(|(member, ())| member.clone()).collect()
}

/// Combines the sets at these keys. All types are checked first.
fn combine(context: &mut Context<'_>, keys: &[Bytes], how: Combination) -> Result<Vec<Bytes>, Failure> {
    let now = context.now;
    let db = context.db()?;
    for key in keys {
        db.read(key, now).map(Value::set).transpose()?;
    }
    let sets = keys.iter().map(|key| db.entry(key).map(|entry| entry.value.set()).transpose());
    Ok(how(&sets.collect::<Result<Vec<_>, _>>()?))
}

fn show(context: &mut Context<'_>, keys: &[Bytes], how: Combination) -> Answer {
    Ok(Reply::Set(combine(context, keys, how)?.into_iter().map(Reply::Bulk).collect()))
}

/// Stores the result at the first key, in place of whatever is there.
fn store(context: &mut Context<'_>, arguments: &[Bytes], event: &'static str, how: Combination) -> Answer {
    let ([target], keys) = first(arguments)?;
    let members = combine(context, keys, how)?;
    let now = context.now;
    let db = context.db()?;
    if members.is_empty() {
        db.remove_and_notify(target);
        return Ok(Reply::Integer(0));
    }
    let mut set = Ordered::default();
    for member in &members {
        set.insert(member, ());
    }
    let count = set.len();
    db.put(target, Value::Set(set), None, now);
    db.notify(EventClasses::SET, event, target);
    Ok(Reply::count(count))
}
