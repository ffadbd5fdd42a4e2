//! Locks, rate limits, work that is done once, and updates: what several clients agree on.

mod formats;
mod limits_of_time;
mod locks;
mod once;
mod rate_limits;
mod updates;
