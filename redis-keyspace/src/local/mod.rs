//! State that a process keeps for each pool and each database: plain data, without commands.

mod flights;
#[cfg(test)]
mod flights_tests;
mod remembered;
mod sync;
mod turns;

use std::sync::Arc;

pub(crate) use flights::{Cause, Flights, Follower, Leader, LoadRole, LoadStage};
pub(crate) use remembered::{ReadStart, Remembered};
pub(crate) use turns::{Streak, Turn, Turns};

/// How much of values that may be served stale is kept, and the longest of them.
const COPIES: u64 = 16 << 20;
const LONGEST_COPY: usize = 1 << 20;
/// How much is kept of the generations of groups: some ten thousand of them.
const GENERATIONS: u64 = 2 << 20;

/// The local state of a pool.
#[derive(Debug, Default)]
pub(crate) struct Local {
    /// Which task updates which key.
    pub(crate) updates: Turns,
    /// Which task holds or waits for which lock.
    pub(crate) locks: Turns<Streak>,
    /// Loads in flight.
    pub(crate) flights: Flights,
    /// What the process remembers of its database.
    pub(crate) reads: Arc<DatabaseReads>,
}

/// What the process remembers of one database of a server. All pools of that database share it, so that a write through one pool
/// also removes what was read through another.
#[derive(Debug)]
pub(crate) struct DatabaseReads {
    /// Values that may be served when they are stale, for when Redis is unavailable.
    pub(crate) copies: Remembered<Arc<[u8]>>,
    /// The generations of groups as they were read last.
    pub(crate) generations: Remembered<u64>,
}

impl Local {
    pub(crate) fn new(reads: Arc<DatabaseReads>) -> Self {
        Self { reads, ..Self::default() }
    }
}

impl Default for DatabaseReads {
    fn default() -> Self {
        Self {
            copies: Remembered::new(COPIES, LONGEST_COPY),
            generations: Remembered::new(GENERATIONS, size_of::<u64>()),
        }
    }
}
