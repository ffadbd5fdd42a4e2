//! Sets.

// How commands read and store a set.
mod access;

// The commands by subject.
pub(super) mod algebra;
pub(super) mod members;
pub(super) mod random;
