//! Options of every operation: its server and its deadline.

use std::sync::Arc;
use std::time::Duration;

use super::binding::Binding;
use super::choose::Target;
use crate::connect::{ReplicaWait, ServerWait};
use crate::error::{Error, Result};
use crate::schema::{Key, Keyspace, KeyspaceMeta, TemplateMeta};

/// The server of an operation, and the timeout of each of its commands.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) target: Target,
    pub(crate) timeout: Option<Duration>,
    /// Set if the command waits at the server. Boxed, because it is rare.
    pub(crate) wait: Option<Box<WaitOptions>>,
    /// Boxed, because it is rare: see [`others`](Self::others).
    pub(crate) others: Option<Box<OtherKeyspaces>>,
}

/// The keyspaces of further keys of a command that has keys of several keyspaces.
#[derive(Clone)]
pub(crate) struct OtherKeyspaces(Vec<&'static KeyspaceMeta>);

/// What a command is to wait for at the server. It can't be both.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitOptions {
    elements: Option<Duration>,
    replicas: Option<ReplicaWait>,
}

impl CallOptions {
    pub(crate) fn wait_for_elements(&mut self, limit: Duration) {
        self.wait.get_or_insert_default().elements = Some(limit);
    }

    pub(crate) fn wait_for_replicas(&mut self, wait: ReplicaWait) {
        self.wait.get_or_insert_default().replicas = Some(wait);
    }

    /// Adds the waits of options that were set later.
    pub(crate) fn also_wait(&mut self, later: Option<Box<WaitOptions>>) {
        let Some(later) = later else { return };
        let wait = self.wait.get_or_insert_default();
        wait.elements = later.elements.or(wait.elements);
        wait.replicas = later.replicas.or(wait.replicas);
    }

    /// Returns what the command waits for. Fails if it can't wait for all of it.
    pub(crate) fn server_wait(&self) -> Result<Option<ServerWait>> {
        let Some(WaitOptions { elements, replicas }) = self.wait.as_deref().copied() else { return Ok(None) };
        match (elements, replicas) {
            (Some(_), Some(_)) => Err(Error::invalid_input(
                "a command can't wait for elements and for replicas: use either `block` or `wait_replicas`; nothing was sent",
            )),
            (Some(limit), None) => Ok(Some(ServerWait::Elements(limit))),
            (None, replicas) => Ok(replicas.map(ServerWait::Replicas)),
        }
    }

    /// Creates the options of an operation on a key, with the handle that was set on the key, if
    /// any.
    pub(crate) fn of_key<S, V>(key: &Key<S, V>) -> Self {
        Self { target: key.redis().into(), ..Self::default() }
    }

    /// The keyspaces of further keys of the command.
    #[inline]
    pub(crate) fn others(&self) -> &[&'static KeyspaceMeta] {
        self.others.as_ref().map_or(&[], |others| &others.0)
    }

    pub(crate) fn set_others(&mut self, others: Vec<&'static KeyspaceMeta>) {
        self.others = (!others.is_empty()).then(|| Box::new(OtherKeyspaces(others)));
    }

    /// Fails if a further keyspace of the command uses another server, database or namespace than
    /// the command. `target` is where the command runs.
    #[cold]
    pub(crate) fn check_others(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        target: &Target,
        binding: &Binding,
    ) -> Result<()> {
        for other in self.others() {
            let resolved = target.resolve(Some(other))?;
            if !Arc::ptr_eq(resolved.pool(), binding.pool()) || resolved.namespace != binding.namespace {
                return Err(Error::invalid_input(format!(
                    "the keys of one command must be on one server and database, but {} and {} use different servers, \
                     databases, tenants or connection options; nothing was sent",
                    keyspace.map_or("the server itself", |keyspace| keyspace.name()),
                    other.name(),
                )));
            }
        }
        Ok(())
    }

    /// Adds the templates of keys of further keyspaces to an error.
    pub(crate) fn naming_templates(&self, keyspace: Option<&'static KeyspaceMeta>, error: Error) -> Error {
        if self.others().is_empty() {
            return error;
        }
        let keyspaces = || keyspace.into_iter().chain(self.others().iter().copied());
        error.naming_templates(&mut |key| {
            keyspaces().find_map(|keyspace| keyspace.template_of(key)).map(TemplateMeta::template)
        })
    }

    /// Resolves the binding of a keyspace.
    pub(crate) fn resolve<S: Keyspace>(&self) -> Result<Arc<Binding>> {
        self.target.resolve(Some(S::META))
    }
}

/// Defines `on` and `timeout` of a builder. `$place` is the field that holds its [`CallOptions`].
/// The docs of `timeout` say what it covers.
macro_rules! call_options {
    ($this:ident => $place:expr; $(#[$timeout_docs:meta])+) => {
        /// Sets the handle to run on, overriding the installed or scoped one.
        pub fn on(mut $this, redis: &$crate::Redis) -> Self {
            $place.target = $crate::client::Target::Handle(redis.clone());
            $this
        }

        $(#[$timeout_docs])+
        pub fn timeout(mut $this, timeout: std::time::Duration) -> Self {
            $place.timeout = Some(timeout);
            $this
        }
    };
}

/// Defines `wait_replicas` of a command. `$place` is the field that holds its [`CallOptions`].
macro_rules! wait_option {
    ($this:ident => $place:expr) => {
        /// Waits after the write until so many replicas have acknowledged it (`WAIT`), for at most
        /// `limit`, which is rounded up to milliseconds. The deadline of the command grows by
        /// `limit`.
        ///
        /// If fewer replicas acknowledge it in time, the command fails with
        /// [`NotReplicated`](crate::ErrorKind::NotReplicated), although the write was executed. An
        /// acknowledged write survives a failover to one of these replicas; it is not a guarantee,
        /// because another replica may be promoted.
        ///
        /// The command uses an exclusive connection, so that the wait does not hold up others. On a
        /// cluster, all keys must be in one slot. A command that only reads, one that waits for
        /// entries, and a command of a batch fails with
        /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
        ///
        /// ```
        /// # use redis_keyspace::{Keyspace, Redis, Text};
        /// # use std::time::Duration;
        /// # #[derive(Keyspace)]
        /// # #[keyspace(prefix = "order", ttl = "1d")]
        /// # struct OrderKeys { state: fn(id: u64) -> Text }
        /// # #[tokio::main(flavor = "current_thread")] async fn main() {
        /// # Redis::embedded().scope(async {
        /// use redis_keyspace::ErrorKind;
        ///
        /// let paid = OrderKeys::state(7).set("paid").wait_replicas(1, Duration::from_millis(100)).await;
        /// // The embedded server has no replicas.
        /// assert_eq!(paid.unwrap_err().kind(), ErrorKind::NotReplicated);
        /// assert_eq!(OrderKeys::state(7).get().await.unwrap().as_deref(), Some("paid"));
        /// # }).await }
        /// ```
        pub fn wait_replicas(mut $this, replicas: u32, limit: std::time::Duration) -> Self {
            $place.wait_for_replicas($crate::connect::ReplicaWait { replicas, limit });
            $this
        }
    };
}
pub(crate) use {call_options, wait_option};
