//! EXPIRE, TTL and their variants.

use bytes::Bytes;

use super::arguments::{exactly, first, integer, option};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("expire", -3, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Seconds, false, "expire")
    }),
    command("pexpire", -3, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Milliseconds, false, "pexpire")
    }),
    command("expireat", -3, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Seconds, true, "expireat")
    }),
    command("pexpireat", -3, 0, ONE_KEY, |context, arguments| {
        expire(context, arguments, Unit::Milliseconds, true, "pexpireat")
    }),
    command("ttl", 2, 0, ONE_KEY, |context, arguments| {
        let now = context.now;
        // Rounded to the nearest second, as on a real server.
        report(context, arguments, |at| nearest_second(at.saturating_sub(now)))
    }),
    command("pttl", 2, 0, ONE_KEY, |context, arguments| {
        let now = context.now;
        report(context, arguments, |at| at.saturating_sub(now))
    }),
    command("expiretime", 2, 0, ONE_KEY, |context, arguments| report(context, arguments, nearest_second)),
    command("pexpiretime", 2, 0, ONE_KEY, |context, arguments| report(context, arguments, |at| at)),
    command("persist", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let db = context.db()?;
        db.touch(key);
        let expiring = db.expires(key).is_some();
        if expiring {
            db.set_expiry(key, None);
            db.notify(EventClasses::GENERIC, "persist", key);
        }
        Ok(Reply::flag(expiring))
    }),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    pub(super) fn to_milliseconds(self, time: i64) -> Option<i64> {
        match self {
            Self::Seconds => time.checked_mul(1000),
            Self::Milliseconds => Some(time),
        }
    }
}

/// Returns the expiry for an option such as `EX 10` or `PXAT 1700000000000`. SET and its variants
/// reject times of 0 or less.
pub(super) fn moment(now: i64, unit: Unit, absolute: bool, time: i64, command: &str) -> Result<i64, Failure> {
    let base = if absolute { 0 } else { now };
    let time = Some(time).filter(|&time| time > 0).and_then(|time| unit.to_milliseconds(time));
    time.and_then(|time| time.checked_add(base)).ok_or_else(|| Failure::expire_time(command))
}

fn nearest_second(milliseconds: i64) -> i64 {
    milliseconds / 1000 + i64::from(milliseconds % 1000 >= 500)
}

/// The conditions of EXPIRE.
#[derive(Default)]
struct ExpireConditions {
    none: bool,
    some: bool,
    greater: bool,
    less: bool,
}

impl ExpireConditions {
    fn parse(arguments: &[Bytes]) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for argument in arguments {
            match option(argument).as_slice() {
                b"NX" => conditions.none = true,
                b"XX" => conditions.some = true,
                b"GT" => conditions.greater = true,
                b"LT" => conditions.less = true,
                _ => return Err(Failure::quoting("ERR Unsupported option ", argument, "")),
            }
        }
        if conditions.none && (conditions.some || conditions.greater || conditions.less) {
            return Err(Failure::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if conditions.greater && conditions.less {
            return Err(Failure::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether the expiry may change from `before` to `after`. No expiry counts as infinite.
    fn allow(&self, before: Option<i64>, after: i64) -> bool {
        !(self.none && before.is_some()
            || self.some && before.is_none()
            || self.greater && before.is_none_or(|before| after <= before)
            || self.less && before.is_some_and(|before| after >= before))
    }
}

fn expire(context: &mut Context<'_>, arguments: &[Bytes], unit: Unit, absolute: bool, name: &str) -> Answer {
    let ([key, time], options) = first(arguments)?;
    let conditions = ExpireConditions::parse(options)?;
    let base = if absolute { 0 } else { context.now };
    let at = unit.to_milliseconds(integer(time)?).and_then(|time| time.checked_add(base));
    let at = at.ok_or_else(|| Failure::expire_time(name))?;
    let now = context.now;
    let db = context.db()?;
    db.touch(key);
    if !db.contains(key) || !conditions.allow(db.expires(key), at) {
        return Ok(Reply::Integer(0));
    }
    if at <= now {
        db.remove_and_notify(key);
    } else {
        db.set_expiry(key, Some(at));
        db.notify(EventClasses::GENERIC, "expire", key);
    }
    Ok(Reply::Integer(1))
}

/// Replies with -2 if the key does not exist, -1 if it has no expiry, and otherwise with `of`
/// applied to the expiry.
fn report(context: &mut Context<'_>, arguments: &[Bytes], of: impl Fn(i64) -> i64) -> Answer {
    let [key] = exactly(arguments)?;
    let db = context.db()?;
    Ok(Reply::Integer(match db.entry(key) {
        None => -2,
        Some(entry) => entry.expires.map_or(-1, of),
    }))
}
