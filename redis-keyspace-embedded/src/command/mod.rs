//! The commands, and how a request is checked and executed.

// What a command is, and what its handler works on.
mod arguments;
mod context;
mod flags;

// Finding a command by its name, its keys, and what COMMAND reports about it.
mod find;
mod metadata;
mod positions;

// The values that CONFIG SET accepts.
mod settings;

// The commands, by subject. Each module has a table of its commands.
mod clients;
mod cluster;
mod config;
mod connection;
mod counters;
mod expiry;
mod hashes;
mod info;
mod introspection;
mod keys;
mod lists;
mod pubsub;
mod scripts;
mod server;
mod sets;
mod sorted_sets;
mod strings;
mod transaction;

// All tables together, and the path of a request.
mod dispatch;
mod table;

pub(crate) use context::{Closing, Context, Effect, Transaction};
pub(crate) use dispatch::{dispatch, refuse};
pub(crate) use table::COMMANDS;
