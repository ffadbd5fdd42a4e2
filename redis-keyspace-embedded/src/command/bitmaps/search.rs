//! BITCOUNT and BITPOS.

use bytes::Bytes;

use super::{byte_of, read};
use crate::command::arguments::{exactly, first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] =
    &[command("bitcount", -2, 0, ONE_KEY, bitcount), command("bitpos", -3, 0, ONE_KEY, bitpos)];

/// Bits from the first to the last one.
#[derive(Clone, Copy)]
struct BitRange {
    first: u64,
    last: u64,
}

impl BitRange {
    /// Returns the bits between two positions, which are bytes or bits and count from the end if
    /// they are negative. Returns `None` if there are none.
    fn new(start: i64, end: i64, is_bits: bool, len: usize) -> Option<Self> {
        let bytes = i64::try_from(len).unwrap_or(i64::MAX);
        let total = if is_bits { bytes.saturating_mul(8) } else { bytes };
        let place = |place: i64| if place < 0 { total.saturating_add(place).max(0) } else { place };
        let (start, end) = (place(start), place(end).min(total.saturating_sub(1)));
        if start > end {
            return None;
        }
        let (start, end) = (u64::try_from(start).ok()?, u64::try_from(end).ok()?);
        Some(if is_bits {
            Self { first: start, last: end }
        } else {
            Self { first: start.checked_mul(8)?, last: end.checked_mul(8)?.saturating_add(7) }
        })
    }

    /// Returns the bytes of the range with their indices. Bits outside of the range are 0.
    fn bytes(self, data: &[u8], inverted: bool) -> impl Iterator<Item = (usize, u8)> {
        let (from, to) = (byte_of(self.first), byte_of(self.last));
        let bytes = data.iter().copied().enumerate().take(to.saturating_add(1)).skip(from);
        bytes.map(move |(index, byte)| {
            let mut byte = if inverted { !byte } else { byte };
            if index == from {
                byte &= 0xff >> (self.first & 7);
            }
            if index == to {
                byte &= 0xff << (7 - (self.last & 7));
            }
            (index, byte)
        })
    }
}

fn is_bits(unit: &[u8]) -> Result<bool, Failure> {
    match option(unit).as_slice() {
        b"BIT" => Ok(true),
        b"BYTE" => Ok(false),
        _ => Err(Failure::SYNTAX),
    }
}

fn bitcount(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], limits) = first(arguments)?;
    let Some(data) = read(context, key)? else { return Ok(Reply::Integer(0)) };
    let range = match limits {
        [] => BitRange::new(0, -1, false, data.len()),
        [start, end, unit @ ..] => {
            if unit.len() > 1 {
                return Err(Failure::SYNTAX);
            }
            let (start, end) = (integer(start)?, integer(end)?);
            if start < 0 && end < 0 && start > end {
                return Ok(Reply::Integer(0));
            }
            let is_bits = unit.first().map_or(Ok(false), |unit| is_bits(unit))?;
            BitRange::new(start, end, is_bits, data.len())
        }
        [_] => return Err(Failure::SYNTAX),
    };
    let ones =
        |range: BitRange| range.bytes(&data, false).map(|(_, byte)| u64::from(byte.count_ones())).sum();
    let count: u64 = range.map_or(0, ones);
    Ok(Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn bitpos(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, wanted], limits) = first(arguments)?;
    let wanted = match integer(wanted)? {
        0 => false,
        1 => true,
        _ => return Err(Failure::new("ERR The bit argument must be 1 or 0.")),
    };
    let Some(data) = read(context, key)? else { return Ok(Reply::Integer(if wanted { -1 } else { 0 })) };
    let (start, end, unit) = match limits {
        [] => (None, None, None),
        [start] => (Some(start), None, None),
        [start, end] => (Some(start), Some(end), None),
        _ => {
            let [start, end, unit] = exactly(limits)?;
            (Some(start), Some(end), Some(unit))
        }
    };
    let start = start.map_or(Ok(0), |start| integer(start))?;
    let is_bits = unit.map_or(Ok(false), |unit| is_bits(unit))?;
    let last = end.map_or(Ok(-1), |end| integer(end))?;
    let Some(range) = BitRange::new(start, last, is_bits, data.len()) else { return Ok(Reply::Integer(-1)) };
    let found = range.bytes(&data, !wanted).find(|(_, byte)| *byte != 0);
    let found = found.map(|(index, byte)| {
        let within = usize::try_from(byte.leading_zeros()).unwrap_or(0);
        Reply::count(index.saturating_mul(8).saturating_add(within))
    });
    // Without an end, zeros follow the string.
    let nothing = if wanted || end.is_some() { Reply::Integer(-1) } else { Reply::count(data.len() * 8) };
    Ok(found.unwrap_or(nothing))
}
