//! The handle on a server.

use std::any::Any;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
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

/// A handle on a Redis server with its configuration. Commands run on it.
///
/// Cheap to clone; clones are the same handle. It connects for the first command, on the runtime of that command. All
/// handles of the process with the same effective configuration share their pools; a pool closes when the last of them is
/// dropped or [closed](Self::close).
///
/// A command finds its handle in this order: the one set by `.on(&redis)`; else that of the innermost
/// [`scope`](Self::scope); else the [installed](Self::install) one, by name if the keyspace declares `server = "name"`.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<RedisInner>,
}

struct RedisInner {
    builder: Arc<RedisBuilder>,
    /// Set for the handle of one tenant.
    tenant: Option<Tenant>,
    bindings: ArcSwap<Bindings>,
    /// Held to change `bindings`.
    changing: Mutex<()>,
    /// The pools of this handle and of its tenants. They exist as long as this handle, whether or not a tenant's handle exists.
    pools: Mutex<FxHashMap<(usize, Id), Arc<KeyspacePool>>>,
    closed: Arc<ClosedFlag>,
    counters: Arc<Counters>,
    /// Until the handle is gone. `None` for the handle of a tenant, which has the checks of the one that it was derived from.
    _checks: Option<CountedChecks>,
}

/// The tenant of a handle.
struct Tenant {
    name: Box<str>,
    /// The handle that it was derived from.
    of: Redis,
}

/// By the address of the keyspace's declaration (0 for none) and the runtime.
type Bindings = FxHashMap<(usize, Id), Arc<Binding>>;

impl Redis {
    /// Creates a builder, to configure a handle in code.
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

    /// The handle of one tenant, whose name is already validated.
    pub(super) fn of_tenant(&self, name: &str) -> Self {
        let of = self.root().clone();
        let (builder, counters) = (Arc::clone(&of.inner.builder), Arc::clone(&of.inner.counters));
        Self::with(builder, Some(Tenant { name: name.into(), of }), counters)
    }

    /// Returns the tenant of this handle, if [`for_tenant`](Self::for_tenant) created it.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.inner.tenant.as_ref().map(|tenant| &*tenant.name)
    }

    /// The handle that this one was derived from, or itself.
    fn root(&self) -> &Self {
        self.inner.tenant.as_ref().map_or(self, |tenant| &tenant.of)
    }

    /// Connects now, and returns why if that fails: for programs that must not start without Redis.
    ///
    /// # Errors
    ///
    /// Why no connection can be made, at the latest after the configured timeout.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the handle as it was; an attempt in progress ends on its own.
    pub async fn connect(&self) -> Result<&Self> {
        let binding = self.base()?;
        binding.require_server()?;
        binding.pool().connect().await?;
        binding.still_open()?;
        Ok(self)
    }

    /// Returns a handle on the connections of one keyspace: on its database, with its options. Use it for operations on a
    /// connection rather than on keys: [`raw`](Self::raw), [`ping`](Self::ping), [`connect`](Self::connect). It shares its
    /// pool with the commands of the keyspace on this handle.
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
    /// [`Configuration`](crate::ErrorKind::Configuration) if the options of the keyspace are invalid on this handle, and
    /// [`Closed`](crate::ErrorKind::Closed).
    pub fn for_keyspace<S: Keyspace>(&self) -> Result<Self> {
        if self.is_closed() {
            return Err(Error::closed());
        }
        let mut builder = RedisBuilder::clone(&self.inner.builder);
        builder.base = builder.effective(Some(S::META))?;
        let handle = Self::from_builder(builder);
        Ok(self.tenant().map(|tenant| handle.of_tenant(tenant)).unwrap_or(handle))
    }

    /// Closes this handle and all its clones. Later commands fail, and so do commands that wait for a connection. Waits for
    /// commands that were sent, within their deadlines. Pools that other handles share stay open for them.
    ///
    /// Connections on other runtimes are closed too, without waiting for their commands.
    ///
    /// Closing a handle also closes the handles of its [tenants](Self::for_tenant). Closing the handle of a tenant closes only
    /// that handle, and waits for nothing, because its connections belong to the handle that it was derived from.
    ///
    /// # Cancellation
    ///
    /// The handle is closed with the first poll; dropping the future only stops waiting.
    pub async fn close(&self) {
        let (_bindings, pools) = {
            let _changing = lock(&self.inner.changing);
            self.inner.closed.set();
            (self.inner.bindings.swap(Arc::default()), std::mem::take(&mut *lock(&self.inner.pools)))
        };
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        for ((_, runtime), kept) in &pools {
            let pool = kept.pool.pool();
            // All users of a pool may be keyspaces of this handle.
            let ours = pools.values().filter(|other| Arc::ptr_eq(other.pool.pool(), pool)).count();
            if pool.refs.load(Ordering::Relaxed) == ours && !pool.is_orphaned() {
                let closed = pool.close();
                // Another runtime may not be running now.
                if here == Some(*runtime) {
                    closed.await;
                }
            }
        }
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

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.is_set()
    }

    /// What is checked of values of a keyspace before they are sent.
    pub(super) fn checks(&self, keyspace: &'static KeyspaceMeta) -> WriteChecks {
        let (most, verifies) = self.inner.builder.checks(keyspace);
        WriteChecks { most, verifies }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// All pools of this handle and of its tenants, for statistics.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        lock(&self.root().inner.pools).values().map(|kept| Arc::clone(kept.pool.pool())).collect()
    }

    /// The pool of a keyspace. It exists as long as the handle from which the tenants are derived.
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
        // Drops pools of runtimes that have ended: each test creates a runtime.
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

    /// The binding of the handle's own database and options.
    pub(crate) fn base(&self) -> Result<Arc<Binding>> {
        self.bind(None)
    }

    /// The text before the keys of a keyspace: namespace and tenant. It ends in its separator, or is empty.
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
        let builder = &self.inner.builder;
        let settings = builder.effective(keyspace)?;
        let (timeout, retries, retry_delay) = (settings.timeout, settings.retries, settings.retry_delay);
        let checks = WriteChecks { most: settings.max_value_bytes, verifies: settings.verify_writes };
        let ttl = builder.keyspace_ttl(keyspace)?;
        let is_disabled = matches!(settings.endpoint, Endpoint::Disabled(_));
        let namespace = self.namespace_of(keyspace)?;
        let pool = self.pool_of(keyspace, settings, &runtime)?;
        let binding = Arc::new(Binding {
            namespace,
            timeout,
            retries,
            retry_delay,
            checks,
            ttl,
            is_disabled,
            pool,
            closed: Arc::clone(&self.inner.closed),
            counters: Arc::clone(&self.inner.counters),
        });
        // The moment to drop bindings of runtimes that have ended: tests create one runtime each.
        let mut bindings: Bindings = (current.iter().filter(|(_, binding)| !binding.pool().is_orphaned()))
            .map(|(key, binding)| (*key, Arc::clone(binding)))
            .collect();
        bindings.insert(key, Arc::clone(&binding));
        self.inner.bindings.store(Arc::new(bindings));
        Ok(binding)
    }

    /// Runs `use_binding` with the binding of a keyspace; on the hot path, without cloning it.
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
