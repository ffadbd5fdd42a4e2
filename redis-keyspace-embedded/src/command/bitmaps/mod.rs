//! Strings as arrays of bits. Bit 0 is the highest bit of the first byte.

// The commands by subject. Each module has a table of its commands.
pub(super) mod bits;
pub(super) mod fields;
pub(super) mod search;

use bytes::Bytes;

use super::context::Context;
use crate::number::parse_i64;
use crate::reply::Failure;
use crate::resp::MAX_BULK;
use crate::value::Value;

/// Returns the string at a key, or `None` if the key does not exist.
fn read(context: &mut Context<'_>, key: &[u8]) -> Result<Option<Bytes>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(|value| Value::string(value).cloned()).transpose()
}

/// Parses the offset of a bit.
fn bit_offset(argument: &[u8]) -> Result<u64, Failure> {
    scaled_offset(argument, 1)
}

/// Parses an offset in units of `unit` bits.
fn scaled_offset(argument: &[u8], unit: i64) -> Result<u64, Failure> {
    let offset = parse_i64(argument).map(|offset| offset.wrapping_mul(unit));
    let offset =
        offset.filter(|&offset| offset >> 3 < MAX_BULK).and_then(|offset| u64::try_from(offset).ok());
    offset.ok_or(Failure::new("ERR bit offset is not an integer or out of range"))
}

/// Returns the index of the byte of a bit.
fn byte_of(bit: u64) -> usize {
    usize::try_from(bit >> 3).unwrap_or(usize::MAX)
}

/// Returns a bit. Bits after the end are 0.
fn bit(data: &[u8], offset: u64) -> bool {
    data.get(byte_of(offset)).is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets a bit of a string that is long enough. Returns whether it changed.
fn set_bit(data: &mut [u8], offset: u64, on: bool) -> bool {
    let Some(byte) = data.get_mut(byte_of(offset)) else { return false };
    let before = *byte;
    *byte = if on { before | mask(offset) } else { before & !mask(offset) };
    *byte != before
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset & 7)
}
