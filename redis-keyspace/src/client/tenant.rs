//! Handles of one tenant.

use super::redis::Redis;
use crate::config::{NAMESPACE_RULES, is_namespace};
use crate::error::{Error, Result};

impl Redis {
    /// Returns the handle of one tenant. On it, keys of keyspaces that declare `tenant = ".."`
    /// belong to this tenant, and scans, patterns and deletions reach only its keys. All other
    /// keyspaces are shared by all tenants.
    ///
    /// In a scope of this handle, all keyspaces use its server, even keyspaces that declare
    /// `server = ".."`. This is the same for every scope.
    ///
    /// The handle shares the connections, options and statistics of this handle, and is closed with
    /// it. Creating one does no I/O and is cheap enough for each request. To use it without passing
    /// it as an argument, call [`scope`](Self::scope) on it.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
    /// struct CartKeys {
    ///     user: fn(id: u64) -> Text,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let (acme, other) = (redis.for_tenant("acme")?, redis.for_tenant("other")?);
    /// CartKeys::user(7).set("lamp").on(&acme).await?;
    ///
    /// assert_eq!(acme.wire_key(&CartKeys::user(7))?, "t:acme:cart:user:7");
    /// assert_eq!(CartKeys::user(7).get().on(&other).await?, None);
    /// assert_eq!(CartKeys::user_keys().on(&acme).count().await?, 1);
    /// assert!(CartKeys::user(7).get().on(&redis).await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the tenant is not one segment of a key:
    /// it must have 1 to 256 bytes, and must not contain control characters or any of
    /// `: % * ? [ ] \ { }`. Tenants are stored unescaped.
    pub fn for_tenant(&self, tenant: &str) -> Result<Self> {
        check_tenant(tenant)?;
        Ok(self.of_tenant(tenant))
    }
}

/// Fails if this can't be the name of a tenant.
pub(crate) fn check_tenant(tenant: &str) -> Result<()> {
    if is_namespace(tenant) {
        return Ok(());
    }
    Err(Error::invalid_input(format!("invalid tenant: {NAMESPACE_RULES}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Piece;
    use crate::kind::{KindMeta, Text};
    use crate::schema::{KeyspaceMeta, Lifetime, Overrides, TemplateMeta};

    const TEXT: KindMeta = KindMeta::of::<Text>("Text");
    const TOTAL: TemplateMeta = TemplateMeta::new(
        "CartKeys",
        "total",
        "cart:total",
        &[Piece::Literal("cart:total")],
        TEXT,
        Lifetime::Forever,
        "",
    );
    static CARTS: KeyspaceMeta = KeyspaceMeta::new(
        "CartKeys",
        "cart",
        "",
        Overrides { tenant: Some("t"), ..Overrides::NONE },
        &[TOTAL],
    );

    #[tokio::test]
    async fn tenants_of_a_service_leave_nothing_behind() {
        let redis = Redis::open("redis://127.0.0.1:1/7").unwrap();
        let bind = |redis: &Redis| redis.with_binding(Some(&CARTS), |binding| binding.namespace.to_string());
        for id in 0..1000 {
            let tenant = redis.for_tenant(&format!("customer{id}")).unwrap();
            assert_eq!(bind(&tenant).unwrap(), format!("t:customer{id}:"));
        }
        let pools = redis.pools();
        assert_eq!(pools.len(), 1);
        let keyspaces = &pools[0].local.reads.keyspaces;
        assert_eq!(keyspaces.count(), (1, 1));
        redis.close().await;
        assert_eq!(keyspaces.count(), (0, 0));
    }
}
