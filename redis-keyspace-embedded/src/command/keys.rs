//! Keys of any type.

use bytes::Bytes;

use super::arguments::{database, exactly, first, integer, option};
use super::context::{Context, Spec, command};
use super::cursor;
use super::flags::{ALL_KEYS, CONTAINER, NO_KEYS, ONE_KEY, TWO_KEYS};
use crate::db::{Db, Entry};
use crate::glob;
use crate::notices::EventClasses;
use crate::number::parse_i64;
use crate::reply::{Answer, Failure, Reply};
use crate::value::Value;

const SECOND_WORD: (i64, i64, i64) = (2, 2, 1);

pub(super) const TABLE: &[Spec] = &[
    command("del", -2, 0, ALL_KEYS, delete),
    command("unlink", -2, 0, ALL_KEYS, delete),
    command("exists", -2, 0, ALL_KEYS, |context, keys| {
        let db = context.db()?;
        Ok(Reply::count(keys.iter().filter(|key| db.contains(key)).count()))
    }),
    command("touch", -2, 0, ALL_KEYS, |context, keys| {
        let now = context.now;
        let db = context.db()?;
        Ok(Reply::count(keys.iter().filter(|key| db.read(key, now).is_some()).count()))
    }),
    command("type", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::status(context.db()?.entry(key).map_or("none", |entry| entry.value.kind())))
    }),
    command("keys", 2, 0, NO_KEYS, |context, arguments| {
        let [pattern] = exactly(arguments)?;
        let db = context.db()?;
        let found = db.iter().filter(|(key, _)| glob::matches(pattern, key));
        Ok(Reply::Array(found.map(|(key, _)| Reply::Bulk(key.clone())).collect()))
    }),
    command("scan", -2, 0, NO_KEYS, scan),
    command("randomkey", 1, 0, NO_KEYS, |context, _| {
        let place = context.state.next_random();
        Ok(Reply::bulk_or_nil(context.db()?.key_near(place).cloned()))
    }),
    command("rename", 3, 0, TWO_KEYS, |context, arguments| {
        let [from, to] = exactly(arguments)?;
        let now = context.now;
        rename(context.db()?, from, to, now)?;
        Ok(Reply::OK)
    }),
    command("renamenx", 3, 0, TWO_KEYS, |context, arguments| {
        let [from, to] = exactly(arguments)?;
        let now = context.now;
        let db = context.db()?;
        if db.contains(from) && db.contains(to) {
            return Ok(Reply::Integer(0));
        }
        rename(db, from, to, now)?;
        Ok(Reply::Integer(1))
    }),
    command("copy", -3, 0, TWO_KEYS, copy),
    command("move", 3, 0, ONE_KEY, move_key),
    command("object", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("object|encoding", 3, 0, SECOND_WORD, |context, arguments| {
        let sizes = context.db()?.compact;
        object(context, arguments, |entry, _| Reply::text(entry.value.encoding(&sizes)))
    }),
    command("object|refcount", 3, 0, SECOND_WORD, |context, arguments| {
        object(context, arguments, |entry, _| Reply::Integer(references(entry)))
    }),
    command("object|idletime", 3, 0, SECOND_WORD, |context, arguments| {
        let reply =
            object(context, arguments, |entry, now| Reply::Integer(now.saturating_sub(entry.used) / 1000));
        // As on a real server, the type of the policy matters only for an existing key.
        match reply? {
            Reply::Integer(_) if counts_accesses(context) => Err(Failure::new(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust.",
            )),
            reply => Ok(reply),
        }
    }),
    command("object|freq", 3, 0, SECOND_WORD, |context, arguments| {
        match object(context, arguments, |_, _| Reply::OK)? {
            Reply::Nil => Ok(Reply::Nil),
            _ if counts_accesses(context) => {
                Err(Failure::new("ERR the embedded server does not count accesses for OBJECT FREQ"))
            }
            _ => Err(Failure::new(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            )),
        }
    }),
];

/// Returns the number of references to a value. A real server shares the small integers.
fn references(entry: &Entry) -> i64 {
    match &entry.value {
        Value::String(text) if parse_i64(text).is_some_and(|number| (0..10_000).contains(&number)) => {
            i64::from(i32::MAX)
        }
        _ => 1,
    }
}

/// Whether `maxmemory-policy` is one that counts accesses.
fn counts_accesses(context: &Context<'_>) -> bool {
    context.state.config.get("maxmemory-policy").is_some_and(|policy| policy.ends_with(b"lfu"))
}

