//! Commands that read a hash.

use bytes::Bytes;

use super::access::{read, value};
use crate::command::arguments::{exactly, first};
use crate::command::context::{Context, Spec, command};
use crate::command::cursor::{self, Page};
use crate::command::flags::ONE_KEY;
use crate::hash::Hash;
use crate::reply::{Answer, Reply};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("hget", 3, 0, ONE_KEY, |context, arguments| {
        let [key, field] = exactly(arguments)?;
        Ok(value(read(context, key)?, field))
    }),
    command("hmget", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], fields) = first(arguments)?;
        let hash = read(context, key)?;
        Ok(Reply::Array(fields.iter().map(|field| value(hash, field)).collect()))
    }),
    command("hexists", 3, 0, ONE_KEY, |context, arguments| {
        let [key, field] = exactly(arguments)?;
        Ok(Reply::flag(read(context, key)?.is_some_and(|hash| hash.contains(field))))
    }),
    command("hlen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, Hash::len)))
    }),
    command("hstrlen", 3, 0, ONE_KEY, |context, arguments| {
        let [key, field] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.and_then(|hash| hash.get(field)).map_or(0, Bytes::len)))
    }),
    command("hgetall", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let fields = read(context, key)?.into_iter().flat_map(Hash::iter);
        let pairs = fields.map(|(field, value)| (Reply::Bulk(field.clone()), Reply::Bulk(value.clone())));
        Ok(Reply::Map(pairs.collect()))
    }),
    command("hkeys", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let fields = read(context, key)?.into_iter().flat_map(Hash::iter);
        Ok(Reply::Array(fields.map(|(field, _)| Reply::Bulk(field.clone())).collect()))
    }),
    command("hvals", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let fields = read(context, key)?.into_iter().flat_map(Hash::iter);
        Ok(Reply::Array(fields.map(|(_, value)| Reply::Bulk(value.clone())).collect()))
    }),
    command("hscan", -3, 0, ONE_KEY, hscan),
];

fn hscan(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, cursor], options) = first(arguments)?;
    let cursor = cursor::parse(cursor)?;
    let now = context.now;
    let sizes = context.db()?.compact;
    let Some(value) = context.db()?.read(key, now) else { return Ok(cursor::reply(0, Vec::new())) };
    let hash = value.hash()?;
    let page = Page::parse(options, true)?;
    let (items, next) = match Page::is_whole(value, &sizes) {
        true => (hash.iter().collect(), 0),
        false => hash.walk(cursor, page.count),
    };
    let mut replies = Vec::new();
    for (field, value) in items.into_iter().filter(|(field, _)| page.selects(field)) {
        replies.push(Reply::Bulk(field.clone()));
        if !page.no_values {
            replies.push(Reply::Bulk(value.clone()));
        }
    }
    Ok(cursor::reply(next, replies))
}
