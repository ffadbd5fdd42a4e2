#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The derives write `::redis_keyspace`, here too.
extern crate self as redis_keyspace;

#[macro_use]
mod observe;

mod batch;
mod cache;
mod catalog;
mod command;
mod connect;
mod deadline;
mod error;
mod expiry;
pub mod format;
mod group;
mod handle;
mod health;
mod key;
mod keyspace;
mod kind;
mod limit;
mod lock;
mod once;
mod ops;
#[doc(hidden)]
pub mod private;
mod random;
mod run;
mod scan;
mod script;
mod stats;
pub mod loader {
    //! The kinds of loaders of `get_or_set` and its family, as they stand in the types of its builders.

    pub use crate::cache::{Always, Fallible, FallibleOptional, Loader, Optional};
}
pub mod telemetry;
mod update;

pub use batch::{Batch, Commands};
pub use cache::{FillError, FillPolicy, GetOrSet, GetOrSetLookup, GetOrSetMany, Lookup, Source};
pub use catalog::{AclRules, Catalog};
pub use command::{Command, CommandFuture, GetEx, IntoCommand, OnUnavailable, Set};
pub use connect::builder::{KeyspaceOptions, RedisBuilder};
pub use connect::exclusive::RawConnection;
#[cfg(feature = "profiles")]
pub use connect::profiles::Profiles;
pub use connect::settings::{Fingerprint, Protocol};
pub use error::{Budget, Error, ErrorKind, Result};
pub use expiry::Ttl;
pub use group::{GroupMember, InvalidateGroup};
pub use handle::Redis;
pub use health::{Health, HealthCheck, Role};
pub use key::{ArgumentClass, Key, KeyArgument, KeyParseError, KeyWriter, Raw};
pub use keyspace::{ArgumentMeta, Identified, Keyspace, KeyspaceMeta, Lifetime, Piece, TemplateMeta};
#[cfg(feature = "json")]
pub use kind::Json;
pub use kind::{
    Bytes, Counter, DecodeError, EncodeError, Group, Kind, Lock, RateLimit, Readable, SingleValue, Text,
};
pub use limit::{Allowance, Rate, RateCheck};
pub use lock::{Held, LockGuard, LockWait, TryLock};
pub use once::{Once, OnceError, OnceRun, OnceTryRun};
#[cfg(feature = "derive")]
pub use redis_keyspace_derive::{KeyArgument, Keyspace};
pub use scan::{Found, Pattern, Progress, Scan, Sweep, SweepError, Values};
pub use stats::{BreakerState, ClosedStats, FillStats, PoolStats, Stats, Status};
pub use update::{Change, Update};
