//! Strings.

use bytes::Bytes;

use super::arguments::{exactly, first, integer, option, pairs, range};
use super::context::{Context, Spec, command};
use super::expiry::{Unit, moment};
use super::flags::{ALL_KEYS, ONE_KEY};
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::MAX_BULK;
use crate::value::{Value, keep};

pub(super) const TABLE: &[Spec] = &[
    command("get", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        read(context, key)
    }),
    command("set", -3, 0, ONE_KEY, set),
    command("setex", 4, 0, ONE_KEY, |context, arguments| {
        set_with_expiry(context, arguments, Unit::Seconds, "setex")
    }),
    command("psetex", 4, 0, ONE_KEY, |context, arguments| {
        set_with_expiry(context, arguments, Unit::Milliseconds, "psetex")
    }),
    command("setnx", 3, 0, ONE_KEY, |context, arguments| {
        let [key, value] = exactly(arguments)?;
        let now = context.now;
        let db = context.db()?;
        if db.contains(key) {
            return Ok(Reply::Integer(0));
        }
        db.put(key, Value::String(keep(value)), None, now);
        db.notify(EventClasses::STRING, "set", key);
        Ok(Reply::Integer(1))
    }),
    command("getset", 3, 0, ONE_KEY, |context, arguments| {
        let [key, value] = exactly(arguments)?;
        let before = read(context, key)?;
        let now = context.now;
        let db = context.db()?;
        db.put(key, Value::String(keep(value)), None, now);
        db.notify(EventClasses::STRING, "set", key);
        Ok(before)
    }),
    command("getdel", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let before = read(context, key)?;
        context.db()?.remove_and_notify(key);
        Ok(before)
    }),
    command("delex", -2, 0, ONE_KEY, delex),
    command("delifeq", 3, 0, ONE_KEY, |context, arguments| {
        let [key, expected] = exactly(arguments)?;
        let is_deleted = holds(context, key, expected)?;
        if is_deleted {
            context.db()?.remove_and_notify(key);
        }
        Ok(Reply::Integer(is_deleted.into()))
    }),
    command("getex", -2, 0, ONE_KEY, getex),
    command("mget", -2, 0, ALL_KEYS, |context, keys| {
        let now = context.now;
        let db = context.db()?;
        let values = keys.iter().map(|key| match db.read(key, now) {
            Some(Value::String(data)) => Reply::Bulk(data.clone()),
            _ => Reply::Nil,
        });
        Ok(Reply::Array(values.collect()))
    }),
    command("mset", -3, 0, (1, -1, 2), |context, arguments| {
        let now = context.now;
        let pairs = pairs(arguments, "mset")?;
        let db = context.db()?;
        set_all(db, pairs, now);
        Ok(Reply::OK)
    }),
    command("msetnx", -3, 0, (1, -1, 2), |context, arguments| {
        let now = context.now;
        let pairs = pairs(arguments, "msetnx")?;
        let db = context.db()?;
        if pairs.iter().any(|[key, _]| db.contains(key)) {
            return Ok(Reply::Integer(0));
        }
        set_all(db, pairs, now);
        Ok(Reply::Integer(1))
    }),
    command("append", 3, 0, ONE_KEY, append),
    command("strlen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let now = context.now;
        Ok(Reply::count(context.db()?.read(key, now).map_or(Ok(0), |value| value.string().map(Bytes::len))?))
    }),
    command("getrange", 4, 0, ONE_KEY, getrange),
    command("substr", 4, 0, ONE_KEY, getrange),
    command("setrange", 4, 0, ONE_KEY, setrange),
];

/// Sets all keys, without a lifetime.
fn set_all(db: &mut Db, pairs: &[[Bytes; 2]], now: i64) {
    for [key, value] in pairs {
        db.put(key, Value::String(keep(value)), None, now);
        db.notify(EventClasses::STRING, "set", key);
    }
}

/// Returns the reply to GET.
fn read(context: &mut Context<'_>, key: &[u8]) -> Answer {
    let now = context.now;
    match context.db()?.read(key, now) {
        None => Ok(Reply::Nil),
        Some(value) => Ok(Reply::Bulk(value.string()?.clone())),
    }
}

