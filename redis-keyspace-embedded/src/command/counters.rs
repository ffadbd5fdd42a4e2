//! Strings that contain numbers.

use bytes::Bytes;

use super::arguments::{exactly, integer};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::number::LongDouble;
use crate::reply::{Answer, Failure, Reply};
use crate::value::Value;

pub(super) const TABLE: &[Spec] = &[
    command("incr", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        add(context, key, 1)
    }),
    command("decr", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        add(context, key, -1)
    }),
    command("incrby", 3, 0, ONE_KEY, |context, arguments| {
        let [key, by] = exactly(arguments)?;
        let by = integer(by)?;
        add(context, key, by)
    }),
    command("decrby", 3, 0, ONE_KEY, |context, arguments| {
        let [key, by] = exactly(arguments)?;
        let by = integer(by)?.checked_neg().ok_or(Failure::new("ERR decrement would overflow"))?;
        add(context, key, by)
    }),
    command("incrbyfloat", 3, 0, ONE_KEY, |context, arguments| {
        let [key, by] = exactly(arguments)?;
        let now = context.now;
        let db = context.db()?;
        let zero = Bytes::from_static(b"0");
        let before = db.read(key, now).map_or(Ok(zero), |value| value.string().cloned())?;
        let [before, by] = [&before, by].map(|text| LongDouble::parse(text).ok_or(Failure::NOT_A_FLOAT));
        let sum = before?.plus(by?);
        let sum = Bytes::from(sum.ok_or(Failure::new("ERR increment would produce NaN or Infinity"))?);
        db.put_keeping_expiry(key, Value::String(sum.clone()), now);
        db.notify(EventClasses::STRING, "incrbyfloat", key);
        Ok(Reply::Bulk(sum))
    }),
];

fn add(context: &mut Context<'_>, key: &[u8], by: i64) -> Answer {
    let now = context.now;
    let db = context.db()?;
    let before = db.read(key, now).map_or(Ok(0), |value| integer(value.string()?))?;
    let after = before.checked_add(by).ok_or(Failure::OVERFLOW)?;
    let text = Bytes::copy_from_slice(itoa::Buffer::new().format(after).as_bytes());
    db.put_keeping_expiry(key, Value::String(text), now);
    db.notify(EventClasses::STRING, "incrby", key);
    Ok(Reply::Integer(after))
}
