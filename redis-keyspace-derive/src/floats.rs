//! Why a key has no floats.

/// Said of parameters and of newtypes.
pub(crate) const NO_FLOATS: &str = "floats can't be part of a key: equal numbers may print differently, and `NaN` equals nothing; use an integer in a smaller unit, or a `String` that you format";
