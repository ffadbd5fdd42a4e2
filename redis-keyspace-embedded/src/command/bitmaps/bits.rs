//! Single bits, and operations on whole strings.

use bytes::Bytes;

use super::{bit, bit_offset, byte_of, read, set_bit};
use crate::command::arguments::{exactly, first, option};
use crate::command::context::{Context, Spec, command};
use crate::command::editing::{Edit, edit};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::number::parse_i64;
use crate::reply::{Answer, Failure, Reply};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("setbit", 4, 0, ONE_KEY, |context, arguments| {
        let [key, offset, on] = exactly(arguments)?;
        let offset = bit_offset(offset)?;
        let on = match parse_i64(on) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(Failure::new("ERR bit is not an integer or out of range")),
        };
        edit(context, key, byte_of(offset).saturating_add(1), |data| {
            let before = bit(data, offset);
            let has_changed = set_bit(data, offset, on);
            (Reply::flag(before), Edit { has_written: true, has_changed })
        })
    }),
    command("getbit", 3, 0, ONE_KEY, |context, arguments| {
        let [key, offset] = exactly(arguments)?;
        let offset = bit_offset(offset)?;
        Ok(Reply::flag(read(context, key)?.is_some_and(|data| bit(&data, offset))))
    }),
    command("bitop", -4, 0, (2, -1, 1), bitop),
];

fn bitop(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([name, target], keys) = first(arguments)?;
    let combine: fn(u8, u8) -> u8 = match option(name).as_slice() {
        b"AND" => |one, other| one & other,
        b"OR" => |one, other| one | other,
        b"XOR" => |one, other| one ^ other,
        b"NOT" if keys.len() == 1 => |_, other| !other,
        b"NOT" => return Err(Failure::new("ERR BITOP NOT must be called with a single source key.")),
        _ => return Err(Failure::SYNTAX),
    };
    let mut inputs = Vec::with_capacity(keys.len());
    for key in keys {
        inputs.push(read(context, key)?.unwrap_or_default());
    }
    let len = inputs.iter().map(Bytes::len).max().unwrap_or(0);
    let is_not = option(name) == b"NOT";
    let mut inputs = inputs.iter();
    let mut result = match inputs.next() {
        Some(first) if !is_not => first.to_vec(),
        Some(first) => first.iter().map(|byte| !byte).collect(),
        None => Vec::new(),
    };
    result.resize(len, 0);
    for input in inputs {
        let bytes = input.iter().copied().chain(std::iter::repeat(0));
        result.iter_mut().zip(bytes).for_each(|(byte, other)| *byte = combine(*byte, other));
    }
    let now = context.now;
    let db = context.db()?;
    if len > 0 {
        db.put(target, Value::String(result.into()), None, now);
        db.notify(EventClasses::STRING, "set", target);
    } else {
        db.remove_and_notify(target);
    }
    Ok(Reply::count(len))
}
