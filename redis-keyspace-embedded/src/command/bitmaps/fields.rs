//! BITFIELD: integers at any bit of a string.

use bytes::Bytes;

use super::{bit, bit_offset, byte_of, read, scaled_offset, set_bit};
use crate::command::arguments::{first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::editing::{Edit, edit};
use crate::command::flags::ONE_KEY;
use crate::number::parse_i64;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("bitfield", -2, 0, ONE_KEY, |context, arguments| bitfield(context, arguments, true)),
    command("bitfield_ro", -2, 0, ONE_KEY, |context, arguments| bitfield(context, arguments, false)),
];

/// The type of an integer, such as `u8`, and its place.
#[derive(Clone, Copy)]
struct BitField {
    is_signed: bool,
    bits: u32,
    offset: u64,
}

/// What happens if a number does not fit.
#[derive(Clone, Copy, PartialEq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum FieldAction {
    Get,
    Set(i64),
    Increment(i64),
}

impl BitField {
    fn parse(kind: &[u8], offset: &[u8]) -> Result<Self, Failure> {
        let invalid = Failure::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (is_signed, bits, most) = match kind {
            [b'i', bits @ ..] => (true, bits, 64),
            [b'u', bits @ ..] => (false, bits, 63),
            _ => return Err(invalid),
        };
        let bits = parse_i64(bits).filter(|bits| (1..=most).contains(bits));
        let bits = bits.and_then(|bits| u32::try_from(bits).ok()).ok_or(invalid)?;
        let offset = match offset.strip_prefix(b"#") {
            Some(offset) => scaled_offset(offset, bits.into())?,
            None => bit_offset(offset)?,
        };
        Ok(Self { is_signed, bits, offset })
    }

    /// Returns the length of a string that contains the field.
    fn needed_bytes(self) -> usize {
        byte_of(self.offset.saturating_add(u64::from(self.bits) - 1)).saturating_add(1)
    }

    fn places(self) -> std::ops::Range<u64> {
        self.offset..self.offset.saturating_add(self.bits.into())
    }

    fn get(self, data: &[u8]) -> i64 {
        let raw = self.places().fold(0, |number, place| (number << 1) | u64::from(bit(data, place)));
        self.interpret(raw)
    }

    /// Returns whether any bit changed.
    fn set(self, data: &mut [u8], number: i64) -> bool {
        let number = number.cast_unsigned();
        let bits = self.places().rev().enumerate();
        bits.fold(false, |changed, (power, place)| set_bit(data, place, number >> power & 1 == 1) | changed)
    }

    /// Interprets the lowest bits of a number as a value of the type.
    fn interpret(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        let top = raw << unused;
        if self.is_signed { top.cast_signed() >> unused } else { (top >> unused).cast_signed() }
    }

    /// Returns the sum as a value of the type, or `None` if it does not fit and that is an error.
    fn add(self, value: i64, by: i64, overflow: Overflow) -> Option<i64> {
        // A negative value of an unsigned field is too large, not too small.
        let value = if self.is_signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
        let (min, max) = match self.is_signed {
            true => (-(1_i128 << (self.bits - 1)), (1_i128 << (self.bits - 1)) - 1),
            false => (0, (1_i128 << self.bits) - 1),
        };
        let sum = value + i128::from(by);
        let clamped = i64::try_from(sum.clamp(min, max)).ok()?;
        if (min..=max).contains(&sum) {
            return Some(clamped);
        }
        match overflow {
            Overflow::Wrap => {
                let raw = u64::try_from(sum & i128::from(u64::MAX)).ok()?;
                Some(self.interpret(raw))
            }
            Overflow::Saturate => Some(clamped),
            Overflow::Fail => None,
        }
    }

    /// Returns the reply, and whether the string changed.
    fn run(self, data: &mut [u8], action: FieldAction, overflow: Overflow) -> (Reply, bool) {
        let before = self.get(data);
        let (after, reply) = match action {
            FieldAction::Get => return (Reply::Integer(before), false),
            FieldAction::Set(number) => (self.add(number, 0, overflow), Some(before)),
            FieldAction::Increment(by) => (self.add(before, by, overflow), None),
        };
        let Some(after) = after else { return (Reply::Nil, false) };
        (Reply::Integer(reply.unwrap_or(after)), self.set(data, after))
    }
}

fn bitfield(context: &mut Context<'_>, arguments: &[Bytes], may_write: bool) -> Answer {
    let ([key], mut rest) = first(arguments)?;
    let mut overflow = Overflow::Wrap;
    let mut actions = Vec::new();
    while let Some((name, after)) = rest.split_first() {
        let (field, action);
        (field, action, rest) = match (option(name).as_slice(), after) {
            (b"GET", [kind, offset, after @ ..]) => (BitField::parse(kind, offset)?, FieldAction::Get, after),
            (b"SET", [kind, offset, number, after @ ..]) => {
                (BitField::parse(kind, offset)?, FieldAction::Set(integer(number)?), after)
            }
            (b"INCRBY", [kind, offset, number, after @ ..]) => {
                (BitField::parse(kind, offset)?, FieldAction::Increment(integer(number)?), after)
            }
            (b"OVERFLOW", [how, after @ ..]) => {
                overflow = match option(how).as_slice() {
                    b"WRAP" => Overflow::Wrap,
                    b"SAT" => Overflow::Saturate,
                    b"FAIL" => Overflow::Fail,
                    _ => return Err(Failure::new("ERR Invalid OVERFLOW type specified")),
                };
                rest = after;
                continue;
            }
            _ => return Err(Failure::SYNTAX),
        };
        actions.push((field, action, overflow));
    }
    let writes = actions.iter().filter(|(_, action, _)| !matches!(action, FieldAction::Get));
    let Some(len) = writes.map(|(field, ..)| field.needed_bytes()).max() else {
        let data = read(context, key)?.unwrap_or_default();
        let values = actions.iter().map(|(field, ..)| Reply::Integer(field.get(&data)));
        return Ok(Reply::Array(values.collect()));
    };
    if !may_write {
        return Err(Failure::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    edit(context, key, len, |data| {
        let mut edit = Edit::default();
        let replies = actions.iter().map(|(field, action, overflow)| {
            let (reply, changes) = field.run(data, *action, *overflow);
            edit.has_changed |= changes;
            edit.has_written |= !matches!(*action, FieldAction::Get) && reply != Reply::Nil;
            reply
        });
        let replies = replies.collect();
        (Reply::Array(replies), edit)
    })
}
