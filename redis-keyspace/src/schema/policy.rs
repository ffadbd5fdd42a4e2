//! Policies that a declaration can set.

use std::time::Duration;

/// How reads behave when Redis is unavailable: unreachable, too slow, or with full queues.
///
/// Set it for a keyspace with `#[keyspace(on_unavailable = "miss")]`, or for a single call with
/// [`Command::on_unavailable`](crate::Command::on_unavailable). It applies to `get`, `get_ex`,
/// `get_many`, `get_or_set`, and the reads of collections, bitmaps and streams, also in a batch.
/// All other commands fail, also `exists`, `ttl` and `strlen`. A write that did not happen must
/// never look as if it did.
///
/// ```
/// use redis_keyspace::command::OnUnavailable;
/// use redis_keyspace::{Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "1h", on_unavailable = "miss")]
/// struct PageKeys {
///     title: fn(id: u64) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// let down = Redis::open("redis://127.0.0.1:1")?;
/// assert_eq!(PageKeys::title(7).get().on(&down).await?, None);
/// let title = PageKeys::title(7).get_or_set(|| async { "from the database".to_owned() }).on(&down).await?;
/// assert_eq!((title.as_str(), down.stats().degraded), ("from the database", 2));
/// assert!(PageKeys::title(7).set("x").on(&down).await.is_err());
/// assert!(PageKeys::title(7).get().on_unavailable(OnUnavailable::Error).on(&down).await.is_err());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnUnavailable {
    /// The read fails.
    #[default]
    Error,
    /// The read returns a miss, as if the key did not exist: `None`, or 0 for a counter. Each such
    /// read is counted in [`Stats::degraded`](crate::stats::Stats::degraded) and logged as a
    /// warning.
    Miss,
}

/// Which server answers the commands that only read: the master, or a replica.
///
/// A replica gets the writes a little later than the master, usually milliseconds, and a replica
/// that lost its master may be behind by seconds. So a read from a replica may return an older
/// value than a write of the same program has set, or a miss. Choose it for data that may be stale.
///
/// Set it for a keyspace with `#[keyspace(reads = "prefer_replica")]`, for a key with
/// `#[key(reads = "replica")]`, or for a single call with
/// [`Command::reads`](crate::Command::reads). It applies to single commands that only read: those
/// of values, counters, collections, bitmaps and streams, `exists`, `ttl`, and `read_only` scripts.
/// All other commands use the master, also those of locks, and everything in a batch or a
/// transaction. `get_or_set` may return a value that a replica has; if the replica has none, it
/// asks the master before it loads.
///
/// Replicas are known behind [sentinels](crate::guide::sentinel), on a
/// [cluster](crate::guide::cluster), and with
/// [`RedisBuilder::replicas`](crate::RedisBuilder::replicas). On any other server, the master is
/// the only one, and answers.
///
/// ```
/// use redis_keyspace::command::Reads;
/// use redis_keyspace::{Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "1h", reads = "prefer_replica")]
/// struct PageKeys {
///     title: fn(id: u64) -> Text,
///     #[key(reads = "master")]
///     draft: fn(id: u64) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// PageKeys::title(7).set("A page").await?;
/// let latest = PageKeys::title(7).get().reads(Reads::Master).await?;
/// assert_eq!(latest.as_deref(), Some("A page"));
/// # Ok(()) }).await }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Reads {
    /// The master answers. The read sees every write that was acknowledged before.
    #[default]
    Master,
    /// A near replica that is in sync answers. If there is none, or if the read fails on it, the
    /// master answers.
    PreferReplica,
    /// A replica answers. If none is in sync, the read fails with
    /// [`Unavailable`](crate::ErrorKind::Unavailable). This keeps reads away from the master.
    Replica,
}

/// The options of [`get_or_set`](crate::Key::get_or_set) that a keyspace or template declares. A
/// call can override them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillPolicy {
    /// Whether the declaration permits fills: `false` if it sets `fills = false`.
    #[doc(hidden)]
    pub enabled: bool,
    /// The maximum fraction by which TTLs are randomly shortened, in thousandths.
    #[doc(hidden)]
    pub jitter: u16,
    #[doc(hidden)]
    pub stale_for: Option<Duration>,
    /// The fraction of the TTL after which a hit reloads the value, in thousandths.
    #[doc(hidden)]
    pub early_refresh: Option<u16>,
    #[doc(hidden)]
    pub negative_ttl: Option<Duration>,
    #[doc(hidden)]
    pub hard_timeout: Option<Duration>,
    #[doc(hidden)]
    pub wait_timeout: Option<Duration>,
    #[doc(hidden)]
    pub across_processes: bool,
}

impl FillPolicy {
    /// No options. The derive adds those of the attributes.
    #[doc(hidden)]
    pub const NONE: Self = Self {
        enabled: true,
        jitter: 0,
        stale_for: None,
        early_refresh: None,
        negative_ttl: None,
        hard_timeout: None,
        wait_timeout: None,
        across_processes: false,
    };

    /// The policy of `fills = false`.
    #[doc(hidden)]
    pub const DISABLED: Self = Self { enabled: false, ..Self::NONE };

    /// Returns whether the declaration permits fills: `false` if it sets `fills = false`, and for
    /// collections unless it sets `fills = true`.
    #[must_use]
    pub const fn enabled(&self) -> bool {
        self.enabled
    }

    /// Whether a lookup only reads the value.
    pub(crate) fn is_plain_read(&self) -> bool {
        self.stale_for.is_none() && self.early_refresh.is_none()
    }

    /// Returns the maximum fraction by which TTLs of loaded values are randomly shortened, from 0
    /// to 1.
    #[must_use]
    pub fn ttl_jitter(&self) -> f64 {
        f64::from(self.jitter) / 1000.0
    }

    /// Returns how long a stale copy is kept after the value expires.
    #[must_use]
    pub const fn stale_for(&self) -> Option<Duration> {
        self.stale_for
    }

    /// Returns the fraction of the TTL after which a hit reloads the value, from 0 to 1.
    #[must_use]
    pub fn early_refresh(&self) -> Option<f64> {
        self.early_refresh.map(|part| f64::from(part) / 1000.0)
    }

    /// Returns how long a negative entry is kept, which records that no value exists.
    #[must_use]
    pub const fn negative_ttl(&self) -> Option<Duration> {
        self.negative_ttl
    }

    /// Returns how long a loader may run.
    #[must_use]
    pub const fn hard_timeout(&self) -> Option<Duration> {
        self.hard_timeout
    }

    /// Returns how long a caller waits for the load of another caller before it loads the value
    /// itself.
    #[must_use]
    pub const fn wait_timeout(&self) -> Option<Duration> {
        self.wait_timeout
    }

    /// Returns whether a stampede is one load across all processes.
    #[must_use]
    pub const fn across_processes(&self) -> bool {
        self.across_processes
    }
}
