//! The public API of the server.

// The handle.
mod handle;

// Its methods, by subject.
mod connections;
mod inspection;
mod users;

pub use handle::Server;
