//! Hashes.

use bytes::Bytes;

use super::arguments::{exactly, first, pairs};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::ordered::Ordered;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{Value, keep};

pub(super) const TABLE: &[Spec] = &[
    command("hset", -4, 0, ONE_KEY, hset),
    command("hget", 3, 0, ONE_KEY, |context, arguments| {
        let [key, field] = exactly(arguments)?;
        let hash = read(context, key)?;
        Ok(Reply::bulk_or_nil(hash.and_then(|hash| hash.get(field)).cloned()))
    }),
    command("hmget", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], fields) = first(arguments)?;
        let hash = read(context, key)?;
        let value = |field: &Bytes| Reply::bulk_or_nil(hash.and_then(|hash| hash.get(field)).cloned());
        Ok(Reply::Array(fields.iter().map(value).collect()))
    }),
    command("hexists", 3, 0, ONE_KEY, |context, arguments| {
        let [key, field] = exactly(arguments)?;
        Ok(Reply::flag(read(context, key)?.is_some_and(|hash| hash.contains(field))))
    }),
    command("hlen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, Ordered::len)))
    }),
    command("hgetall", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let hash = read(context, key)?;
        let fields = hash.into_iter().flat_map(Ordered::iter);
        let pairs = fields.map(|(field, value)| (Reply::Bulk(field.clone()), Reply::Bulk(value.clone())));
        Ok(Reply::Map(pairs.collect()))
    }),
    command("hdel", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], fields) = first(arguments)?;
        let db = context.db()?;
        let Some(value) = db.value_mut(key) else { return Ok(Reply::Integer(0)) };
        let hash = value.hash_mut()?;
        let removed = fields.iter().filter(|field| hash.remove(field).is_some()).count();
        if removed > 0 {
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
];

fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a Ordered<Bytes>>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::hash).transpose()
}

fn hset(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let pairs = pairs(rest, "hset")?;
    let now = context.now;
    let db = context.db()?;
    let Some(value) = db.value_or(key, Value::Hash(Ordered::default()), now) else {
        return Ok(Reply::Integer(0));
    };
    let hash = value.hash_mut()?;
    let added = pairs.iter().filter(|[field, value]| hash.insert(field, keep(value)).is_none()).count();
    db.settle(key);
    Ok(Reply::count(added))
}
