//! Creation of handles.

use bb8_redis::{RedisConnectionManager, bb8};

use super::redis::Redis;
#[cfg(feature = "profiles")]
use crate::config::Profiles;
use crate::config::{RedisBuilder, Settings, validate};
#[cfg(feature = "tls")]
use crate::connect::check_tls;
use crate::error::{Error, Result};

impl RedisBuilder {
    /// Creates the handle. Does no I/O and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if an option is out of range, such as a
    /// timeout of zero, or if an option of a keyspace is invalid.
    pub fn build(self) -> Result<Redis> {
        if let Some(profile) = self.requires_server {
            return Err(Error::configuration(format!(
                "the profile `{profile}` has no server: set one in the file, with REDIS_URL, REDIS_HOST, REDIS_NODES or REDIS_SENTINELS, or in code"
            )));
        }
        let builder = self.with_shared_tls();
        validate(&builder.base)?;
        check_files(&builder.base)?;
        builder.check_keyspaces(check_files)?;
        Ok(Redis::from_builder(builder))
    }
}

/// Fails if TLS options contain invalid PEM text.
#[cfg_attr(
    not(feature = "tls"),
    expect(unused_variables, clippy::unnecessary_wraps, reason = "for TLS only")
)]
fn check_files(settings: &Settings) -> Result<()> {
    #[cfg(feature = "tls")]
    [&settings.tls, &settings.sentinel.tls].into_iter().flatten().try_for_each(check_tls)?;
    Ok(())
}

impl Redis {
    /// Creates a handle for the server at a URL. Does no I/O: it connects for the first command, or
    /// when [`connect`](Self::connect) is called.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let redis = Redis::open("redis://127.0.0.1:6379/2")?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the URL is invalid.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder().url(url)?.build()
    }

    /// Creates a handle for the server that the environment variables describe, by default
    /// `localhost:6379`. See [`RedisBuilder::env`].
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if a variable is invalid. The message
    /// names the variable.
    pub fn from_env() -> Result<Self> {
        Self::builder().env()?.build()
    }

    /// Creates a handle whose configuration must be fetched first, for example from a secret store.
    /// The provider runs once, in this call.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # async fn fetch_password() -> Result<String, std::io::Error> { Ok("secret".into()) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let redis = Redis::from_async(|| async {
    ///     let password = fetch_password().await?;
    ///     Ok::<_, std::io::Error>(Redis::builder().host("10.0.0.5").password(password))
    /// })
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the provider fails, with its error as
    /// the source; otherwise as for [`build`](RedisBuilder::build).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the future of the provider. No handle is created.
    ///
    /// # Round trips
    ///
    /// None to Redis: the handle connects for its first command.
    pub async fn from_async<F, Fut, E>(provider: F) -> Result<Self>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<RedisBuilder, E>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        match provider().await {
            Ok(builder) => builder.build(),
            Err(error) => {
                let message = format!("the configuration provider failed: {error}");
                Err(Error::configuration(message).sourced(error))
            }
        }
    }

    /// Creates a handle with the profile that `REDIS_PROFILE` names, by default `development`; see
    /// [`Profiles`](crate::config::Profiles). First applies the file `redis.toml` in the working
    /// directory, if it exists, to the profiles. The other environment variables override the
    /// selected profile. Requires the feature `profiles`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the profile, the file or a variable is
    /// invalid.
    #[cfg(feature = "profiles")]
    pub fn from_profile() -> Result<Self> {
        Profiles::new().optional_file("redis.toml")?.select_by_env()?.build()
    }

    /// Creates a handle for a `bb8_redis` pool of the application, whose connections use database
    /// 0. For more options, see [`RedisBuilder::pool`].
    ///
    /// The pool keeps its own configuration: its timeouts and sizes apply in addition to the
    /// deadline of each command. A command holds a connection of the pool until its reply arrives.
    /// So commands do not share system calls as they do on shared connections, and a lost
    /// connection is noticed only when it is used.
    ///
    /// The application must return connections in the state in which it received them. A `WATCH`
    /// that it leaves is cleared before each transaction. The pool detects a `MULTI` with the
    /// `PING` that it sends at each checkout (`test_on_check_out`, on by default). Without that
    /// `PING`, a command that the server queues in the `MULTI` discards the `MULTI` and runs again.
    /// A transaction fails instead, and the commands that the application had queued are executed.
    /// Other changes are not detected: another database (`SELECT`), another user, `SUBSCRIBE`,
    /// `MONITOR`, `CLIENT REPLY` or tracking.
    ///
    /// Two handles on one pool count as two servers: they share no copies, and no check compares
    /// their keyspaces. Create one handle and clone it.
    ///
    /// A command on a pool whose connections use another database fails with
    /// [`Configuration`](crate::ErrorKind::Configuration).
    #[must_use]
    pub fn from_pool(pool: bb8::Pool<RedisConnectionManager>) -> Self {
        Self::from_pool_on(pool, 0)
    }

    /// Creates a handle like [`from_pool`](Self::from_pool), for a pool whose connections use
    /// database `db`. Keyspaces that declare another database are rejected, because this crate
    /// never switches the database of a borrowed connection.
    #[must_use]
    pub fn from_pool_on(pool: bb8::Pool<RedisConnectionManager>, db: u16) -> Self {
        Self::from_builder(Self::builder().pool(pool).db(db))
    }
}
