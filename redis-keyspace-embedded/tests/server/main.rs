//! The embedded server, next to a real one and by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod blocking;
mod channels;
mod cluster;
mod collections;
mod differential;
mod driver;
mod faults;
mod floats;
mod idle;
mod introspection;
mod output;
mod races;
mod random;
mod raw;
mod scans;
mod scripted;
mod served;
mod streams;
