//! Coordination of several clients: locks, rate limits, idempotent work and updates.

mod formats;
mod locks;
mod newer_commands;
mod once;
mod rate_limits;
mod time_limits;
mod updates;
