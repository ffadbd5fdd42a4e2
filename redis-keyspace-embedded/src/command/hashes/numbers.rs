//! Fields that contain numbers.

use bytes::Bytes;

use crate::command::arguments::{exactly, integer};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::hash::Hash;
use crate::notices::EventClasses;
use crate::number::{LongDouble, parse_i64};
use crate::reply::{Answer, Failure, Reply};
use crate::value::{Value, keep};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("hincrby", 4, 0, ONE_KEY, |context, arguments| {
        let [key, field, by] = exactly(arguments)?;
        let by = integer(by)?;
        let sum = |before: Option<&Bytes>| {
            let before = before.map_or(Some(0), |text| parse_i64(text));
            let before = before.ok_or(Failure::new("ERR hash value is not an integer"))?;
            let after = before.checked_add(by).ok_or(Failure::OVERFLOW)?;
            Ok((Reply::Integer(after), Bytes::from(after.to_string())))
        };
        update(context, key, field, "hincrby", sum)
    }),
    command("hincrbyfloat", 4, 0, ONE_KEY, |context, arguments| {
        let [key, field, by] = exactly(arguments)?;
        let by = LongDouble::parse(by).ok_or(Failure::NOT_A_FLOAT)?;
        if by.is_infinite() {
            return Err(Failure::new("ERR value is NaN or Infinity"));
        }
        let sum = |before: Option<&Bytes>| {
            let before = LongDouble::parse(before.map_or(b"0", |text| text));
            let before = before.ok_or(Failure::new("ERR hash value is not a float"))?;
            let after = before.plus(by);
            let after =
                Bytes::from(after.ok_or(Failure::new("ERR increment would produce NaN or Infinity"))?);
            Ok((Reply::Bulk(after.clone()), after))
        };
        update(context, key, field, "hincrbyfloat", sum)
    }),
];

/// Replaces the value of a field, which keeps its expiry.
fn update(
    context: &mut Context<'_>,
    key: &[u8],
    field: &[u8],
    event: &'static str,
    of: impl FnOnce(Option<&Bytes>) -> Result<(Reply, Bytes), Failure>,
) -> Answer {
    let now = context.now;
    let db = context.db()?;
    let before = db.entry(key).map(|entry| entry.value.hash()).transpose()?.and_then(|hash| hash.get(field));
    let (reply, after) = of(before)?;
    if let Some(value) = db.value_or(key, Value::Hash(Hash::default()), now) {
        value.hash_mut()?.insert_keeping_expiry(field, keep(&after));
    }
    db.notify(EventClasses::HASH, event, key);
    db.settle(key);
    Ok(reply)
}
