//! Values that are loaded when they are not there.

mod fill;

pub use fill::{FillError, GetOrSet, TryGetOrSet};
