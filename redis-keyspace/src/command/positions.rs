//! Ranges of positions.

use std::ops::{Bound, RangeBounds};

use crate::protocol::Args;

/// A range of positions as the server takes it: both ends included. Negative positions count from
/// the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) struct Positions {
    pub(in crate::command) first: i64,
    pub(in crate::command) last: i64,
}

impl Positions {
    /// Returns `None` for a range that is empty whatever the collection contains, which the server
    /// can't express: `..0` would be `0 -1`, everything.
    pub(in crate::command) fn new(range: &impl RangeBounds<i64>) -> Option<Self> {
        let first = match range.start_bound() {
            Bound::Included(&first) => first,
            // After the last position, nothing follows.
            Bound::Excluded(&-1 | &i64::MAX) => return None,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(&last) => last,
            Bound::Excluded(&0 | &i64::MIN) => return None,
            Bound::Excluded(&after) => after - 1,
            Bound::Unbounded => -1,
        };
        Some(Self { first, last })
    }

    pub(in crate::command) fn push(self, args: &mut Args) {
        args.push_int(self.first);
        args.push_int(self.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(range: impl RangeBounds<i64>) -> Option<(i64, i64)> {
        Positions::new(&range).map(|positions| (positions.first, positions.last))
    }

    #[test]
    fn ranges_become_inclusive() {
        assert_eq!(ends(..), Some((0, -1)));
        assert_eq!(ends(0..10), Some((0, 9)));
        assert_eq!(ends(..=9), Some((0, 9)));
        assert_eq!(ends(-10..), Some((-10, -1)));
        assert_eq!(ends((Bound::Included(2), Bound::Excluded(-3))), Some((2, -4)));
        assert_eq!(ends(..-1), Some((0, -2)));
        assert_eq!(ends((Bound::Excluded(3), Bound::Unbounded)), Some((4, -1)));
    }

    #[test]
    fn a_range_that_ends_before_the_first_position_is_empty() {
        assert_eq!(ends(..0), None);
        assert_eq!(ends(-5..0), None);
        assert_eq!(ends((Bound::Excluded(-1), Bound::Unbounded)), None);
        assert_eq!(ends((Bound::Excluded(i64::MAX), Bound::Unbounded)), None);
        assert_eq!(ends(..i64::MIN), None);
    }
}
