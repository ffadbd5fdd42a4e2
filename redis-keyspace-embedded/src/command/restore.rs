//! DUMP and RESTORE.

use bytes::Bytes;

use super::arguments::{exactly, first, integer, option};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::payload::{PayloadError, decode, encode};
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("dump", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let now = context.now;
        Ok(context.db()?.read(key, now).map_or(Reply::Nil, |value| Reply::bulk(encode(value))))
    }),
    command("restore", -4, 0, ONE_KEY, restore),
];

#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    idle: Option<i64>,
    has_frequency: bool,
}

impl RestoreOptions {
    fn parse(mut rest: &[Bytes]) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            match (option(name).as_slice(), after) {
                (b"REPLACE", _) => options.replace = true,
                (b"ABSTTL", _) => options.absolute = true,
                (b"IDLETIME", [idle, after @ ..]) if !options.has_frequency => {
                    let idle = integer(idle)?;
                    if idle < 0 {
                        return Err(Failure::new("ERR Invalid IDLETIME value, must be >= 0"));
                    }
                    options.idle = Some(idle);
                    rest = after;
                }
                // Accesses are not counted, so the frequency is only checked.
                (b"FREQ", [frequency, after @ ..]) if options.idle.is_none() => {
                    if !(0..=255).contains(&integer(frequency)?) {
                        return Err(Failure::new("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                    }
                    options.has_frequency = true;
                    rest = after;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }
}

fn restore(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, ttl, payload], rest) = first(arguments)?;
    let options = RestoreOptions::parse(rest)?;
    let now = context.now;
    let db = context.db()?;
    if !options.replace && db.contains(key) {
        return Err(Failure::new("BUSYKEY Target key name already exists."));
    }
    let ttl = integer(ttl)?;
    if ttl < 0 {
        return Err(Failure::new("ERR Invalid TTL value, must be >= 0"));
    }
    let value = decode(payload).map_err(|error| match error {
        PayloadError::Foreign => Failure::new("ERR DUMP payload version or checksum are wrong"),
        PayloadError::Malformed => Failure::new("ERR Bad data format"),
    })?;
    let base = if options.absolute { 0 } else { now };
    let expires = (ttl > 0).then(|| ttl.saturating_add(base));
    if expires.is_some_and(|at| at <= now) {
        db.remove_and_notify(key);
        return Ok(Reply::OK);
    }
    let idle = options.idle.unwrap_or_default().saturating_mul(1000);
    db.remove(key);
    db.put(key, value, expires, now.saturating_sub(idle));
    db.notify(EventClasses::GENERIC, "restore", key);
    Ok(Reply::OK)
}
