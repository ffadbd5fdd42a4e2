//! Counters of a handle.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::schema::TemplateMeta;

/// The counters of a handle.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) fills: FillCounters,
    pub(crate) degraded: AtomicU64,
    pub(crate) dropped_writes: AtomicU64,
}

/// Counts how fills ended.
#[derive(Debug, Default)]
pub(crate) struct FillCounters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) refreshed: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) absent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) superseded: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) not_stored: AtomicU64,
}

impl Counters {
    /// Counts a write that a disabled handle dropped.
    pub(crate) fn note_dropped(&self, template: Option<&'static TemplateMeta>) {
        self.dropped_writes.fetch_add(1, Ordering::Relaxed);
        count!(
            "redis_keyspace_dropped_writes_total",
            "keyspace" => template.map_or("", TemplateMeta::keyspace),
            "template" => template.map_or("", TemplateMeta::template)
        );
        event!(
            debug,
            "Redis is disabled: write dropped",
            template = template.map_or("", TemplateMeta::template)
        );
    }

    /// Counts and logs a read that returned a miss because Redis was unavailable.
    pub(crate) fn note_degraded(&self, error: &Error, template: Option<&'static TemplateMeta>) {
        self.degraded.fetch_add(1, Ordering::Relaxed);
        count!(
            "redis_keyspace_degraded_total",
            "keyspace" => template.map_or("", TemplateMeta::keyspace),
            "template" => template.map_or("", TemplateMeta::template)
        );
        event!(
            warn,
            "Redis is unavailable: read returned a miss",
            template = template.map_or("", TemplateMeta::template),
            error = %error
        );
    }
}
