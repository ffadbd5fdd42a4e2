//! One connection: reads requests, executes them in order, and writes the replies.

// The output of a connection, and what its next command waits for.
mod output;
mod pending;

// The state of a connection and the execution of its commands.
mod connection;

// The loop that reads and writes.
mod serve;

pub(crate) use serve::open;
