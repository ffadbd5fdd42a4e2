//! The handle on a server.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use rustc_hash::FxHashMap;
use tokio::runtime::{Handle, Id};

use super::binding::{Binding, KeyspacePool, conflict_on, current_runtime};
use super::checks::{CountedChecks, WriteChecks};
use super::counters::Counters;
use crate::config::{Endpoint, RedisBuilder, Settings};
use crate::connect::{Pool, PoolRef};
use crate::error::{Error, Result};
use crate::schema::{Keyspace, KeyspaceMeta, Pinned};
use crate::sync::{ClosedFlag, lock};

/// A handle on a Redis server and its configuration. Commands run on it.
///
/// Handles are cheap to clone, and clones are the same handle. A handle connects for its first
/// command, on the runtime of that command. All handles of the process with the same effective
/// configuration share their pools. A pool closes when the last of these handles is dropped or
/// [closed](Self::close).
///
/// A command uses the first of these handles that is set: the one set by `.on(&redis)`; the one of
/// the innermost [`scope`](Self::scope); the [installed](Self::install) one, by name if the
/// keyspace declares `server = "name"`.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<RedisInner>,
}

struct RedisInner {
    builder: Arc<RedisBuilder>,
    /// Set if this is the handle of one tenant.
    tenant: Option<Tenant>,
    bindings: ArcSwap<Bindings>,
    /// Locked while `bindings` changes.
    changing: Mutex<()>,
    /// The pools of this handle and of its tenants. They live as long as this handle, even when no
    /// handle of a tenant exists.
    pools: Mutex<FxHashMap<(usize, Id), Arc<KeyspacePool>>>,
    closed: Arc<ClosedFlag>,
    counters: Arc<Counters>,
    /// Counted until the handle is dropped. `None` for the handle of a tenant, which uses the
    /// checks of the handle that it was derived from.
    _checks: Option<CountedChecks>,
}

/// The tenant of a handle.
struct Tenant {
    name: Box<str>,
    /// The handle that it was derived from.
    of: Redis,
}

/// Bindings by the address of the keyspace declaration (0 for none) and the runtime.
type Bindings = FxHashMap<(usize, Id), Arc<Binding>>;

