//! Policies that a declaration sets.

use std::time::Duration;

/// How reads behave when Redis is unavailable: it can't be reached, does not answer in time, or its queues are full.
///
/// Set for a keyspace by `#[keyspace(on_unavailable = "miss")]`, and for a single call by
/// [`Command::on_unavailable`](crate::Command::on_unavailable). It applies to `get`, `get_json`, `get_ex`, `get_many` and
/// `get_or_set`, also in a batch. All other commands fail, so that a write that did not happen is never taken for one
/// that did.
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
    /// The read returns a miss, as if the key did not exist: `None`, or 0 for a counter. Each is counted in
    /// [`Stats::degraded`](crate::stats::Stats::degraded) and logged as a warning.
    Miss,
}

/// What a keyspace or a template sets about [`get_or_set`](crate::Key::get_or_set) of its keys; a call can override it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillPolicy {
    /// The largest part by which lifetimes are shortened at random, in thousandths.
    #[doc(hidden)]
    pub jitter: u16,
    #[doc(hidden)]
    pub stale_for: Option<Duration>,
    /// After which part of the lifetime a hit reloads the value, in thousandths.
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
    /// Nothing set; the derive sets what the attributes say.
    #[doc(hidden)]
    pub const NONE: Self = Self {
        jitter: 0,
        stale_for: None,
        early_refresh: None,
        negative_ttl: None,
        hard_timeout: None,
        wait_timeout: None,
        across_processes: false,
    };

    /// Whether looking for a value is a plain `GET`.
    pub(crate) fn looks_plainly(&self) -> bool {
        self.stale_for.is_none() && self.early_refresh.is_none()
    }

    /// Returns the largest part by which lifetimes of loaded values are shortened at random, from 0 to 1.
    #[must_use]
    pub fn ttl_jitter(&self) -> f64 {
        f64::from(self.jitter) / 1000.0
    }

    /// Returns how long a stale copy is kept after the lifetime of the value.
    #[must_use]
    pub const fn stale_for(&self) -> Option<Duration> {
        self.stale_for
    }

    /// Returns the part of the lifetime after which a hit reloads the value, from 0 to 1.
    #[must_use]
    pub fn early_refresh(&self) -> Option<f64> {
        self.early_refresh.map(|part| f64::from(part) / 1000.0)
    }

    /// Returns how long the absence of a value is remembered.
    #[must_use]
    pub const fn negative_ttl(&self) -> Option<Duration> {
        self.negative_ttl
    }

    /// Returns how long a loader may take.
    #[must_use]
    pub const fn hard_timeout(&self) -> Option<Duration> {
        self.hard_timeout
    }

    /// Returns how long a caller waits for another caller's load before it loads itself.
    #[must_use]
    pub const fn wait_timeout(&self) -> Option<Duration> {
        self.wait_timeout
    }

    /// Whether all processes together load once.
    #[must_use]
    pub const fn across_processes(&self) -> bool {
        self.across_processes
    }
}
