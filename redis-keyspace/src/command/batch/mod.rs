//! Several commands in one round trip.

mod base;
mod commands;
mod part;
mod send;
mod servers;
mod transact;
mod types;
mod watch;

pub use base::Batch;
pub use commands::Commands;
pub use watch::{Watch, Watched};
