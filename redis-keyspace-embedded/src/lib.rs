//! An in-process server that speaks the Redis protocol, for quick starts and unit tests.
//!
//! No installation is needed, and every test can have its own server. With tokio's paused clock, a
//! test of a one-hour TTL takes no time. The server speaks RESP2 and RESP3 over in-memory
//! connections, over any stream, on a loopback port (with or without TLS) or on a unix socket.
//!
//! It keeps all data in memory, persists nothing and is not protected against attacks from a
//! network. Use it for tests, not in place of a real server.
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
//! [`Server::new`] reads the wall clock once. From then on, TTLs, TIME and blocking timeouts follow
//! tokio's clock. In a test with a paused clock, create the server inside the test;
//! `tokio::time::advance` then expires its keys. [`Server::get`], [`Server::keys`] and
//! [`Server::ttl`] use the tokio clock of their caller, so call them inside the test, too.
//!
//! # Faults
//!
//! [`Server::inject`] makes commands fail, hang or lose their connection; see [`Fault`].
//!
//! # Differences from a real server
//!
//! * The server supports the commands of version 7.0 for lists, sets, hashes, sorted sets and
//!   streams, the everyday ones for strings, transactions, and channels with patterns and shards.
//!   ACL rules are not supported. An unknown command gets the same error as on a real server.
//! * It has DELEX and the option IFEQ of SET, as Redis 8.4, but not the conditions IFNE, IFDEQ and
//!   IFDNE. It has DELIFEQ and the option BYPOLYGON of GEOSEARCH, as Valkey 9.0. Members that
//!   BYPOLYGON finds are in the order of their scores, unless the search sorts them.
//! * The lifetimes of hash fields (HEXPIRE, HTTL, HSETEX and so on) work as in version 8.6. HSCAN
//!   has the option NOVALUES of version 7.4.
//! * DUMP returns a payload of its own format. Payloads can't be exchanged with a real
//!   server: RESTORE rejects them on both sides.
//! * OBJECT ENCODING names the encoding of version 7.0, and `listpackex` for a hash with lifetimes
//!   of fields. For a set, it is the encoding of a set that was written in one command. OBJECT FREQ
//!   always fails, because accesses are not counted. MEMORY USAGE is an estimate, and the other
//!   subcommands of MEMORY are not supported.
//! * SPOP, SRANDMEMBER and HRANDFIELD select the same items in every run.
//! * As a [cluster](ServerBuilder::cluster) it is a single node that owns all slots. It supports
//!   CLUSTER INFO, SLOTS, SHARDS, NODES, MYID, KEYSLOT, COUNTKEYSINSLOT and GETKEYSINSLOT.
//!   READONLY, READWRITE and ASKING have no effect. The node reports an empty host name, and the
//!   port of the TCP connection, or 0.
//! * ZRANK and ZREVRANK have the option WITHSCORE of version 7.2.
//! * A HyperLogLog is always stored in the dense form, so GET and STRLEN return more bytes for a
//!   small one. Its estimates are the same.
//! * SORT is not supported.
//! * BYLEX on a large sorted set whose members have different scores selects other members. A real
//!   server's choice depends on random numbers there.
//! * CONFIG SET accepts two dozen settings and checks their values. Only
//!   `client-output-buffer-limit`, `notify-keyspace-events` and the sizes of compact hashes, sets,
//!   sorted sets and nodes of streams have an effect. Settings for memory, disk, timeouts, lists
//!   and HyperLogLogs have none.
//! * Keyspace notifications have the events of version 7.0, and those of hash fields of version 8.
//!   No key is evicted. An expired key is told when a command uses its database, or within a tenth
//!   of a second if a connection has subscriptions. `keymiss` is also sent for writes that read.
//! * Under RESP3, a client that publishes to a channel that it subscribes to receives the message
//!   before the reply, as in version 7.0. Newer servers send the reply first.
//! * A connection without subscriptions is closed when its output buffer reaches 1 GiB. A real
//!   server has no limit there by default. To remove it, set `client-output-buffer-limit` to
//!   `normal 0 0 0`.
//! * INFO has the fields of version 7.0.15 in its default sections. Fields that this server does
//!   not measure, such as the memory in use, are 0. The sections Commandstats and Latencystats are
//!   empty. In CLIENT LIST, `omem` and `tot-mem` are the size of the output buffer, and other sizes
//!   are 0.
//! * COMMAND reports only the commands that this server supports. COMMAND DOCS returns the version
//!   and the group of a command, but no texts. There are no HELP subcommands.
//! * Lua is not supported: register scripts as Rust functions with [`Server::register_script`], and
//!   functions with [`Server::register_function`]. FUNCTION LOAD accepts a library and reads only
//!   its name. FCALL finds a registered function if the text of a loaded library contains its name.
//!   FCALL_RO also runs functions without the flag `no-writes`, and their writes fail. An error of
//!   a command in a script does not name the script and its line.
//! * A key expires at the start of the millisecond in which its TTL ends. A real server keeps it
//!   until the end of that millisecond, and its DBSIZE counts expired keys that no command has
//!   touched yet.
//! * INCRBYFLOAT adds as a real server on x86-64 does, on every machine.
//! * KEYS, SMEMBERS and HGETALL return the order of insertion. A scan has another order, which is
//!   the same in every run.
//! * DEBUG SLEEP blocks the connection that sends it, not the server.
//! * A command has at most 1,048,576 arguments.

// Foundations, independent of server data and protocol.
mod clock;
mod compact;
mod geohash;
mod glob;
mod hyperloglog;
mod limits;
mod notices;
mod number;
mod ordered;
mod statistics;
mod sync;

// The protocol: replies, and requests and replies as bytes.
mod reply;
mod resp;

// Messages from one connection to another.
mod mailbox;
mod subscriptions;

// One database: values, keys, expiry, watchers and waiters.
mod db;
mod hash;
mod payload;
mod schedule;
mod sorted_set;
mod stream;
mod value;
mod waiting;

// A server as data: options, and the state that all its connections share.
mod builder;
mod client;
mod fault;
mod log;
mod script;
mod shared;
mod state;

// The commands, executed on that state.
mod command;

// Connections, which send commands.
mod listener;
mod session;
#[cfg(feature = "tls")]
mod tls;

// The handle.
mod server;

pub use builder::ServerBuilder;
pub use fault::{Fault, FaultGuard};
pub use listener::Listener;
pub use log::LoggedCommand;
pub use reply::Reply;
pub use script::ScriptContext;
pub use server::Server;
#[cfg(feature = "tls")]
pub use tls::ServerTls;
