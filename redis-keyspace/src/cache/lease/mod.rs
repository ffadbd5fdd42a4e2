//! Leases: the right to fill a key, kept next to the key on the server. Every write of the key ends its lease, whichever
//! process holds it, and a fill without a lease stores nothing.
//!
//! All operations take any number of keys and need one round trip.

mod asking;
mod held;
mod place;
mod script;

pub(crate) use held::{FillOutcome, Lease};
pub(crate) use place::{LeaseAnswer, LeaseMode, LeasePlace};
#[cfg(feature = "embedded")]
pub(crate) use script::FILL_SCRIPT;

/// How long the mark of a deletion by pattern stays, and so everything that it voids.
pub(crate) const LONGEST_KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);
