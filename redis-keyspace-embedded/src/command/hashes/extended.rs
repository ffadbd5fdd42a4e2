//! Commands that read or write fields together with their expiry: HGETDEL, HGETEX and HSETEX.

use bytes::Bytes;

use super::access::value;
use super::fields::{counted, fields_only, moment};
use crate::command::arguments::{first, option};
use crate::command::context::{Context, Spec, command};
use crate::command::expiry::Unit;
use crate::command::flags::ONE_KEY;
use crate::hash::Hash;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{Value, keep};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("hgetdel", -5, 0, ONE_KEY, |context, arguments| {
        let ([key], rest) = first(arguments)?;
        let db = context.db()?;
        let hash = db.value_mut(key).map(|value| value.hash_mut()).transpose()?;
        let fields = fields_only(rest)?;
        let Some(hash) = hash else { return Ok(nils(fields)) };
        let replies: Vec<Reply> = fields.iter().map(|field| Reply::bulk_or_nil(hash.remove(field))).collect();
        if replies.iter().any(|reply| *reply != Reply::Nil) {
            db.notify(EventClasses::HASH, "hdel", key);
            db.settle(key);
        }
        Ok(Reply::Array(replies))
    }),
    command("hgetex", -5, 0, ONE_KEY, hgetex),
    command("hsetex", -6, 0, ONE_KEY, hsetex),
];

fn nils(fields: &[Bytes]) -> Reply {
    Reply::Array(vec![Reply::Nil; fields.len()])
}

/// What happens to the expiry of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldLifetime {
    Until(i64),
    Persist,
    Keep,
}

/// Which fields must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    NoField,
    AllFields,
}

/// The options of HGETEX and HSETEX, in any order.
#[derive(Debug, Default)]
struct FieldOptions<'a> {
    lifetime: Option<FieldLifetime>,
    presence: Option<Presence>,
    fields: Option<&'a [Bytes]>,
}

impl<'a> FieldOptions<'a> {
    fn parse(mut rest: &'a [Bytes], now: i64, writes: bool) -> Result<Self, Failure> {
        let command = if writes { "hsetex" } else { "hgetex" };
        let mut options = Self::default();
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            let word = option(name);
            match word.as_slice() {
                b"FIELDS" => {
                    if options.fields.is_some() {
                        return Err(Failure::new("ERR FIELDS keyword specified multiple times"));
                    }
                    let width = if writes { 2 } else { 1 };
                    let fields;
                    (fields, rest) = counted(rest, width, "ERR invalid number of fields")?;
                    options.fields = Some(fields);
                }
                b"EX" | b"PX" | b"EXAT" | b"PXAT" => {
                    options.check_single_lifetime(writes)?;
                    let unit = if word.first() == Some(&b'E') { Unit::Seconds } else { Unit::Milliseconds };
                    let (time, after) = rest.split_first().ok_or(Failure::new("ERR missing expire time"))?;
                    rest = after;
                    let at = moment(now, unit, word.ends_with(b"AT"), time, command)?;
                    options.lifetime = Some(FieldLifetime::Until(at));
                }
                b"PERSIST" | b"KEEPTTL" => {
                    let lifetime = match (word.as_slice(), writes) {
                        (b"PERSIST", false) => FieldLifetime::Persist,
                        (b"KEEPTTL", true) => FieldLifetime::Keep,
                        _ => return Err(Failure::new("ERR unknown argument")),
                    };
                    options.check_single_lifetime(writes)?;
                    options.lifetime = Some(lifetime);
                }
                b"FNX" | b"FXX" if writes => {
                    if options.presence.is_some() {
                        return Err(Failure::new("ERR Only one of FXX or FNX arguments can be specified"));
                    }
                    let presence = if word == b"FNX" { Presence::NoField } else { Presence::AllFields };
                    options.presence = Some(presence);
                }
                _ => return Err(Failure::quoting("ERR unknown argument: ", name, "")),
            }
        }
        Ok(options)
    }

    fn check_single_lifetime(&self, writes: bool) -> Result<(), Failure> {
        if self.lifetime.is_none() {
            return Ok(());
        }
        let last = if writes { "KEEPTTL" } else { "PERSIST" };
        Err(Failure::text(format!("ERR Only one of EX, PX, EXAT, PXAT or {last} arguments can be specified")))
    }

    fn fields(&self) -> Result<&'a [Bytes], Failure> {
        self.fields.ok_or(Failure::new("ERR missing FIELDS argument"))
    }
}

fn hgetex(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let now = context.now;
    let db = context.db()?;
    let hash = db.value_mut(key).map(|value| value.hash_mut()).transpose()?;
    let options = FieldOptions::parse(rest, now, false)?;
    let fields = options.fields()?;
    let Some(hash) = hash else { return Ok(nils(fields)) };
    let mut replies = Vec::with_capacity(fields.len());
    let mut event = None;
    for field in fields {
        replies.push(value(Some(hash), field));
        let present = hash.contains(field);
        match options.lifetime {
            Some(FieldLifetime::Until(at)) if present => {
                expire_at(hash, field, at, now);
                event = Some(lifetime_event(at, now));
            }
            Some(FieldLifetime::Persist) if hash.expiry(field).is_some() => {
                hash.set_expiry(field, None);
                event = Some("hpersist");
            }
            _ => {}
        }
    }
    if let Some(event) = event {
        db.notify(EventClasses::HASH, event, key);
        db.settle(key);
    }
    Ok(Reply::Array(replies))
}

/// Returns the event of [`expire_at`].
fn lifetime_event(at: i64, now: i64) -> &'static str {
    if at <= now { "hdel" } else { "hexpire" }
}

/// Sets the expiry of a field. Removes the field if the time has passed.
fn expire_at(hash: &mut Hash, field: &[u8], at: i64, now: i64) {
    if at <= now {
        hash.remove(field);
    } else {
        hash.set_expiry(field, Some(at));
    }
}

fn hsetex(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let now = context.now;
    let options = FieldOptions::parse(rest, now, true)?;
    let (pairs, _) = options.fields()?.as_chunks::<2>();
    let db = context.db()?;
    let present = match db.entry(key) {
        None => 0,
        Some(entry) => {
            let hash = entry.value.hash()?;
            pairs.iter().filter(|[field, _]| hash.contains(field)).count()
        }
    };
    let allowed = match options.presence {
        None => true,
        Some(Presence::NoField) => present == 0,
        Some(Presence::AllFields) => present == pairs.len(),
    };
    if !allowed {
        return Ok(Reply::Integer(0));
    }
    if let Some(value) = db.value_or(key, Value::Hash(Hash::default()), now) {
        let hash = value.hash_mut()?;
        for [field, value] in pairs {
            if options.lifetime == Some(FieldLifetime::Keep) {
                hash.insert_keeping_expiry(field, keep(value));
            } else {
                hash.insert(field, keep(value));
            }
            if let Some(FieldLifetime::Until(at)) = options.lifetime {
                expire_at(hash, field, at, now);
            }
        }
    }
    db.notify(EventClasses::HASH, "hset", key);
    if let Some(FieldLifetime::Until(at)) = options.lifetime {
        db.notify(EventClasses::HASH, lifetime_event(at, now), key);
    }
    db.settle(key);
    Ok(Reply::Integer(1))
}
