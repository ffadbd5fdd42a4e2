//! A keyspace bound to the pool that its commands use.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::checks::WriteChecks;
use super::counters::Counters;
use super::watch::DeadlineWatch;
use crate::connect::{Pool, PoolRef};
use crate::error::{Error, ErrorKind, Result};
use crate::local::{BindingConflict, BoundKeyspace};
use crate::schema::{Lifetime, TemplateMeta};
use crate::sync::ClosedFlag;
use crate::time::Deadline;

/// The pool of a keyspace on one runtime. A handle and the handles of its tenants share it.
pub(super) struct KeyspacePool {
    pub(super) pool: PoolRef,
    /// While this exists, no other keyspace that can make the same keys may use the database.
    /// `None` if overlaps are not checked.
    pub(super) _keyspace: Option<BoundKeyspace>,
}

/// A keyspace of a handle, bound to its pool on one runtime.
pub(crate) struct Binding {
    pub(super) pool: Arc<KeyspacePool>,
    /// Ends in its separator, or is empty.
    pub(crate) namespace: Box<str>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    /// The checks that values must pass before they are sent.
    pub(crate) checks: WriteChecks,
    /// Replaces the TTL that the keyspace declares for all of its templates.
    pub(crate) ttl: Option<Duration>,
    /// Whether the handle is disabled.
    pub(crate) is_disabled: bool,
    /// Set when the handle is closed.
    pub(crate) closed: Arc<ClosedFlag>,
    /// The counters of the handle.
    pub(crate) counters: Arc<Counters>,
}

impl Binding {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.pool.pool.pool()
    }

    /// Watches the deadline of a request that may be polled on a runtime other than the one of the
    /// pool.
    pub(crate) fn watch(&self, deadline: Deadline) -> DeadlineWatch {
        DeadlineWatch::new(self.pool.pool.runtime(), deadline)
    }

    /// Returns the key as it is sent.
    pub(crate) fn wire_name(&self, key: &str) -> String {
        let mut name = String::with_capacity(self.namespace.len() + key.len());
        name.push_str(&self.namespace);
        name.push_str(key);
        name
    }

    /// Returns the deadline of an operation that starts now, with this timeout or the one of the
    /// handle.
    pub(crate) fn deadline(&self, timeout: Option<Duration>) -> Deadline {
        Deadline::after(timeout.unwrap_or(self.timeout))
    }

    /// Returns the lifetime of the keys of a template.
    pub(crate) fn lifetime(&self, template: &TemplateMeta) -> Lifetime {
        match self.ttl {
            Some(ttl) if template.inherits_lifetime => Lifetime::Expires(ttl),
            _ => template.lifetime(),
        }
    }

    /// Fails if the handle is disabled.
    pub(crate) fn require_server(&self) -> Result<()> {
        if self.is_disabled { Err(disabled()) } else { Ok(()) }
    }

    /// Fails if the handle was closed while the caller waited.
    pub(super) fn still_open(&self) -> Result<()> {
        if self.closed.is_set() { Err(Error::closed()) } else { Ok(()) }
    }
}

/// Creates the error of a keyspace that can't use the database of a pool.
pub(super) fn conflict_on(pool: &Pool, conflict: &BindingConflict) -> Error {
    let (db, endpoint) = (pool.settings.db, &pool.settings.endpoint);
    Error::configuration(match conflict {
        BindingConflict::SameKey { one, other, example } => {
            let example = match example {
                Some(example) => format!("can make the same key there, for example `{example}`"),
                None => "are too similar to decide whether they can make the same key there".to_owned(),
            };
            format!(
                "`{}` can't use database {db} of {endpoint}, which `{}` uses in this process: their templates \"{}\" ({}) and \
                 \"{}\" ({}) {example}; use another database, server or namespace for one of them, or add a distinguishing \
                 literal; tests can call `RedisBuilder::allow_overlapping_keyspaces`",
                one.keyspace(),
                other.keyspace(),
                one.template(),
                one.field(),
                other.template(),
                other.field(),
            )
        }
        BindingConflict::Dedicated { dedicated, other } => format!(
            "`{}` can't share database {db} of {endpoint} with `{}`: it declares `dedicated_server`, so only keyspaces with \
             `server = {:?}` may use its server; install different servers; tests can call \
             `RedisBuilder::allow_overlapping_keyspaces`",
            dedicated.name(),
            other.name(),
            dedicated.server().unwrap_or_default(),
        ),
    })
}

/// Creates the error of an operation that a disabled handle can't answer.
pub(crate) fn disabled() -> Error {
    Error::new(
        ErrorKind::ServerNotConfigured,
        "this operation needs a server, but Redis is disabled on this handle (`Redis::disabled`); nothing was done",
    )
}

/// Returns the tokio runtime of the caller.
pub(crate) fn current_runtime() -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::new(
            ErrorKind::ServerNotConfigured,
            "no tokio runtime: await commands within a tokio runtime, for example under #[tokio::main]",
        )
    })
}
