//! Commands that set and remove fields.

use bytes::Bytes;

use crate::command::arguments::{exactly, first, pairs};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::hash::Hash;
use crate::notices::EventClasses;
use crate::reply::{Failure, Reply};
use crate::value::{Value, keep};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("hset", -4, 0, ONE_KEY, |context, arguments| set(context, arguments, "hset").map(Reply::count)),
    command("hmset", -4, 0, ONE_KEY, |context, arguments| {
        set(context, arguments, "hmset").map(|_| Reply::OK)
    }),
    command("hsetnx", 4, 0, ONE_KEY, |context, arguments| {
        let [key, field, value] = exactly(arguments)?;
        let now = context.now;
        let db = context.db()?;
        let Some(hash) = db.value_or(key, Value::Hash(Hash::default()), now) else {
            return Ok(Reply::Integer(0));
        };
        let hash = hash.hash_mut()?;
        if hash.contains(field) {
            return Ok(Reply::Integer(0));
        }
        hash.insert(field, keep(value));
        db.notify(EventClasses::HASH, "hset", key);
        db.settle(key);
        Ok(Reply::Integer(1))
    }),
    command("hdel", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], fields) = first(arguments)?;
        let db = context.db()?;
        let Some(value) = db.value_mut(key) else { return Ok(Reply::Integer(0)) };
        let hash = value.hash_mut()?;
        let removed = fields.iter().filter(|field| hash.remove(field).is_some()).count();
        if removed > 0 {
            db.notify(EventClasses::HASH, "hdel", key);
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
];

/// Sets fields and returns how many of them are new.
fn set(context: &mut Context<'_>, arguments: &[Bytes], name: &str) -> Result<usize, Failure> {
    let ([key], rest) = first(arguments)?;
    let pairs = pairs(rest, name)?;
    let now = context.now;
    let db = context.db()?;
    let Some(value) = db.value_or(key, Value::Hash(Hash::default()), now) else { return Ok(0) };
    let hash = value.hash_mut()?;
    let added = pairs.iter().filter(|[field, value]| hash.insert(field, keep(value))).count();
    db.notify(EventClasses::HASH, "hset", key);
    db.settle(key);
    Ok(added)
}
