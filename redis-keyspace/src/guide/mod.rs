//! The user guide.
//!
//! Each chapter is a module. Read [`keys`], [`operations`] and [`caching`] first, in this order;
//! the others stand on their own. The tests of this crate compile every program in the guide. They
//! run all of them except those that need a server or a file, or that change the whole process. To
//! run one yourself, add the packages of the [front page](crate#install).
//!
//! | chapter | about |
//! | --- | --- |
//! | [`keys`] | declaring keyspaces: templates, arguments, escaping, parsing, overlap checks |
//! | [`operations`] | kinds of values and their commands, TTLs, counters, batches, transactions, raw access |
//! | [`caching`] | `get_or_set` and its options, invalidation, stale values, negative entries, stampedes |
//! | [`coordination`] | atomic updates, locks, rate limits, groups, work that runs once |
//! | [`collections`] | lists, sets, sorted sets and hashes, and their TTLs |
//! | [`bitmaps_and_geo`] | bitmaps, HyperLogLogs and geo sets |
//! | [`records`] | structs in hashes: whole, field by field, updated atomically |
//! | [`streams`] | streams, consumer groups, and workers with retries and dead letters |
//! | [`channels`] | publishing and subscribing, patterns, sharded channels, changes of keys |
//! | [`scripts`] | Lua scripts, functions, transactions on watched keys, raw commands on a key |
//! | [`scans`] | finding, counting and deleting keys by template; the catalog, snapshot tests, ACL rules |
//! | [`commands`] | each command, the method that sends it, and whether redis-rs and fred have one |
//! | [`servers`] | configuring servers, credentials that change, choosing a server, namespaces, tenants, pools |
//! | [`cluster`] | clusters: finding the nodes, commands on many slots, failovers, scans |
//! | [`sentinel`] | masters behind sentinels: discovery, failovers, what may be lost |
//! | [`replicas`] | reading from replicas, what may be stale, and writes that wait for replicas |
//! | [`tls`] | encrypted connections: private CAs, client certificates, renewal, errors |
//! | [`versions`] | what needs a newer server, and the results of the tests on each version |
//! | [`errors`] | error kinds, deadlines, retries, the circuit breaker, and running without Redis |
//! | [`testing`] | the embedded server, faults, the command log, paused time, isolation on real servers |
//! | [`production`] | health, statistics, telemetry, permissions, sizing, shutdown |
//! | [`migration`] | moving from redis-rs, bb8, deadpool, cached, redis-macros, ioredis and NestJS |
//! | [`cookbook`] | recipes: web services, generic code, error types, tenants, workers, blocking code |
//! | [`limitations`] | what this crate does not do, what is missing, and what it can't promise |
//!
//! The format of keys on the wire is specified in [`format`](crate::format). Names of spans, events
//! and metrics are in [`telemetry`](crate::telemetry).

#[doc = include_str!("keys.md")]
pub mod keys {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("caching.md")]
pub mod caching {}

#[doc = include_str!("coordination.md")]
pub mod coordination {}

#[doc = include_str!("collections.md")]
pub mod collections {}

#[doc = include_str!("bitmaps_and_geo.md")]
pub mod bitmaps_and_geo {}

#[doc = include_str!("records.md")]
pub mod records {}

#[doc = include_str!("streams.md")]
pub mod streams {}

#[doc = include_str!("channels.md")]
pub mod channels {}

#[doc = include_str!("scripts.md")]
pub mod scripts {}

#[doc = include_str!("scans.md")]
pub mod scans {}

#[doc = include_str!("commands.md")]
pub mod commands {}

#[doc = include_str!("servers.md")]
pub mod servers {}

#[doc = include_str!("cluster.md")]
pub mod cluster {}

#[doc = include_str!("sentinel.md")]
pub mod sentinel {}

#[doc = include_str!("replicas.md")]
pub mod replicas {}

#[doc = include_str!("tls.md")]
pub mod tls {}

#[doc = include_str!("versions.md")]
pub mod versions {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("limitations.md")]
pub mod limitations {}
