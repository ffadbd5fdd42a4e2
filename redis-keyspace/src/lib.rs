//! Typed Redis keys. A struct declares the keys of a program.
//! [`#[derive(Keyspace)]`](derive@Keyspace) checks the declaration at compile time and generates a
//! function for each key.
//!
//! ```
//! use redis_keyspace::{Counter, Json, Keyspace, Redis};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Default, Serialize, Deserialize)]
//! struct Cart {
//!     items: Vec<String>,
//! }
//!
//! /// Shopping carts. Values expire one hour after they are written.
//! #[derive(Keyspace)]
//! #[keyspace(prefix = "cart", ttl = "1h")]
//! struct CartKeys {
//!     /// The open cart of a user.
//!     #[key("user:{id}")]
//!     user: fn(id: u64) -> Json<Cart>,
//!
//!     /// How often the user looked at it. Expires 30 days after the first view.
//!     #[key("user:{id}:views", ttl = "30d")]
//!     views: fn(id: u64) -> Counter,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), redis_keyspace::Error> {
//!     // A server within this process. To use a real one: Redis::open("redis://localhost")?
//!     let redis = Redis::embedded();
//!
//!     redis
//!         .scope(async {
//!             let cart = CartKeys::user(7).get_or_set(|| async { Cart::default() }).await?;
//!             assert!(cart.items.is_empty());
//!
//!             CartKeys::user(7).update(|cart| cart.items.push("lamp".into())).await?;
//!             let cart = CartKeys::user(7).get_json().await?;
//!             assert_eq!(cart.unwrap().items, ["lamp"]);
//!
//!             assert_eq!(CartKeys::views(7).incr().await?, 1);
//!             assert_eq!(CartKeys::user_keys().all().delete().await?.affected, 1);
//!             Ok(())
//!         })
//!         .await
//! }
//! ```
//!
//! # Install
//!
//! The program above needs these packages:
//!
//! ```sh
//! cargo add redis-keyspace --features embedded
//! cargo add serde --features derive
//! cargo add tokio --features macros,rt-multi-thread
//! ```
//!
//! The feature `embedded` adds the in-process server. You can leave it out if you have Redis or
//! Valkey.
//!
//! # Where to start
//!
//! - The [`guide`] has a chapter for each subject. Read [keys](guide::keys),
//!   [operations](guide::operations) and [caching](guide::caching) first, in this order.
//! - [`Key`] is what the generated functions return. Its page lists all commands.
//! - [`Redis`] is the handle on a server. [`RedisBuilder`] configures it.
//! - [`derive@Keyspace`], [`derive@KeyArgument`], [`derive@Record`], [`derive@Script`] and
//!   [`derive@SingleValue`] list all attributes.
//!
//! # Terms
//!
//! | term | meaning |
//! | --- | --- |
//! | keyspace | a struct that derives [`Keyspace`]: a prefix and a set of templates |
//! | template | the text of a key with placeholders, such as `user:{id}` |
//! | argument | the value of a placeholder; its type implements [`KeyArgument`] |
//! | kind | what is stored at a key: [`Json<T>`](Json), [`Text`], [`Bytes`], integers, `bool`, [`Counter`], [`List<T>`](List), [`Set<T>`](Set), [`SortedSet<T>`](SortedSet), [`Hash<F, V>`](struct@Hash), [`Record<T>`](struct@Record), [`Bitmap`], [`HyperLogLog<T>`](HyperLogLog), [`Geo<T>`](Geo), [`Stream<T>`](Stream), [`Channel<T>`](Channel), [`Lock`], [`RateLimit`], [`Group`], [`Once<V>`](Once) |
//! | command | one operation on a key, such as [`get`](Key::get); awaiting it runs it |
//! | batch, transaction | several commands in one round trip: [`Redis::batch`], [`Redis::transaction`] |
//! | script | a Lua script or function with typed keys and arguments: [`derive@Script`] |
//! | fill | a load by [`get_or_set`](Key::get_or_set) that stores its result; see [caching](guide::caching) |
//! | companion key | a key next to another one, which holds its leases, stale copy and negative entry; see [caching](guide::caching#how-entries-are-stored) |
//! | pattern | all keys of a template, with some arguments bound; see [`scan`] |
//! | catalog | all keyspaces of a program: [`catalog!`] |
//! | handle | a [`Redis`] value; commands use the one of [`on`](Key::on), of the [scope](Redis::scope), or the [installed](Redis::install) one |
//! | namespace | a segment before all keys of a handle: [`RedisBuilder::namespace`] |
//! | tenant | a segment that a handle adds to keys of keyspaces with `tenant`: [`Redis::for_tenant`] |
//!
//! # Features
//!
//! | feature | default | |
//! | --- | --- | --- |
//! | `derive` | yes | [`derive@Keyspace`], [`derive@KeyArgument`], [`derive@Record`], [`derive@Script`] and [`derive@SingleValue`] |
//! | `json` | yes | the kind [`Json<T>`](Json) |
//! | `embedded` | | [`Redis::embedded`], a server in this process |
//! | `profiles` | | [`config::Profiles`], named configurations from a TOML file |
//! | `uuid` | | `Uuid` as an argument, as a kind and as an element |
//! | `tracing` | | spans and events; see [`telemetry`] |
//! | `metrics` | | counters and histograms; see [`telemetry`] |
//! | `tls` | | encrypted connections; see [the guide](guide::tls) |
//! | `tls-webpki-roots` | | `Tls::webpki_roots`, root certificates that are compiled into the program |
//! | `tower` | | [`tower::ScopeLayer`], which sets the handle of each request |
#![cfg_attr(docsrs, feature(doc_cfg))]

