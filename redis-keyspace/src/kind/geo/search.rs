//! Where and how far to search.

use super::distance::Distance;
use super::position::Position;
use crate::error::{Error, Result};

/// The center of a search: a member of the set, or any position.
///
/// `M` is the type from which members are written.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum From<'m, M: ?Sized> {
    /// The position of this member.
    Member(&'m M),
    /// This position.
    Position(Position),
}

impl<'m, M: ?Sized> From<'m, M> {
    /// Searches around a member.
    pub const fn member(member: &'m M) -> Self {
        Self::Member(member)
    }

    /// Searches around a position.
    #[must_use]
    pub const fn position(position: Position) -> Self {
        Self::Position(position)
    }
}

/// The area of a search, around its center.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum By {
    /// All positions within this distance.
    Radius(Distance),
    /// A rectangle of this width (west to east) and height (south to north), with the center in the
    /// middle.
    Rect {
        /// From west to east.
        width: Distance,
        /// From south to north.
        height: Distance,
    },
}

impl By {
    /// Searches within a distance of the center.
    #[must_use]
    pub const fn radius(radius: Distance) -> Self {
        Self::Radius(radius)
    }

    /// Searches within a rectangle around the center. Half of the width is to the west, and half of
    /// the height to the south.
    #[must_use]
    pub const fn rect(width: Distance, height: Distance) -> Self {
        Self::Rect { width, height }
    }

    /// Fails if a length is not a number or negative.
    pub(crate) fn check(self) -> Result<Self> {
        let check = |name: &str, length: Distance| {
            if length.as_m() >= 0.0 && length.as_m().is_finite() {
                return Ok(());
            }
            Err(Error::invalid_input(format!(
                "the {name} of the search is {length}: it can't be negative or infinite"
            )))
        };
        match self {
            Self::Radius(radius) => check("radius", radius)?,
            Self::Rect { width, height } => {
                check("width", width)?;
                check("height", height)?;
            }
        }
        Ok(self)
    }
}
