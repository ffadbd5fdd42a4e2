//! The server as users see it.

// The handle.
mod handle;

// What it can do, by subject.
mod connections;
mod inspection;

pub use handle::Server;
