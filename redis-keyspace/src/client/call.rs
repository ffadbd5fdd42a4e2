//! Options of every operation: its server and its deadline.

use std::sync::Arc;
use std::time::Duration;

use super::binding::Binding;
use super::choose::Target;
use crate::connect::ServerWait;
use crate::error::{Error, Result};
use crate::schema::{Key, Keyspace, KeyspaceMeta, TemplateMeta};

/// The server of an operation, and the timeout of each of its commands.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) target: Target,
    pub(crate) timeout: Option<Duration>,
    /// Set if the command waits at the server. Boxed, because it is rare.
    pub(crate) wait: Option<Box<ServerWait>>,
    /// The keyspaces of further keys of the command, if it has keys of several keyspaces.
    pub(crate) others: Vec<&'static KeyspaceMeta>,
}

impl CallOptions {
    /// Creates the options of an operation on a key, with the handle that was set on the key, if
    /// any.
    pub(crate) fn of_key<S, V>(key: &Key<S, V>) -> Self {
        Self { target: key.redis().into(), ..Self::default() }
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
        for other in &self.others {
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
        if self.others.is_empty() {
            return error;
        }
        let keyspaces = || keyspace.into_iter().chain(self.others.iter().copied());
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
        /// cluster, all keys must be in one slot. A command that only reads, and a command of a
        /// batch, fails with [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
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
            let wait = $crate::connect::ReplicaWait { replicas, limit };
            $place.wait = Some(Box::new($crate::connect::ServerWait::Replicas(wait)));
            $this
        }
    };
}
pub(crate) use {call_options, wait_option};
