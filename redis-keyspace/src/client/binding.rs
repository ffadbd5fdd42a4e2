//! A keyspace bound to the pool that its commands use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::checks::WriteChecks;
use super::counters::Counters;
use super::watch::DeadlineWatch;
use crate::connect::{Pool, PoolRef};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Deadline;

/// A keyspace of a handle, bound to its pool on one runtime.
pub(crate) struct Binding {
    pub(super) pool: PoolRef,
    /// Ends in its separator, or is empty.
    pub(crate) namespace: Box<str>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    /// What is checked of values before they are sent.
    pub(crate) checks: WriteChecks,
    /// Set when the handle is closed.
    pub(crate) closed: AtomicBool,
    /// The counters of the handle.
    pub(crate) counters: Arc<Counters>,
}

impl Binding {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.pool.pool()
    }

    /// Watches the deadline of a request that may be polled on another runtime than that of the pool.
    pub(crate) fn watch(&self, deadline: Deadline) -> DeadlineWatch {
        DeadlineWatch::new(self.pool.runtime(), deadline)
    }

    /// The key as it is sent.
    pub(crate) fn wire_name(&self, key: &str) -> String {
        let mut name = String::with_capacity(self.namespace.len() + key.len());
        name.push_str(&self.namespace);
        name.push_str(key);
        name
    }

    /// The deadline of an operation that starts now, with this timeout or that of the handle.
    pub(crate) fn deadline(&self, timeout: Option<Duration>) -> Deadline {
        Deadline::after(timeout.unwrap_or(self.timeout))
    }

    /// Fails if the handle was closed while a caller waited.
    pub(super) fn still_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(()) }
    }
}

/// The tokio runtime of the caller.
pub(crate) fn current_runtime() -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::new(
            ErrorKind::ServerNotConfigured,
            "no tokio runtime is running: await commands within one, for example under #[tokio::main]",
        )
    })
}
