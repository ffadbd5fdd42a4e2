//! Lanes: shared connections, each used by any number of tasks at once.
//!
//! The task that wants a command encodes it into the buffer of the lane, under a lock held for a copy. A task that is alone
//! on the lane also writes it; otherwise the driver task of the lane writes what has gathered. The driver reads the replies
//! and hands each to its caller. A caller that is dropped never disturbs the others: its reply is read and dropped.

mod driver;
mod handle;
mod limits;
mod queue;
mod submitted;
mod wire;

pub(crate) use handle::Lane;
pub(crate) use submitted::{Receiver, Submitted};