/// Returns whether a key holds this string.
fn holds(context: &mut Context<'_>, key: &[u8], expected: &[u8]) -> Result<bool, Failure> {
    Ok(matches!(read(context, key)?, Reply::Bulk(data) if data == expected))
}

/// The expiry options of SET and GETEX.
#[derive(Clone, Copy)]
enum Lifetime<'a> {
    Unsaid,
    Keep,
    Persist,
    Until { unit: Unit, absolute: bool, time: &'a Bytes },
}

/// Parses an expiry option such as `EX 10`. Returns `None` for any other option.
fn lifetime<'a>(
    before: Lifetime<'a>,
    name: &[u8],
    rest: &'a [Bytes],
) -> Result<Option<(Lifetime<'a>, &'a [Bytes])>, Failure> {
    let (unit, absolute) = match name {
        b"EX" => (Unit::Seconds, false),
        b"PX" => (Unit::Milliseconds, false),
        b"EXAT" => (Unit::Seconds, true),
        b"PXAT" => (Unit::Milliseconds, true),
        _ => return Ok(None),
    };
    // The same option may occur several times, and the last one applies. Two different options are
    // an error.
    let fits = match before {
        Lifetime::Unsaid => true,
        Lifetime::Until { unit: other, absolute: also, .. } => other == unit && also == absolute,
        Lifetime::Keep | Lifetime::Persist => false,
    };
    match rest.split_first() {
        Some((time, rest)) if fits => Ok(Some((Lifetime::Until { unit, absolute, time }, rest))),
        _ => Err(Failure::SYNTAX),
    }
}

fn set(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, value], mut rest) = first(arguments)?;
    let (mut only_if_absent, mut only_if_present, mut get) = (false, false, false);
    let mut expected = None;
    let mut life = Lifetime::Unsaid;
    while let Some((name, after)) = rest.split_first() {
        rest = after;
        match option(name).as_slice() {
            b"NX" if !only_if_present && expected.is_none() => only_if_absent = true,
            b"XX" if !only_if_absent && expected.is_none() => only_if_present = true,
            b"IFEQ" if !only_if_absent && !only_if_present => {
                let (value, after) = rest.split_first().ok_or(Failure::SYNTAX)?;
                (expected, rest) = (Some(value), after);
            }
            b"GET" => get = true,
            b"KEEPTTL" if matches!(life, Lifetime::Unsaid | Lifetime::Keep) => life = Lifetime::Keep,
            name => (life, rest) = lifetime(life, name, rest)?.ok_or(Failure::SYNTAX)?,
        }
    }
    let now = context.now;
    let expires = match life {
        Lifetime::Until { unit, absolute, time } => Some(moment(now, unit, absolute, integer(time)?, "set")?),
        _ => None,
    };
    let before = if get { Some(read(context, key)?) } else { None };
    let is_expected = match expected {
        Some(expected) => holds(context, key, expected)?,
        None => true,
    };
    let db = context.db()?;
    let present = db.contains(key);
    if (only_if_absent && present) || (only_if_present && !present) || !is_expected {
        return Ok(before.unwrap_or(Reply::Nil));
    }
    let value = Value::String(keep(value));
    if matches!(life, Lifetime::Keep) {
        db.put_keeping_expiry(key, value, now);
    } else {
        db.put(key, value, expires, now);
    }
    db.notify(EventClasses::STRING, "set", key);
    if expires.is_some() {
        db.notify(EventClasses::GENERIC, "expire", key);
    }
    Ok(before.unwrap_or(Reply::OK))
}

fn set_with_expiry(context: &mut Context<'_>, arguments: &[Bytes], unit: Unit, name: &str) -> Answer {
    let [key, time, value] = exactly(arguments)?;
    let now = context.now;
    let expires = moment(now, unit, false, integer(time)?, name)?;
    let db = context.db()?;
    db.put(key, Value::String(keep(value)), Some(expires), now);
    db.notify(EventClasses::STRING, "set", key);
    db.notify(EventClasses::GENERIC, "expire", key);
    Ok(Reply::OK)
}

