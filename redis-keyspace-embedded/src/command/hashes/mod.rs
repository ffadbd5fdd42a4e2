//! Hashes.

// How commands read a hash, and arguments of commands for the expiry of fields.
mod access;
mod fields;

// The commands by subject.
pub(super) mod extended;
pub(super) mod lifetimes;
pub(super) mod numbers;
pub(super) mod random;
pub(super) mod reads;
pub(super) mod writes;
