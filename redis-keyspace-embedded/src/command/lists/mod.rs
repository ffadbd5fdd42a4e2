//! Lists.

// How commands read a list and name its ends.
mod access;

// The commands by subject.
pub(super) mod blocking;
pub(super) mod edits;
pub(super) mod ends;
pub(super) mod moves;
pub(super) mod reads;
