//! Tasks that use handles while servers fail, and a comparison of the data with what the tasks were
//! told: nothing is counted twice, each caller gets its own reply, and acknowledged writes are lost
//! only if replication loses them. Other tasks check the promises of fills, groups, locks, `Once`,
//! updates and scans.

mod audit;
mod fills;
mod holders;
mod keys;
mod ledger;
mod progress;
mod promises;
mod scans;
mod updates;
mod verdict;
mod work;

use std::time::Duration;

pub use audit::{Findings, Loss, audit};
pub use progress::{Failures, Longest, Progress};
pub use promises::{Broken, Kept, Promise, Promises};
pub use verdict::{Verdict, spread};
pub use work::Work;

/// The timeout of a command.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The number of concurrent tasks.
pub const TASKS: u64 = 32;