fn delex(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], condition) = first(arguments)?;
    let expected = match condition {
        [] => None,
        [name, expected] => Some((option(name), expected)),
        _ => return Err(Failure::new("ERR wrong number of arguments for 'delex' command")),
    };
    let now = context.now;
    match (expected, context.db()?.read(key, now)) {
        (_, None) => return Ok(Reply::Integer(0)),
        (None, Some(_)) => {}
        (Some(_), Some(value)) if value.string().is_err() => {
            return Err(Failure::new("ERR Key should be of string type if conditions are specified"));
        }
        (Some((name, expected)), Some(_)) => match name.as_slice() {
            b"IFEQ" => {
                if !holds(context, key, expected)? {
                    return Ok(Reply::Integer(0));
                }
            }
            // Digests are not supported.
            _ => return Err(Failure::new("ERR Invalid condition. Use IFEQ")),
        },
    }
    context.db()?.remove_and_notify(key);
    Ok(Reply::Integer(1))
}

fn getex(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], mut rest) = first(arguments)?;
    let mut life = Lifetime::Unsaid;
    while let Some((name, after)) = rest.split_first() {
        rest = after;
        match option(name).as_slice() {
            b"PERSIST" if matches!(life, Lifetime::Unsaid | Lifetime::Persist) => life = Lifetime::Persist,
            name => (life, rest) = lifetime(life, name, rest)?.ok_or(Failure::SYNTAX)?,
        }
    }
    let reply = read(context, key)?;
    if reply == Reply::Nil {
        return Ok(reply);
    }
    let now = context.now;
    match life {
        Lifetime::Until { unit, absolute, time } => {
            let expires = moment(now, unit, absolute, integer(time)?, "getex")?;
            let db = context.db()?;
            if expires <= now {
                db.remove_and_notify(key);
            } else {
                db.set_expiry(key, Some(expires));
                db.notify(EventClasses::GENERIC, "expire", key);
            }
        }
        Lifetime::Persist if context.db()?.expires(key).is_some() => {
            let db = context.db()?;
            db.set_expiry(key, None);
            db.notify(EventClasses::GENERIC, "persist", key);
        }
        _ => {}
    }
    Ok(reply)
}

fn too_long(len: usize) -> Result<(), Failure> {
    if i64::try_from(len).unwrap_or(i64::MAX) <= MAX_BULK {
        return Ok(());
    }
    Err(Failure::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
}

fn append(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [key, addition] = exactly(arguments)?;
    let now = context.now;
    let db = context.db()?;
    let before = db.read(key, now).map_or(Ok(Bytes::new()), |value| value.string().cloned())?;
    too_long(before.len().saturating_add(addition.len()))?;
    let joined = Bytes::from([before, addition.clone()].concat());
    let length = joined.len();
    db.put_keeping_expiry(key, Value::String(joined), now);
    db.notify(EventClasses::STRING, "append", key);
    Ok(Reply::count(length))
}

fn getrange(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [key, start, stop] = exactly(arguments)?;
    let (start, stop) = (integer(start)?, integer(stop)?);
    let now = context.now;
    let Some(value) = context.db()?.read(key, now) else { return Ok(Reply::text("")) };
    let data = value.string()?;
    if start < 0 && stop < 0 && start > stop {
        return Ok(Reply::text(""));
    }
    // Unlike in other commands, an end before the start of the string selects the first byte.
    let count = i64::try_from(data.len()).unwrap_or(i64::MAX);
    let stop = if stop < 0 { count.saturating_add(stop).max(0) } else { stop };
    Ok(Reply::Bulk(data.slice(range(start, stop, data.len()))))
}

fn setrange(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [key, offset, part] = exactly(arguments)?;
    let offset = integer(offset)?;
    let offset = usize::try_from(offset).map_err(|_| Failure::new("ERR offset is out of range"))?;
    let now = context.now;
    let db = context.db()?;
    let before = db.read(key, now).map_or(Ok(Bytes::new()), |value| value.string().cloned())?;
    if part.is_empty() {
        return Ok(Reply::count(before.len()));
    }
    let end = offset.saturating_add(part.len());
    too_long(end)?;
    let mut data = before.to_vec();
    data.resize(data.len().max(end), 0);
    if let Some(target) = data.get_mut(offset..end) {
        target.copy_from_slice(part);
    }
    let length = data.len();
    db.put_keeping_expiry(key, Value::String(data.into()), now);
    db.notify(EventClasses::STRING, "setrange", key);
    Ok(Reply::count(length))
}
