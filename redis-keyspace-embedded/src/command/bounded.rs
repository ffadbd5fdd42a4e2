//! Integer arguments with bounds, and counted keys.

use bytes::Bytes;

use crate::number::parse_i64;
use crate::reply::Failure;

/// Parses an integer of at least `min`. Any other argument gets `error`.
pub(super) fn at_least(argument: &[u8], min: usize, error: &'static str) -> Result<usize, Failure> {
    let number = parse_i64(argument).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number >= min).ok_or(Failure::new(error))
}

/// Parses an integer that is not negative.
pub(super) fn positive(argument: &[u8]) -> Result<usize, Failure> {
    at_least(argument, 0, "ERR value is out of range, must be positive")
}

/// Parses an integer whose negation is an integer, too.
pub(super) fn negatable(argument: &[u8]) -> Result<i64, Failure> {
    match parse_i64(argument) {
        None => Err(Failure::NOT_AN_INTEGER),
        Some(i64::MIN) => Err(Failure::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        Some(number) => Ok(number),
    }
}

/// Splits off the keys after an argument with their number. If there are fewer arguments, the error
/// is `missing`.
pub(super) fn counted_keys(arguments: &[Bytes], missing: Failure) -> Result<(&[Bytes], &[Bytes]), Failure> {
    let (count, rest) = arguments.split_first().ok_or(Failure::SYNTAX)?;
    let count = at_least(count, 1, "ERR numkeys should be greater than 0")?;
    rest.split_at_checked(count).ok_or(missing)
}
