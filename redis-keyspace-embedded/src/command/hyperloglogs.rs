//! HyperLogLogs.

use bytes::Bytes;

use super::arguments::first;
use super::context::{Context, Spec, command};
use super::flags::{ALL_KEYS, ONE_KEY};
use crate::hyperloglog::{HyperLogLog, Invalid};
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::Value;

pub(super) const TABLE: &[Spec] = &[
    command("pfadd", -2, 0, ONE_KEY, |context, arguments| {
        let ([key], elements) = first(arguments)?;
        let known = read(context, key)?;
        let is_new = known.is_none();
        let mut log = known.unwrap_or_default();
        let changed = elements.iter().filter(|element| log.add(element)).count();
        if is_new || changed > 0 {
            let now = context.now;
            let db = context.db()?;
            db.put_keeping_expiry(key, Value::String(log.to_bytes()), now);
            db.notify(EventClasses::STRING, "pfadd", key);
        }
        Ok(Reply::flag(is_new || changed > 0))
    }),
    command("pfcount", -2, 0, ALL_KEYS, |context, keys| match keys {
        [key] => pfcount(context, key),
        keys => Ok(Reply::Integer(union(context, keys)?.count())),
    }),
    command("pfmerge", -2, 0, ALL_KEYS, pfmerge),
];

fn read(context: &mut Context<'_>, key: &[u8]) -> Result<Option<HyperLogLog>, Failure> {
    let now = context.now;
    let Some(value) = context.db()?.read(key, now) else { return Ok(None) };
    HyperLogLog::parse(value.string()?).map(Some).map_err(|invalid| match invalid {
        Invalid::Other => Failure::new("WRONGTYPE Key is not a valid HyperLogLog string value."),
        Invalid::Corrupted => Failure::new("INVALIDOBJ Corrupted HLL object detected"),
    })
}

/// Estimates one HyperLogLog. The estimate is stored in it, which counts as a change.
fn pfcount(context: &mut Context<'_>, key: &[u8]) -> Answer {
    let Some(log) = read(context, key)? else { return Ok(Reply::Integer(0)) };
    let now = context.now;
    let db = context.db()?;
    let data = db.entry(key).map(|entry| entry.value.string().cloned()).transpose()?.unwrap_or_default();
    if let Some(count) = HyperLogLog::cached(&data) {
        return Ok(Reply::Integer(count));
    }
    let count = log.count();
    db.put_keeping_expiry(key, Value::String(HyperLogLog::with_cache(&data, count)), now);
    Ok(Reply::Integer(count))
}

fn union(context: &mut Context<'_>, keys: &[Bytes]) -> Result<HyperLogLog, Failure> {
    let mut union = HyperLogLog::default();
    for key in keys {
        if let Some(log) = read(context, key)? {
            union.merge(&log);
        }
    }
    Ok(union)
}

/// The target is one of the sources.
fn pfmerge(context: &mut Context<'_>, keys: &[Bytes]) -> Answer {
    let ([target], _) = first(keys)?;
    let union = union(context, keys)?;
    let now = context.now;
    let db = context.db()?;
    db.put_keeping_expiry(target, Value::String(union.to_bytes()), now);
    db.notify(EventClasses::STRING, "pfadd", target);
    Ok(Reply::OK)
}
