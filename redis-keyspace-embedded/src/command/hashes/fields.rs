//! Arguments of the commands for the expiry of fields.

use bytes::Bytes;

use crate::command::arguments::{integer, option};
use crate::command::expiry::Unit;
use crate::number::parse_i64;
use crate::reply::Failure;

/// The latest expiry of a field, in milliseconds since the epoch.
const LATEST: i64 = (1 << 46) - 1;

/// Returns the expiry of a field for a time argument.
pub(super) fn moment(
    now: i64,
    unit: Unit,
    absolute: bool,
    time: &[u8],
    command: &str,
) -> Result<i64, Failure> {
    let time = integer(time)?;
    if time < 0 {
        return Err(Failure::new("ERR invalid expire time, must be >= 0"));
    }
    let base = if absolute { 0 } else { now };
    let at = unit.to_milliseconds(time).and_then(|time| time.checked_add(base));
    at.filter(|at| *at <= LATEST).ok_or_else(|| Failure::expire_time(command))
}

/// Parses `FIELDS`, the number of fields and exactly that many fields.
pub(super) fn fields_only(arguments: &[Bytes]) -> Result<&[Bytes], Failure> {
    let (Some(name), rest) = (arguments.first(), arguments.get(1..).unwrap_or_default()) else {
        return Err(Failure::SYNTAX);
    };
    if option(name) != b"FIELDS" {
        return Err(Failure::new("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let (count, fields) = rest.split_first().ok_or(Failure::SYNTAX)?;
    let count = parse_i64(count).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or(Failure::new("ERR Number of fields must be a positive integer"))?;
    if count != fields.len() {
        return Err(Failure::new("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// Splits off a number of items and the items, which have `width` arguments each. `invalid` is the
/// error for a number that is not positive.
pub(super) fn counted<'a>(
    arguments: &'a [Bytes],
    width: usize,
    invalid: &'static str,
) -> Result<(&'a [Bytes], &'a [Bytes]), Failure> {
    let missing = Failure::new("ERR wrong number of arguments");
    let (count, rest) = arguments.split_first().ok_or(missing.clone())?;
    // A real server stores it in an `int`.
    let count = parse_i64(count).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.and_then(|count| usize::try_from(count).ok()).ok_or(Failure::new(invalid))?;
    rest.split_at_checked(count.saturating_mul(width)).ok_or(missing)
}

/// A condition of HEXPIRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    NoExpiry,
    HasExpiry,
    Later,
    Sooner,
}

impl Condition {
    /// Parses the upper-case name of an option.
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        match word {
            b"NX" => Some(Self::NoExpiry),
            b"XX" => Some(Self::HasExpiry),
            b"GT" => Some(Self::Later),
            b"LT" => Some(Self::Sooner),
            _ => None,
        }
    }

    /// Whether the expiry may change from `before` to `after`. No expiry counts as infinite.
    pub(super) fn allows(self, before: Option<i64>, after: i64) -> bool {
        match self {
            Self::NoExpiry => before.is_none(),
            Self::HasExpiry => before.is_some(),
            Self::Later => before.is_some_and(|before| after > before),
            Self::Sooner => before.is_none_or(|before| after < before),
        }
    }
}