fn delete(context: &mut Context<'_>, keys: &[Bytes]) -> Answer {
    let db = context.db()?;
    Ok(Reply::count(keys.iter().filter(|key| db.remove_and_notify(key).is_some()).count()))
}

fn rename(db: &mut Db, from: &[u8], to: &[u8], now: i64) -> Result<(), Failure> {
    if !db.contains(from) {
        return Err(Failure::NO_SUCH_KEY);
    }
    if from == to {
        return Ok(());
    }
    if let Some(entry) = db.remove(from) {
        db.remove(to);
        db.put(to, entry.value, entry.expires, now);
        db.notify(EventClasses::GENERIC, "rename_from", from);
        db.notify(EventClasses::GENERIC, "rename_to", to);
    }
    Ok(())
}

fn copy(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([from, to], mut rest) = first(arguments)?;
    let source = context.client.db;
    let (mut target, mut replace) = (source, false);
    while let Some((name, after)) = rest.split_first() {
        rest = match (option(name).as_slice(), after) {
            (b"REPLACE", _) => {
                replace = true;
                after
            }
            (b"DB", [index, after @ ..]) => {
                target = database(index, context.state.dbs.len())?;
                after
            }
            _ => return Err(Failure::SYNTAX),
        };
    }
    if source == target && from == to {
        return Err(Failure::new("ERR source and destination objects are the same"));
    }
    let now = context.now;
    let db = context.db()?;
    db.touch(from);
    let Some(Entry { value, expires, .. }) = db.entry(from).cloned() else {
        return Ok(Reply::Integer(0));
    };
    let target = context.db_at(target)?;
    if target.contains(to) && !replace {
        return Ok(Reply::Integer(0));
    }
    target.remove(to);
    target.put(to, value, expires, now);
    target.notify(EventClasses::GENERIC, "copy_to", to);
    Ok(Reply::Integer(1))
}

fn move_key(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [key, index] = exactly(arguments)?;
    if context.shared.is_cluster {
        return Err(Failure::new("ERR MOVE is not allowed in cluster mode"));
    }
    let (source, now) = (context.client.db, context.now);
    let target = database(index, context.state.dbs.len())?;
    if source == target {
        return Err(Failure::new("ERR source and destination objects are the same"));
    }
    if !context.db()?.contains(key) || context.db_at(target)?.contains(key) {
        return Ok(Reply::Integer(0));
    }
    let Some(Entry { value, expires, .. }) = context.db()?.remove(key) else {
        return Ok(Reply::Integer(0));
    };
    context.db_at(target)?.put(key, value, expires, now);
    // Each event is sent at once, because otherwise the databases decide the order.
    context.publish_notices();
    context.db()?.notify(EventClasses::GENERIC, "move_from", key);
    context.publish_notices();
    context.db_at(target)?.notify(EventClasses::GENERIC, "move_to", key);
    Ok(Reply::Integer(1))
}

fn object(context: &mut Context<'_>, arguments: &[Bytes], of: impl Fn(&Entry, i64) -> Reply) -> Answer {
    let [key] = exactly(arguments)?;
    let now = context.now;
    Ok(context.db()?.entry(key).map_or(Reply::Nil, |entry| of(entry, now)))
}

fn scan(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([cursor], mut rest) = first(arguments)?;
    let cursor = cursor::parse(cursor)?;
    let (mut pattern, mut count, mut kind) = (None, 10_usize, None);
    while !rest.is_empty() {
        let ([name, value], after) = first(rest)?;
        match option(name).as_slice() {
            b"MATCH" => pattern = Some(value),
            b"COUNT" => {
                let number = integer(value)?;
                count = usize::try_from(number).ok().filter(|&count| count > 0).ok_or(Failure::SYNTAX)?;
            }
            b"TYPE" => kind = Some(value),
            _ => return Err(Failure::SYNTAX),
        }
        rest = after;
    }
    let (page, next) = context.db()?.walk(cursor, count);
    let fits = |key: &[u8], entry: &Entry| {
        pattern.is_none_or(|pattern| glob::matches(pattern, key))
            && kind.is_none_or(|kind| kind.eq_ignore_ascii_case(entry.value.kind().as_bytes()))
    };
    let keys = page.into_iter().filter(|(key, entry)| fits(key, entry));
    let keys = keys.map(|(key, _)| Reply::Bulk(key.clone())).collect();
    Ok(cursor::reply(next, keys))
}
