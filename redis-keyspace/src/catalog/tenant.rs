//! All keys of one tenant.

use super::Catalog;
use crate::client::Redis;
use crate::error::{Error, Result};
use crate::scan::{SweepError, delete_within};
use crate::schema::KeyspaceMeta;

impl Catalog {
    /// Returns the keys of one tenant in all keyspaces of the catalog that declare `tenant`, to
    /// count or delete them. `redis` is the handle of the tenant, from [`Redis::for_tenant`].
    ///
    /// It uses only the server of this handle. If some keyspaces are on another server, repeat the
    /// call with a handle of that server.
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
        TenantKeys { catalog: *self, redis: redis.clone() }
    }
}

/// All keys of one tenant, created by [`Catalog::tenant_keys`].
#[derive(Debug, Clone)]
pub struct TenantKeys {
    catalog: Catalog,
    redis: Redis,
}

impl TenantKeys {
    /// Returns the number of the tenant's keys in each keyspace, in the order of the catalog.
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
    /// [`Configuration`](crate::ErrorKind::Configuration) if the handle has no tenant; otherwise
    /// those of any command.
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
        for keyspace in self.keyspaces()? {
            let counted = delete_within(keyspace, "*").on(&self.redis).dry_run().await;
            counts.push((keyspace.name(), counted.map_err(SweepError::into_error)?.matched));
        }
        Ok(counts)
    }

    /// Deletes all keys of the tenant. Returns the number of deleted keys. Loads in flight do not
    /// store their values.
    ///
    /// Some additional data of the library is not deleted. It contains no values and expires by
    /// itself: the fencing number of a lock after a day, the payload hash of a `Once` after its
    /// result, and sweep marks after 30 days.
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
        for keyspace in self.keyspaces()? {
            deleted +=
                delete_within(keyspace, "*").on(&self.redis).await.map_err(SweepError::into_error)?.affected;
        }
        Ok(deleted)
    }

    /// Returns the keyspaces that declare `tenant`.
    fn keyspaces(&self) -> Result<Vec<&'static KeyspaceMeta>> {
        if self.redis.tenant().is_none() {
            return Err(Error::configuration(
                "this handle has no tenant: pass a handle from `redis.for_tenant(..)`",
            ));
        }
        Ok(self.catalog.keyspaces.iter().copied().filter(|keyspace| keyspace.tenant().is_some()).collect())
    }
}
