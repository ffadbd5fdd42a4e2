//! Deadlines, pauses between attempts, and lifetimes in the units of Redis.

mod backoff;
mod deadline;
mod expiry;
mod limits;
mod suspension;

pub(crate) use backoff::{Backoff, jittered};
pub(crate) use deadline::Deadline;
pub(crate) use expiry::{Expiry, millis, unix_millis};
pub(crate) use limits::{LONGEST_LIFETIME, check_lifetime, from_now, part_of};
pub(crate) use suspension::{Moment, SuspensionClock};