impl Redis {
    /// Creates a builder, which configures a handle in code.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub(crate) fn from_builder(builder: RedisBuilder) -> Self {
        Self::with(Arc::new(builder), None, Arc::default())
    }

    fn with(builder: Arc<RedisBuilder>, tenant: Option<Tenant>, counters: Arc<Counters>) -> Self {
        let closed = tenant
            .as_ref()
            .map_or_else(ClosedFlag::default, |tenant| ClosedFlag::of(&tenant.of.inner.closed));
        Self {
            inner: Arc::new(RedisInner {
                _checks: tenant.is_none().then(|| CountedChecks::new(&builder)),
                builder,
                tenant,
                bindings: ArcSwap::default(),
                changing: Mutex::new(()),
                pools: Mutex::default(),
                closed: Arc::new(closed),
                counters,
            }),
        }
    }

    /// Returns the handle of one tenant. The name must already be validated.
    pub(super) fn of_tenant(&self, name: &str) -> Self {
        let of = self.root().clone();
        let (builder, counters) = (Arc::clone(&of.inner.builder), Arc::clone(&of.inner.counters));
        Self::with(builder, Some(Tenant { name: name.into(), of }), counters)
    }

    /// Returns the tenant of this handle, if it was created by [`for_tenant`](Self::for_tenant).
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.inner.tenant.as_ref().map(|tenant| &*tenant.name)
    }

    /// Returns the handle that this one was derived from, or itself.
    fn root(&self) -> &Self {
        self.inner.tenant.as_ref().map_or(self, |tenant| &tenant.of)
    }

    /// Connects now, for programs that must not start without Redis. Without this call, a handle
    /// connects for its first command.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// redis.connect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The reason why no connection can be made, at the latest after the configured timeout: for
    /// example [`Unavailable`](crate::ErrorKind::Unavailable) or
    /// [`AuthenticationFailed`](crate::ErrorKind::AuthenticationFailed).
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured) on a
    /// [disabled](Self::disabled) handle, and [`Closed`](crate::ErrorKind::Closed) on a closed one.
    ///
    /// # Cancellation
    ///
    /// Dropping the future does not change the handle. A connection attempt in progress ends by
    /// itself.
    ///
    /// # Round trips
    ///
    /// Those of the login, for each shared connection in turn. On a cluster, also the login and the
    /// request for the slots on the configured server, before the masters are connected at the same
    /// time.
    pub async fn connect(&self) -> Result<&Self> {
        let binding = self.base()?;
        binding.require_server()?;
        binding.pool().connect().await?;
        binding.still_open()?;
        Ok(self)
    }

    /// Returns a handle on the connections of one keyspace: on its database, with its options.
    ///
    /// Use it for operations on a connection rather than on keys: [`raw`](Self::raw),
    /// [`ping`](Self::ping), [`connect`](Self::connect). It shares its pool with the commands of
    /// the keyspace on this handle. Does no I/O.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", db = 3, ttl = none)]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// Motd::today().set("hello").on(&redis).await?;
    /// let keys: u64 = redis
    ///     .for_keyspace::<Motd>()?
    ///     .raw(|mut connection| async move { redis::cmd("DBSIZE").query_async(&mut connection).await })
    ///     .await?;
    /// assert_eq!(keys, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the options of the keyspace are
    /// invalid on this handle, and [`Closed`](crate::ErrorKind::Closed) if this handle is closed.
    pub fn for_keyspace<S: Keyspace>(&self) -> Result<Self> {
        if self.is_closed() {
            return Err(Error::closed());
        }
        let mut builder = RedisBuilder::clone(&self.inner.builder);
        builder.base = builder.effective(Some(S::META))?;
        let handle = Self::from_builder(builder);
        Ok(self.tenant().map(|tenant| handle.of_tenant(tenant)).unwrap_or(handle))
    }

    /// Closes this handle and all its clones.
    ///
    /// Later commands fail, and so do commands that wait for a connection. The call waits for
    /// commands that were already sent, within their deadlines. Pools that are shared stay open,
    /// and the call does not wait for their commands: other handles may share them, those of
    /// [`for_keyspace`](Self::for_keyspace), and sweeps that have not ended. Connections on other
    /// runtimes are closed too, without waiting for their commands.
    ///
    /// Closing a handle also closes the handles of its [tenants](Self::for_tenant). Closing the
    /// handle of a tenant closes only that handle and waits for nothing, because its connections
    /// belong to the handle that it was derived from.
    ///
    /// ```
    /// # use redis_keyspace::{ErrorKind, Redis};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// redis.close().await;
    /// assert_eq!(redis.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancellation
    ///
    /// The first poll closes the handle. Dropping the future after that only stops waiting.
    ///
    /// # Round trips
    ///
    /// None.
    pub async fn close(&self) {
        let (_bindings, pools) = {
            let _changing = lock(&self.inner.changing);
            self.inner.closed.set();
            (self.inner.bindings.swap(Arc::default()), std::mem::take(&mut *lock(&self.inner.pools)))
        };
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let mut closing = Vec::new();
        for ((_, runtime), kept) in &pools {
            let pool = kept.pool.pool();
            // Unless it is the last reference, other keyspaces or handles use the pool.
            if kept.pool.release() && !pool.is_orphaned() {
                let closed = pool.close();
                // Another runtime may not be running, so waiting for it could block.
                if here == Some(*runtime) {
                    closing.push(closed);
                }
            }
        }
        // All are closed by now, even if the caller stops waiting.
        join_all(closing).await;
    }

    pub(crate) fn as_pinned(&self) -> Pinned {
        Pinned(Arc::clone(&self.inner) as Arc<dyn Any + Send + Sync>)
    }

    pub(crate) fn from_pinned(pinned: &Pinned) -> Option<Self> {
        Some(Self { inner: Arc::clone(&pinned.0).downcast().ok()? })
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root().inner, &other.root().inner) && self.tenant() == other.tenant()
    }

    /// The server that the configuration names.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.inner.builder.base.endpoint
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.is_set()
    }

    /// Returns the checks that values of a keyspace must pass before they are sent.
    pub(super) fn checks(&self, keyspace: &'static KeyspaceMeta) -> WriteChecks {
        let (most, verifies) = self.inner.builder.checks(keyspace);
        WriteChecks { most, verifies }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// Returns all pools of this handle and of its tenants, for statistics.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        lock(&self.root().inner.pools).values().map(|kept| Arc::clone(kept.pool.pool())).collect()
    }

    /// Returns the pool of a keyspace. It lives as long as the handle that the tenants are derived
    /// from.
    fn pool_of(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        settings: Settings,
        runtime: &Handle,
    ) -> Result<Arc<KeyspacePool>> {
        let root = self.root();
        let mut pools = lock(&root.inner.pools);
        if root.is_closed() {
            return Err(Error::closed());
        }
        // Drops the pools of runtimes that ended: each test creates a runtime.
        pools.retain(|_, kept| !kept.pool.pool().is_orphaned());
        let key = (keyspace.map_or(0, KeyspaceMeta::address), runtime.id());
        if let Some(kept) = pools.get(&key) {
            return Ok(Arc::clone(kept));
        }
        let builder = &root.inner.builder;
        let is_disabled = matches!(settings.endpoint, Endpoint::Disabled(_));
        let pool = PoolRef::obtain(settings, runtime, keyspace.is_some());
        let bound = keyspace
            .filter(|_| !builder.allows_overlaps && !is_disabled)
            .map(|keyspace| pool.pool().local.reads.keyspaces.bind(keyspace, &builder.namespace))
            .transpose()
            .map_err(|conflict| conflict_on(pool.pool(), &conflict))?;
        let kept = Arc::new(KeyspacePool { pool, _keyspace: bound });
        pools.insert(key, Arc::clone(&kept));
        Ok(kept)
    }

    /// Returns the binding for the database and options of the handle itself.
    pub(crate) fn base(&self) -> Result<Arc<Binding>> {
        self.bind(None)
    }

    /// Returns the text before the keys of a keyspace: namespace and tenant. It ends in its
    /// separator, or is empty.
    pub(super) fn namespace_of(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Box<str>> {
        let namespace = self.inner.builder.namespace.as_str();
        let Some((keyspace, segment)) = keyspace.and_then(|meta| Some((meta, meta.tenant()?))) else {
            return Ok(namespace.into());
        };
        match self.tenant() {
            Some(tenant) => Ok(format!("{namespace}{segment}:{tenant}:").into()),
            None => Err(Error::configuration(format!(
                "{} declares `tenant`, but this handle has no tenant: use a handle from `redis.for_tenant(..)`",
                keyspace.name()
            ))),
        }
    }

    /// Binds a keyspace to its pool on this runtime.
    fn bind(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Arc<Binding>> {
        let runtime = current_runtime()?;
        let key = (keyspace.map_or(0, KeyspaceMeta::address), runtime.id());
        if let Some(binding) = self.inner.bindings.load().get(&key) {
            return Ok(Arc::clone(binding));
        }
        let _changing = lock(&self.inner.changing);
        if self.is_closed() {
            return Err(Error::closed());
        }
        let current = self.inner.bindings.load();
        if let Some(binding) = current.get(&key) {
            return Ok(Arc::clone(binding));
        }
        let binding = self.binding(keyspace, |settings| self.pool_of(keyspace, settings, &runtime))?;
        // Also drops the bindings of runtimes that ended: each test creates a runtime.
        let mut bindings: Bindings = (current.iter().filter(|(_, binding)| !binding.pool().is_orphaned()))
            .map(|(key, binding)| (*key, Arc::clone(binding)))
            .collect();
        bindings.insert(key, Arc::clone(&binding));
        self.inner.bindings.store(Arc::new(bindings));
        Ok(binding)
    }

    /// Creates a binding of a keyspace to a pool.
    fn binding(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        pool: impl FnOnce(Settings) -> Result<Arc<KeyspacePool>>,
    ) -> Result<Arc<Binding>> {
        let builder = &self.inner.builder;
        let settings = builder.effective(keyspace)?;
        let (timeout, retries, retry_delay) = (settings.timeout, settings.retries, settings.retry_delay);
        let checks = WriteChecks { most: settings.max_value_bytes, verifies: settings.verify_writes };
        let ttl = builder.keyspace_ttl(keyspace)?;
        let is_disabled = matches!(settings.endpoint, Endpoint::Disabled(_));
        let namespace = self.namespace_of(keyspace)?;
        let binding = Arc::new(Binding {
            namespace,
            timeout,
            retries,
            retry_delay,
            checks,
            ttl,
            is_disabled,
            pool: pool(settings)?,
            closed: Arc::clone(&self.inner.closed),
            counters: Arc::clone(&self.inner.counters),
        });
        if keyspace.is_some_and(KeyspaceMeta::may_serve_stale) {
            // Before the first command: a write that is still in flight when the first read starts
            // must forget the copy of that read.
            binding.pool().local.reads.copies.expect_reads();
        }
        Ok(binding)
    }

    /// Returns bindings of keyspaces that the program may not use on this server, to count or
    /// delete their keys. Fails if the keyspaces can't be on one server, or if one conflicts with a
    /// keyspace that uses its database. Registers none of them, so later commands of other
    /// keyspaces do not fail because of these.
    pub(crate) fn bindings_for_sweeps(
        &self,
        keyspaces: &[&'static KeyspaceMeta],
    ) -> Result<Vec<Arc<Binding>>> {
        if self.is_closed() {
            return Err(Error::closed());
        }
        let runtime = current_runtime()?;
        let unregistered = |settings| {
            let pool = PoolRef::obtain(settings, &runtime, false);
            Ok(Arc::new(KeyspacePool { pool, _keyspace: None }))
        };
        let bindings = keyspaces.iter().map(|keyspace| self.binding(Some(*keyspace), unregistered));
        let bindings: Vec<Arc<Binding>> = bindings.collect::<Result<_>>()?;
        let builder = &self.inner.builder;
        for binding in bindings.iter().filter(|binding| !builder.allows_overlaps && !binding.is_disabled) {
            let database = &binding.pool().local.reads.keyspaces;
            let uses_it = |other: &Binding| Arc::ptr_eq(&other.pool().local.reads.keyspaces, database);
            let together: Vec<_> = keyspaces
                .iter()
                .zip(&bindings)
                .filter(|(_, other)| uses_it(other))
                .map(|(keyspace, _)| *keyspace)
                .collect();
            database.check(&together, &builder.namespace).map_err(|conflict| {
                let error = conflict_on(binding.pool(), &conflict);
                error.explained("`TenantKeys::server` selects the keyspaces of one server")
            })?;
        }
        Ok(bindings)
    }

    /// Calls `use_binding` with the binding of a keyspace. On the hot path, does not clone the
    /// binding.
    pub(super) fn with_binding<R>(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        use_binding: impl FnOnce(&Arc<Binding>) -> R,
    ) -> Result<R> {
        {
            if self.inner.tenant.is_some() && self.is_closed() {
                return Err(Error::closed());
            }
            let runtime = current_runtime()?;
            let key = (keyspace.map_or(0, KeyspaceMeta::address), runtime.id());
            if let Some(binding) = self.inner.bindings.load().get(&key) {
                return Ok(use_binding(binding));
            }
        }
        self.bind(keyspace).map(|binding| use_binding(&binding))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let builder = &self.inner.builder;
        f.debug_struct("Redis")
            .field("endpoint", &builder.base.endpoint)
            .field("db", &builder.base.db)
            .field("namespace", &builder.namespace)
            .field("tenant", &self.tenant())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
