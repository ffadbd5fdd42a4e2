//! Ranges of bits.

use std::ops::{Bound, RangeBounds};

use crate::command::positions::Positions;
use crate::protocol::Args;

/// The number of bits of the longest bitmap.
pub(super) const MOST_BITS: u64 = 1 << 32;

/// A range of the bits of a bitmap as the server takes it: both ends included. Negative numbers
/// count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitRange {
    /// Empty whatever the bitmap contains.
    Empty,
    /// Begins at a byte. Without a last byte, the range goes on after the bitmap, with zeros.
    Bytes { first: i64, last: Option<i64> },
    /// Any bits. Servers before 7.0 know only bytes.
    Bits { first: i64, last: i64 },
    /// The bits from this one on, which begins no byte, and zeros after the bitmap.
    BitsFrom(i64),
}

/// The unit of the numbers of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitUnit {
    Bit,
    Byte,
}

impl BitRange {
    pub(super) fn new(range: &impl RangeBounds<i64>, unit: BitUnit) -> Self {
        let Some(Positions { first, last }) = Positions::new(range) else { return Self::Empty };
        if (first < 0) == (last < 0) && first > last {
            return Self::Empty;
        }
        // Where a bitmap begins that is shorter than a negative number says, no zero precedes it,
        // so only a range that is counted from the start goes on after the bitmap.
        let is_open = matches!(range.end_bound(), Bound::Unbounded) && first >= 0;
        match unit {
            BitUnit::Byte => Self::Bytes { first, last: (!is_open).then_some(last) },
            BitUnit::Bit if is_open && first % 8 == 0 => Self::Bytes { first: first / 8, last: None },
            BitUnit::Bit if is_open => Self::BitsFrom(first),
            BitUnit::Bit => match last.checked_add(1) {
                Some(end) if first % 8 == 0 && end % 8 == 0 => {
                    Self::Bytes { first: first / 8, last: Some(end / 8 - 1) }
                }
                _ => Self::Bits { first, last },
            },
        }
    }

    /// Whether the range may end before the bitmap starts: whether its end counts from the end of
    /// the bitmap, and is less than this.
    pub(super) fn may_end_before_start(self, least: i64) -> bool {
        match self {
            Self::Bytes { last: Some(last), .. } | Self::Bits { last, .. } => last < least,
            Self::Empty | Self::Bytes { last: None, .. } | Self::BitsFrom(_) => false,
        }
    }

    /// Adds the range as the server takes it to count bits.
    pub(super) fn push_for_count(self, args: &mut Args) {
        match self {
            Self::Empty | Self::Bytes { first: 0, last: None } => {}
            Self::Bytes { first, last } => push(args, first, last.unwrap_or(-1)),
            Self::Bits { first, last } => push_bits(args, first, last),
            Self::BitsFrom(first) => push_bits(args, first, -1),
        }
    }

    /// Adds the range as the server takes it to find a bit.
    pub(super) fn push_for_search(self, args: &mut Args) {
        match self {
            Self::Empty | Self::Bytes { first: 0, last: None } => {}
            Self::Bytes { first, last: None } => args.push_int(first),
            Self::Bytes { first, last: Some(last) } => push(args, first, last),
            Self::Bits { first, last } => push_bits(args, first, last),
            Self::BitsFrom(first) => push_bits(args, first, -1),
        }
    }
}

fn push(args: &mut Args, first: i64, last: i64) {
    args.push_int(first);
    args.push_int(last);
}

fn push_bits(args: &mut Args, first: i64, last: i64) {
    push(args, first, last);
    args.push(b"BIT");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(range: impl RangeBounds<i64>) -> BitRange {
        BitRange::new(&range, BitUnit::Bit)
    }

    #[test]
    fn whole_bytes_are_sent_as_bytes() {
        let bytes = |first, last| BitRange::Bytes { first, last };
        assert_eq!(bits(..), bytes(0, None));
        assert_eq!(bits(16..), bytes(2, None));
        assert_eq!(bits(8..24), bytes(1, Some(2)));
        assert_eq!(bits(..=-1), bytes(0, Some(-1)));
        assert_eq!(bits(-16..), bytes(-2, Some(-1)));
        assert_eq!(bits(..-8), bytes(0, Some(-2)));
        assert_eq!(bits((Bound::Included(8), Bound::Excluded(-16))), bytes(1, Some(-3)));
        assert_eq!(BitRange::new(&(1..3), BitUnit::Byte), bytes(1, Some(2)));
        assert_eq!(BitRange::new(&(3..), BitUnit::Byte), bytes(3, None));
        assert_eq!(BitRange::new(&(-3..), BitUnit::Byte), bytes(-3, Some(-1)));
    }

    #[test]
    fn other_bits_are_sent_as_bits() {
        assert_eq!(bits(1..8), BitRange::Bits { first: 1, last: 7 });
        assert_eq!(bits(..9), BitRange::Bits { first: 0, last: 8 });
        assert_eq!(bits(-3..), BitRange::Bits { first: -3, last: -1 });
        assert_eq!(bits(..i64::MAX), BitRange::Bits { first: 0, last: i64::MAX - 1 });
        assert_eq!(bits(..=i64::MAX), BitRange::Bits { first: 0, last: i64::MAX });
        assert_eq!(bits(9..), BitRange::BitsFrom(9));
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "such ranges are empty")]
    fn empty_ranges_are_recognized() {
        for range in [bits(..0), bits(5..5), bits(5..3), bits(-3..-5), BitRange::new(&(7..7), BitUnit::Byte)]
        {
            assert_eq!(range, BitRange::Empty);
        }
        assert_ne!(bits(5..-3), BitRange::Empty, "that depends on the length");
    }
}
