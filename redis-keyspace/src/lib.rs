#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The derives write `::redis_keyspace`, here too.
extern crate self as redis_keyspace;

// A module uses the layers above its own in this list, and its own layer without a cycle. `scripts/test` checks that.

// Foundations: errors, time, the text of keys, kinds of values, and declarations as data. No I/O.
#[macro_use]
mod trace;
pub mod error;
pub mod key;
pub mod kind;
mod local;
mod random;
mod schema;
mod sync;
mod time;

// The wire: requests and replies as bytes. No I/O.
mod protocol;

// Connections: from a configuration to an open connection, and pools of connections.
pub mod config;
mod connect;

// The handle, and commands on it.
mod client;
pub mod command;

// Built from commands: one module for each feature.
pub mod cache;
pub mod group;
pub mod lock;
pub mod once;
pub mod rate_limit;
pub mod scan;
pub mod update;

// The whole program: its catalog, what it tells about itself, an in-process server, a layer for services, and the entry of
// generated code.
#[doc(hidden)]
pub mod __private;
pub mod catalog;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod format;
pub mod health;
mod macros;
pub mod raw;
pub mod stats;
pub mod telemetry;
#[cfg(feature = "tower")]
pub mod tower;

#[doc(no_inline)]
pub use bb8_redis;
#[doc(no_inline)]
pub use bytes;
#[doc(no_inline)]
pub use redis;

pub use client::Redis;
pub use command::Command;
pub use config::RedisBuilder;
pub use error::{Error, ErrorKind, Result};
pub use key::{KeyArgument, Raw};
#[cfg(feature = "json")]
pub use kind::Json;
pub use kind::{Bytes, Counter, Group, Lock, Once, RateLimit, Text};
#[cfg(feature = "derive")]
pub use redis_keyspace_derive::{KeyArgument, Keyspace};
pub use schema::{Key, Keyspace};
