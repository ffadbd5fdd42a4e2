//! Counters.

use super::error::DecodeError;
use super::role::Role;
use super::traits::{Kind, Readable, SingleValue};

/// A counter: a signed 64-bit integer that Redis increments atomically.
///
/// Declared as the return type of a field: `views: fn(id: u64) -> Counter`. The increment that
/// creates the counter sets the TTL of the template; later increments keep the remaining TTL. A
/// missing counter reads as 0. See [`incr`](crate::Key::incr).
#[derive(Debug)]
pub struct Counter(());

impl Kind for Counter {
    const WIRE_FORMAT: &'static str = "a decimal integer";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Counter;
}

impl Readable for Counter {
    type Value = i64;
    type Read = i64;

    fn read_present(bytes: &[u8]) -> Result<i64, DecodeError> {
        <i64 as SingleValue>::decode(bytes)
    }

    /// Returns 0 for a counter that does not exist.
    fn read(bytes: Option<bytes::Bytes>) -> Result<i64, DecodeError> {
        bytes.map_or(Ok(0), |bytes| Self::read_present(&bytes))
    }
}
