//! Values that are loaded when they are not there.

mod fill;
mod flight;

pub use fill::{FillError, GetOrSet, TryGetOrSet};
pub(crate) use flight::Flights;
