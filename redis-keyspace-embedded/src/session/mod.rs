//! One connection: reads requests, executes them in order, writes the replies.

// What a connection has to write, and what its next command waits for.
mod output;
mod pending;

// The state of a connection, and how it executes commands.
mod connection;

// The loop that reads and writes.
mod serve;

pub(crate) use serve::open;
