//! Leases: the right to fill a key, stored next to the key on the server. Every write to the key
//! ends its lease, whichever process holds it. A fill without a lease stores nothing.
//!
//! All operations accept any number of keys, and take one round trip.

mod asking;
mod held;
mod place;
mod script;

pub(crate) use held::{FillOutcome, Lease, ResultNote};
pub(crate) use place::{LeaseAnswer, LeaseMode, LeasePlace};
#[cfg(feature = "embedded")]
pub(crate) use script::FILL_SCRIPT;

/// How long the mark of a deletion by pattern is kept. Leases, stale copies and negative entries
/// that it invalidates are kept no longer.
pub(crate) const LONGEST_KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);
