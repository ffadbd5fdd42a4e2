//! What a process keeps for each pool: plain data that knows nothing of commands.

mod flights;
#[cfg(test)]
mod flights_tests;
mod remembered;
mod sync;
mod turns;

use std::sync::Arc;

pub(crate) use flights::{Flights, Follower, Leader, LoadRole, LoadStage};
pub(crate) use remembered::{ReadStart, Remembered};
pub(crate) use turns::{Streak, Turn, Turns};

/// How much of values that may be served stale is kept, and the longest of them.
const COPIES: u64 = 16 << 20;
const LONGEST_COPY: usize = 1 << 20;
/// How much is kept of the generations of groups: some ten thousand of them.
const GENERATIONS: u64 = 2 << 20;

/// The local state of a pool.
#[derive(Debug)]
pub(crate) struct Local {
    /// Which task updates which key.
    pub(crate) updates: Turns,
    /// Which task holds or waits for which lock.
    pub(crate) locks: Turns<Streak>,
    /// Loads in flight.
    pub(crate) flights: Flights,
    /// Values that may be served when they are stale, for when Redis is unavailable.
    pub(crate) copies: Remembered<Arc<[u8]>>,
    /// The generations of groups as they were read last.
    pub(crate) generations: Remembered<u64>,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            updates: Turns::default(),
            locks: Turns::default(),
            flights: Flights::default(),
            copies: Remembered::new(COPIES, LONGEST_COPY),
            generations: Remembered::new(GENERATIONS, size_of::<u64>()),
        }
    }
}
