//! The keys that a scan visits, and its options.

use std::time::Duration;

use crate::client::{CallOptions, Redis};
use crate::error::{Error, Result};
use crate::schema::{KeyspaceMeta, Pinned, TemplateMeta};

/// What a scan requests from the server, page by page.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) glob: String,
    /// The key, if only one key can match.
    pub(super) only: Option<String>,
    /// The Redis type of the keys, if it matters.
    pub(super) redis_type: Option<&'static str>,
    /// The error of the scan, if a bound argument contains a reserved marker.
    pub(super) refusal: Option<Error>,
}

impl Wanted {
    /// Fails if a bound argument is invalid. Nothing may be sent then.
    pub(super) fn check(&self) -> Result<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

/// The options of a pattern or a sweep.
///
/// The handle has its type erased. Each template of a keyspace has patterns of another type, and
/// for each of these types the compiler looks through everything that it owns.
#[derive(Clone)]
pub(super) struct PatternOptions {
    pub(super) on: Option<Pinned>,
    pub(super) timeout: Option<Duration>,
    pub(super) page_size: u32,
    pub(super) repeats: bool,
}

impl Default for PatternOptions {
    fn default() -> Self {
        // Larger pages need fewer round trips, but would block the server for longer than a
        // millisecond.
        Self { on: None, timeout: None, page_size: 1000, repeats: false }
    }
}

impl PatternOptions {
    pub(super) fn call(&self) -> CallOptions {
        let redis = self.on.as_ref().and_then(Redis::from_pinned);
        CallOptions { target: redis.into(), timeout: self.timeout, ..CallOptions::default() }
    }

    pub(super) fn of_scan(&self) -> ScanOptions {
        ScanOptions { call: self.call(), page_size: self.page_size, repeats: self.repeats }
    }
}

/// The options of a scan.
#[derive(Clone)]
pub(super) struct ScanOptions {
    pub(super) call: CallOptions,
    pub(super) page_size: u32,
    /// Whether a key may be returned twice. Then no key is remembered.
    pub(super) repeats: bool,
}

/// The keys that a sweep changes.
pub(super) struct SweepTarget {
    /// Whether a key that the glob matched belongs to the target.
    pub(super) filter: Box<dyn Fn(&str) -> bool + Send + Sync>,
    pub(super) wanted: Wanted,
    pub(super) keyspace: &'static KeyspaceMeta,
    pub(super) template: Option<&'static TemplateMeta>,
}
