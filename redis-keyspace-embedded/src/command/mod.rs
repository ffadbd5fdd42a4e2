//! The commands, and how requests are checked and executed.

// The specification of a command, and the context of its handler.
mod arguments;
mod bounded;
mod context;
mod editing;
mod flags;

// Lookup of commands and their keys, and what COMMAND reports about them.
mod find;
mod metadata;
mod positions;

// The values that CONFIG SET accepts.
mod settings;

// How commands wait for a key, return a collection in pages and select random items.
mod blocking;
mod cursor;
mod sample;

// The commands by subject. Each module has a table of its commands.
mod bitmaps;
mod clients;
mod cluster;
mod config;
mod connection;
mod counters;
mod expiry;
mod geo;
mod hashes;
mod hyperloglogs;
mod info;
mod introspection;
mod keys;
mod lcs;
mod lists;
mod memory;
mod pubsub;
mod restore;
mod scripts;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
mod transaction;

// The table of all commands, and the path of a request.
mod dispatch;
mod table;

pub(crate) use context::{Closing, Context, Effect, Transaction};
pub(crate) use dispatch::{dispatch, refuse};
pub(crate) use table::COMMANDS;
