//! Parses the arguments of commands.

use bytes::Bytes;

use crate::number::{parse_f64, parse_i64};
use crate::reply::Failure;

/// Returns exactly `N` arguments. The arity has already been checked, so only options can cause the
/// error.
pub(super) fn exactly<const N: usize>(arguments: &[Bytes]) -> Result<&[Bytes; N], Failure> {
    arguments.try_into().map_err(|_| Failure::SYNTAX)
}

/// Returns the first `N` arguments and the rest.
pub(super) fn first<const N: usize>(arguments: &[Bytes]) -> Result<(&[Bytes; N], &[Bytes]), Failure> {
    arguments.split_first_chunk().ok_or(Failure::SYNTAX)
}

/// Returns all arguments in pairs, or the error for a wrong number of arguments.
pub(super) fn pairs<'a>(arguments: &'a [Bytes], command: &str) -> Result<&'a [[Bytes; 2]], Failure> {
    match arguments.as_chunks() {
        (pairs, []) if !pairs.is_empty() => Ok(pairs),
        _ => Err(Failure::arity(command)),
    }
}

pub(super) fn integer(argument: &[u8]) -> Result<i64, Failure> {
    parse_i64(argument).ok_or(Failure::NOT_AN_INTEGER)
}

/// Parses the index of a database, which must be less than `databases`.
pub(super) fn database(argument: &[u8], databases: usize) -> Result<usize, Failure> {
    let index = i32::try_from(integer(argument)?).map_err(|_| {
        Failure::new("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    usize::try_from(index).ok().filter(|&index| index < databases).ok_or(Failure::DB_RANGE)
}

pub(super) fn float(argument: &[u8]) -> Result<f64, Failure> {
    parse_f64(argument).ok_or(Failure::NOT_A_FLOAT)
}

/// Returns the upper-case name of an option, for comparisons.
pub(super) fn option(argument: &[u8]) -> Vec<u8> {
    argument.to_ascii_uppercase()
}

/// Returns the range from `start` to `stop`, both inclusive, in a sequence of `len` elements.
/// Negative positions count from the end.
pub(super) fn range(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let count = i64::try_from(len).unwrap_or(i64::MAX);
    let from_front = |index: i64| if index < 0 { count.saturating_add(index) } else { index };
    let start = usize::try_from(from_front(start)).unwrap_or(0);
    let end = usize::try_from(from_front(stop).saturating_add(1)).unwrap_or(0).min(len);
    start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges() {
        assert_eq!(range(0, -1, 5), 0..5);
        assert_eq!(range(-2, -1, 5), 3..5);
        assert_eq!(range(-100, 100, 5), 0..5);
        assert_eq!(range(4, 2, 5), 3..3);
        assert_eq!(range(7, 9, 5), 5..5);
        assert_eq!(range(0, -100, 5), 0..0);
        assert_eq!(range(i64::MIN, i64::MAX, 5), 0..5);
    }
}
