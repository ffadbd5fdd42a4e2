//! Hashes.

// How commands read a hash.
mod access;

// The commands by subject.
pub(super) mod numbers;
pub(super) mod random;
pub(super) mod reads;
pub(super) mod writes;
