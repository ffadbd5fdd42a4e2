//! The expiry of fields: HEXPIRE, HTTL, HPERSIST and their variants.

use bytes::Bytes;

use super::access::read;
use super::fields::{Condition, counted, fields_only, moment};
use crate::command::arguments::{first, option};
use crate::command::context::{Context, Spec, command};
use crate::command::expiry::Unit;
use crate::command::flags::ONE_KEY;
use crate::hash::Hash;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("hexpire", -6, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Seconds, false, "hexpire")
    }),
    command("hpexpire", -6, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Milliseconds, false, "hpexpire")
    }),
    command("hexpireat", -6, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Seconds, true, "hexpireat")
    }),
    command("hpexpireat", -6, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Milliseconds, true, "hpexpireat")
    }),
    command("httl", -5, 0, ONE_KEY, |context, arguments| {
        let now = context.now;
        report(context, arguments, |at| seconds(at.saturating_sub(now)))
    }),
    command("hpttl", -5, 0, ONE_KEY, |context, arguments| {
        let now = context.now;
        report(context, arguments, |at| at.saturating_sub(now))
    }),
    command("hexpiretime", -5, 0, ONE_KEY, |context, arguments| report(context, arguments, seconds)),
    command("hpexpiretime", -5, 0, ONE_KEY, |context, arguments| report(context, arguments, |at| at)),
    command("hpersist", -5, 0, ONE_KEY, |context, arguments| {
        let ([key], rest) = first(arguments)?;
        let db = context.db()?;
        let hash = db.value_mut(key).map(|value| value.hash_mut()).transpose()?;
        let fields = fields_only(rest)?;
        let Some(hash) = hash else { return Ok(missing(fields)) };
        let mut changed = false;
        let persist = |field: &Bytes| match (hash.contains(field), hash.expiry(field)) {
            (false, _) => Reply::Integer(-2),
            (true, None) => Reply::Integer(-1),
            (true, Some(_)) => {
                hash.set_expiry(field, None);
                changed = true;
                Reply::Integer(1)
            }
        };
        let replies = fields.iter().map(persist).collect();
        if changed {
            db.notify(EventClasses::HASH, "hpersist", key);
            db.settle(key);
        }
        Ok(Reply::Array(replies))
    }),
];

/// Rounds up to whole seconds.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds.saturating_add(999) / 1000
}

/// The reply for the fields of a key that does not exist.
fn missing(fields: &[Bytes]) -> Reply {
    Reply::Array(vec![Reply::Integer(-2); fields.len()])
}

/// Replies per field with -2 if it does not exist, -1 if it has no expiry, and otherwise with `of`
/// applied to the expiry.
fn report(context: &mut Context<'_>, arguments: &[Bytes], of: impl Fn(i64) -> i64) -> Answer {
    let ([key], rest) = first(arguments)?;
    let hash = read(context, key)?;
    let fields = fields_only(rest)?;
    let Some(hash) = hash else { return Ok(missing(fields)) };
    let time = |field: &Bytes| match hash.contains(field) {
        false => Reply::Integer(-2),
        true => Reply::Integer(hash.expiry(field).map_or(-1, &of)),
    };
    Ok(Reply::Array(fields.iter().map(time).collect()))
}

/// Parses the options of HEXPIRE: a condition and the fields, in any order.
fn options(mut rest: &[Bytes]) -> Result<(Option<Condition>, &[Bytes]), Failure> {
    let (mut condition, mut fields, mut is_ambiguous) = (None, None, false);
    while let Some((name, after)) = rest.split_first() {
        rest = after;
        let word = option(name);
        if word == b"FIELDS" {
            if fields.is_some() {
                return Err(Failure::new("ERR FIELDS keyword specified multiple times"));
            }
            if rest.len() < 2 {
                return Err(Failure::new("ERR FIELDS requires at least numfields and one field argument"));
            }
            let found;
            (found, rest) = counted(rest, 1, "ERR Parameter `numFields` should be greater than 0")?;
            fields = Some(found);
        } else if let Some(found) = Condition::parse(&word) {
            is_ambiguous |= condition.is_some_and(|condition| condition != found);
            condition = Some(found);
        } else {
            return Err(Failure::quoting("ERR unknown argument: ", name, ""));
        }
    }
    let fields = fields.ok_or(Failure::new("ERR missing FIELDS argument"))?;
    if is_ambiguous {
        return Err(Failure::new("ERR Multiple condition flags specified"));
    }
    Ok((condition, fields))
}

fn expire(context: &mut Context<'_>, arguments: &[Bytes], unit: Unit, absolute: bool, name: &str) -> Answer {
    let ([key, time], rest) = first(arguments)?;
    let now = context.now;
    let db = context.db()?;
    let hash = db.value_mut(key).map(|value| value.hash_mut()).transpose()?;
    let at = moment(now, unit, absolute, time, name)?;
    let (condition, fields) = options(rest)?;
    let Some(hash) = hash else { return Ok(missing(fields)) };
    let replies: Vec<Reply> =
        fields.iter().map(|field| expire_field(hash, field, at, condition, now)).collect();
    if replies.iter().any(|reply| matches!(reply, Reply::Integer(1 | 2))) {
        let event = if at <= now { "hdel" } else { "hexpire" };
        db.notify(EventClasses::HASH, event, key);
        db.settle(key);
    }
    Ok(Reply::Array(replies))
}

fn expire_field(hash: &mut Hash, field: &Bytes, at: i64, condition: Option<Condition>, now: i64) -> Reply {
    if !hash.contains(field) {
        return Reply::Integer(-2);
    }
    if condition.is_some_and(|condition| !condition.allows(hash.expiry(field), at)) {
        return Reply::Integer(0);
    }
    if at <= now {
        hash.remove(field);
        return Reply::Integer(2);
    }
    hash.set_expiry(field, Some(at));
    Reply::Integer(1)
}
