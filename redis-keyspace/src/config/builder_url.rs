//! A URL as the options of a handle.

use super::builder::RedisBuilder;
use super::url::{self, UrlParts};
use crate::error::Result;

impl RedisBuilder {
    /// Sets the server from a URL: `redis://user:password@host:6379/0`, `rediss://..` for TLS
    /// (feature `tls`), or `redis+unix:///path/to/socket?db=0`. `valkey` instead of `redis` is the
    /// same in every scheme, as in `valkeys://..`, and `unix://` is the same as `redis+unix://`.
    /// Also sets the user, the password and the database if the URL contains them. The parameters
    /// are `db`, `user`, `pass`, `protocol` (`resp2`, `resp3`), `login` (`auto`, `minimal`,
    /// `plain`) and `cluster` (`true`, `false`).
    ///
    /// `redis+sentinel://user:password@s1:26379,s2,s3/mymaster?db=2` uses the master `mymaster` of
    /// these [sentinels](Self::sentinel). User and password are for the master; the parameters
    /// `sentinel_user` and `sentinel_pass` are for the sentinels. `rediss+sentinel://..` switches
    /// TLS on for both, and `sentinel_tls` (`true`, `false`) decides it for the sentinels. They use
    /// the TLS options of the master, unless `sentinel_tls` of this builder sets others.
    ///
    /// A URL can list several [nodes](Self::nodes) of a cluster:
    /// `redis://a:7000,b:7000,[::1]:7000`.
    ///
    /// A `rediss://` URL switches TLS on and keeps the TLS options of this builder. No URL switches
    /// TLS off, and no URL can set TLS options.
    ///
    /// Reserved characters must be percent-encoded in all parts: `#` is `%23`, `%` is `%25`. A `+`
    /// is a plus sign.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// let redis = Redis::builder()
    ///     .url("redis+sentinel://app:secret@sentinel-1,sentinel-2:26380/mymaster?sentinel_pass=other")?
    ///     .build()?;
    ///
    /// let error = Redis::builder().url("redis+sentinel://sentinel-1/mymaster/2").unwrap_err();
    /// assert!(error.to_string().contains("write a database as `?db=2`"), "{error}");
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the URL is invalid, or if a part of it
    /// would be ignored, such as a fragment or an unknown parameter. The message never repeats any
    /// part of the URL.
    pub fn url(self, url: &str) -> Result<Self> {
        Ok(self.with_url(url::parse(url)?))
    }

    pub(super) fn with_url(mut self, parts: UrlParts) -> Self {
        self = self.with_endpoint(parts.endpoint);
        self.base.nodes = parts.nodes;
        self.base.cluster = parts.cluster.or(self.base.cluster);
        #[cfg(feature = "tls")]
        if parts.tls {
            self.base.tls = Some(self.base.tls.unwrap_or_default());
        }
        #[cfg(feature = "tls")]
        {
            self.sentinels_share_tls |= parts.sentinel_tls;
        }
        self.base.sentinel.username = parts.sentinel.username.or(self.base.sentinel.username);
        self.base.sentinel.password = parts.sentinel.password.or(self.base.sentinel.password);
        self.base.username = parts.username.or(self.base.username);
        self.base.password = parts.password.or(self.base.password);
        self.base.db = parts.db.unwrap_or(self.base.db);
        self.base.protocol = parts.protocol.unwrap_or(self.base.protocol);
        self.base.login = parts.login.unwrap_or(self.base.login);
        self
    }
}