// The derives write `::redis_keyspace`, here too.
extern crate self as redis_keyspace;

// A module uses the layers above its own in this list, and its own layer without a cycle.
// `scripts/test` checks this.

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
mod task;
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
pub mod channel;
pub mod group;
pub mod lock;
pub mod once;
pub mod rate_limit;
pub mod scan;
pub mod update;
pub mod worker;

// The whole program: its catalog, its health and statistics, an in-process server, a layer for
// services, and the entry point of generated code.
#[doc(hidden)]
pub mod __private;
pub mod catalog;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod format;
pub mod guide;
pub mod health;
mod macros;
pub mod raw;
pub mod script;
pub mod stats;
pub mod stream;
pub mod telemetry;
#[cfg(feature = "tower")]
pub mod tower;

#[doc(no_inline)]
pub use bb8_redis;
#[doc(no_inline)]
pub use bytes;
#[doc(no_inline)]
pub use redis;
#[cfg(feature = "uuid")]
#[doc(no_inline)]
pub use uuid::{self, Uuid};

pub use client::Redis;
pub use command::Command;
pub use config::RedisBuilder;
pub use error::{Error, ErrorKind, Result};
pub use key::{KeyArgument, Raw};
#[cfg(feature = "json")]
pub use kind::Json;
pub use kind::geo;
pub use kind::{
    Bitmap, Bytes, Channel, Counter, Geo, Group, Hash, HyperLogLog, List, Lock, Once, RateLimit, Record, Set,
    SingleValue, SortedSet, Stream, Text,
};
#[cfg(feature = "derive")]
pub use redis_keyspace_derive::{KeyArgument, Keyspace, Record, Script, SingleValue};
pub use schema::{Key, Keyspace};
pub use script::Script;

// The examples of the derives. They are tested here because they use this crate.
#[cfg(doctest)]
mod derives {
    #[doc = include_str!("../../redis-keyspace-derive/src/docs/keyspace.md")]
    mod keyspace {}
    #[doc = include_str!("../../redis-keyspace-derive/src/docs/key_argument.md")]
    mod key_argument {}
    #[doc = include_str!("../../redis-keyspace-derive/src/docs/record.md")]
    mod record {}
    #[doc = include_str!("../../redis-keyspace-derive/src/docs/script.md")]
    mod script {}
    #[doc = include_str!("../../redis-keyspace-derive/src/docs/single_value.md")]
    mod single_value {}
}
