//! Lanes: shared connections, each used by any number of tasks at once.
//!
//! A task encodes its command into the buffer of the lane, under a lock that is held only for the
//! encoding. If the lane is idle, the task also writes the command. Otherwise, or if a read has
//! just answered so many callers that their next commands are worth waiting for, the driver task of
//! the lane writes all commands that have gathered. The driver reads the replies and hands each to
//! its caller. Callers that already send their next command wait a moment for the driver to finish,
//! so that the next write is for all of them. A caller that is dropped never disturbs the others:
//! its reply is read and dropped.

mod driver;
mod handle;
mod limits;
mod queue;
mod submitted;
mod wire;

pub(crate) use handle::{Lane, LaneRef};
pub(crate) use submitted::{Receiver, Submitted};
