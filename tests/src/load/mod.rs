//! Tasks that use a handle while servers fail, and a comparison of the data with what the tasks
//! were told: nothing is counted twice, each caller gets its own reply, and acknowledged writes are
//! lost only if replication loses them.

mod audit;
mod ledger;
mod progress;
mod work;

pub use audit::{Findings, Loss, audit};
pub use progress::{Failures, Longest, Progress};
pub use work::{Load, Work};

/// The number of concurrent tasks.
pub const TASKS: u64 = 32;
