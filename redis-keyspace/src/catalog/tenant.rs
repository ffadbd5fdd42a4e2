//! All keys of one tenant.

use super::Catalog;
use crate::client::Redis;
use crate::error::{Error, Result};
use crate::scan::{Sweep, SweepError, delete_all};
use crate::schema::KeyspaceMeta;

impl Catalog {
    /// Returns the keys of one tenant in all keyspaces of the catalog that declare `tenant`, to
    /// count or delete them. `redis` is the handle of the tenant, from [`Redis::for_tenant`].
    ///
    /// It uses only the server of this handle. If some keyspaces are on another server, repeat the
    /// call with a handle of that server. [`server`](TenantKeys::server) selects the keyspaces of
    /// one server, which a catalog with a `dedicated_server` needs.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
    /// # pub struct CartKeys { user: fn(id: u64) -> Text }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", tenant = "t", ttl = "1h")]
    /// # pub struct PageKeys { views: fn(id: u64) -> Counter }
    /// catalog!(pub CATALOG = [CartKeys, PageKeys]);
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let acme = redis.for_tenant("acme")?;
    /// CartKeys::user(7).set("lamp").on(&acme).await?;
    /// PageKeys::views(1).incr().on(&acme).await?;
    ///
    /// assert_eq!(CATALOG.tenant_keys(&acme).count().await?, [("CartKeys", 1), ("PageKeys", 1)]);
    /// assert_eq!(CATALOG.tenant_keys(&acme).delete().await?, 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn tenant_keys(&self, redis: &Redis) -> TenantKeys {
        TenantKeys { catalog: *self, redis: redis.clone(), server: None }
    }
}

/// All keys of one tenant, created by [`Catalog::tenant_keys`].
#[derive(Debug, Clone)]
pub struct TenantKeys {
    catalog: Catalog,
    redis: Redis,
    server: Option<Option<String>>,
}

impl TenantKeys {
    /// Selects the keyspaces of one server: those that declare this name or, with `None`, those
    /// that declare no server. By default, the keyspaces of all servers are selected.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
    /// # pub struct CartKeys { user: fn(id: u64) -> Text }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "bill", server = "billing", dedicated_server, tenant = "t", ttl = "1h")]
    /// # pub struct BillKeys { number: fn(id: u64) -> Text }
    /// catalog!(pub CATALOG = [CartKeys, BillKeys]);
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let (redis, billing) = (Redis::embedded(), Redis::embedded());
    /// let (carts, bills) = (redis.for_tenant("acme")?, billing.for_tenant("acme")?);
    /// CATALOG.tenant_keys(&carts).server(None).delete().await?;
    /// CATALOG.tenant_keys(&bills).server(Some("billing")).delete().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn server(mut self, name: Option<&str>) -> Self {
        self.server = Some(name.map(str::to_owned));
        self
    }

    /// Returns the number of the tenant's keys in each selected keyspace, in the order of the
    /// catalog.
    ///
    /// Of a keyspace without a prefix, it counts the keys that the templates of the keyspace can
    /// make.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
    /// # pub struct CartKeys { user: fn(id: u64) -> Text }
    /// # catalog!(pub CATALOG = [CartKeys]);
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let acme = redis.for_tenant("acme")?;
    /// CartKeys::user(7).set("lamp").on(&acme).await?;
    /// assert_eq!(CATALOG.tenant_keys(&acme).count().await?, [("CartKeys", 1)]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the handle has no tenant, or if a
    /// selected keyspace can't be on this server, because a `dedicated_server` keeps it apart from
    /// another one; nothing is sent then. Otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the scan and leaves nothing on the server.
    ///
    /// # Round trips
    ///
    /// One for each page of the database, for each keyspace.
    pub async fn count(&self) -> Result<Vec<(&'static str, u64)>> {
        let mut counts = Vec::new();
        for (keyspace, sweep) in self.sweeps()? {
            let counted = sweep.dry_run().await.map_err(SweepError::into_error)?;
            counts.push((keyspace.name(), counted.matched));
        }
        Ok(counts)
    }

    /// Deletes all keys of the tenant in the selected keyspaces. Returns the number of deleted
    /// keys. Loads in flight do not store their values. Of a keyspace without a prefix, it deletes
    /// the keys that [`count`](Self::count) counts.
    ///
    /// Some additional data of the library is not deleted. It contains no values and expires by
    /// itself: the fencing number of a lock a day after the lock, the payload hash of a `Once`
    /// after its result, and sweep marks after 30 days.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
    /// # pub struct CartKeys { user: fn(id: u64) -> Text }
    /// # catalog!(pub CATALOG = [CartKeys]);
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let acme = redis.for_tenant("acme")?;
    /// CartKeys::user(7).set("lamp").on(&acme).await?;
    /// assert_eq!(CATALOG.tenant_keys(&acme).delete().await?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`count`](Self::count). After an error, the keys of earlier keyspaces are already
    /// deleted.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the deletion. Some keys may already be deleted.
    ///
    /// # Round trips
    ///
    /// Those of one [`Sweep`](crate::scan::Sweep) of the database for each keyspace.
    pub async fn delete(&self) -> Result<u64> {
        let mut deleted = 0;
        for (_, sweep) in self.sweeps()? {
            deleted += sweep.await.map_err(SweepError::into_error)?.affected;
        }
        Ok(deleted)
    }

    /// Returns a sweep for each selected keyspace that declares `tenant`.
    fn sweeps(&self) -> Result<Vec<(&'static KeyspaceMeta, Sweep<'static>)>> {
        if self.redis.tenant().is_none() {
            return Err(Error::configuration(
                "this handle has no tenant: pass a handle from `redis.for_tenant(..)`",
            ));
        }
        let is_selected = |keyspace: &&'static KeyspaceMeta| {
            let server = self.server.as_ref();
            keyspace.tenant().is_some() && server.is_none_or(|server| server.as_deref() == keyspace.server())
        };
        let keyspaces: Vec<_> = self.catalog.keyspaces.iter().copied().filter(is_selected).collect();
        let bindings = self.redis.bindings_for_sweeps(&keyspaces)?;
        let sweep = |(keyspace, binding)| (keyspace, delete_all(keyspace, binding));
        Ok(keyspaces.into_iter().zip(bindings).map(sweep).collect())
    }
}
