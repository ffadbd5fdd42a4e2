//! Deadlines, pauses between attempts, and lifetimes in Redis's units.

mod backoff;
mod deadline;
mod expiry;

pub(crate) use backoff::{Backoff, jittered};
pub(crate) use deadline::Deadline;
pub(crate) use expiry::{Expiry, millis, unix_millis};
