//! An in-process server that speaks the Redis protocol, for quick starts and unit tests.
//!
//! Nothing has to be installed or started, every test can have a server of its own, and with tokio's
//! paused clock a TTL of an hour is tested in no time. It speaks RESP2 and RESP3 over an in-memory
//! connection, any stream of yours, a loopback port or a unix socket.
//!
//! It keeps everything in memory, persists nothing and has no defences against a network: it is no
//! substitute for a real server outside of tests.
//!
//! ```
//! use redis_keyspace_embedded::Server;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! let info = redis::RedisConnectionInfo::default();
//! let config = redis::AsyncConnectionConfig::new();
//! let stream = server.connect()?;
//! let (mut connection, driver) =
//!     redis::aio::MultiplexedConnection::new_with_config(&info, stream, config).await?;
//! tokio::spawn(driver);
//!
//! redis::cmd("SET").arg("greeting").arg("hello").exec_async(&mut connection).await?;
//! let greeting: String = redis::cmd("GET").arg("greeting").query_async(&mut connection).await?;
//! assert_eq!(greeting, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! TTLs, TIME and blocking timeouts follow the wall clock as of [`Server::new`], plus what tokio's clock has
//! run since. In a test with a paused clock, create the server inside the test, and `tokio::time::advance`
//! expires its keys. [`Server::get`], [`Server::keys`] and [`Server::ttl`] go by the clock of where they are called, so call
//! them within the test too.
//!
//! # Faults
//!
//! [`Server::inject`] makes commands fail, hang or lose their connection; see [`Fault`].
//!
//! # Differences from a real server
//!
//! * It knows the commands for strings, lists, hashes, sets and sorted sets that everyday work needs, with
//!   transactions, blocking pops and channels; no streams, no ACL rules. An unknown command gets the error
//!   that a real server gives.
//! * As a [cluster](ServerBuilder::cluster) it is the one node that has all slots, and knows CLUSTER INFO and KEYSLOT.
//! * ZADD has no INCR, and ZRANGE no REV, BYSCORE and BYLEX; asked for, they are refused as such.
//! * CONFIG SET takes the settings that concern memory, disk and timeouts, and nothing comes of them.
//! * There is no Lua: scripts are registered as Rust functions with [`Server::register_script`].
//! * A key is gone at the millisecond its time is up; a real server keeps it until that millisecond is over,
//!   and DBSIZE there counts expired keys that nobody has looked at yet.
//! * INCRBYFLOAT adds with the precision of a real server up to 38 digits, and in doubles beyond.
//! * SCAN walks from the newest key to the oldest; KEYS, SMEMBERS and HGETALL answer in the order of insertion.
//! * DEBUG SLEEP stops the connection that asked for it, not the server.
//! * A command has at most 1,048,576 arguments.

mod builder;
mod client;
mod clock;
mod command;
mod db;
mod fault;
mod glob;
mod listener;
mod number;
mod ordered;
mod reply;
mod resp;
mod server;
mod session;
mod state;
mod sync;
mod value;

pub use builder::ServerBuilder;
pub use command::scripts::ScriptContext;
pub use fault::{Fault, FaultGuard};
pub use listener::Listener;
pub use reply::Reply;
pub use server::{LoggedCommand, Server};
