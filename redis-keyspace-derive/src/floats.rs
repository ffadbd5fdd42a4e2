//! The error for floats in keys.

/// Reported for parameters and newtypes.
pub(crate) const NO_FLOATS: &str = "floats can't be part of a key, because equal numbers may print differently: use an integer in a smaller unit, or a formatted `String`";
