//! Sentinels: asking them which server is the master, and following their answer.
//!
//! Each known sentinel has one connection, which is asked twice a second and listens for switches.
//! The reports of all sentinels meet on a [`board`], which decides who the master is. Connections
//! to the master are opened from there, and replaced when it changes.

pub(super) mod board;
mod report;
mod session;
mod state;
mod verdict;
mod watch;

pub(crate) use state::SentinelStatus;
pub(super) use verdict::NamedMaster;
pub(super) use watch::SentinelWatch;
