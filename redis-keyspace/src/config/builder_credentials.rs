//! The option of a handle for credentials that change.

use super::builder::RedisBuilder;
use super::credentials::{CredentialsProvider, CredentialsSource};

impl RedisBuilder {
    /// Asks a provider for the user name and the password, instead of
    /// [`username`](Self::username) and [`password`](Self::password). Setting both is an error. The
    /// nodes of a cluster, and the master that sentinels name, use the same provider. Sentinels do
    /// not: they have their own credentials.
    ///
    /// ```
    /// use std::time::Duration;
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::config::Credentials;
    ///
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok("token".into()) }
    /// let redis = Redis::builder()
    ///     .host("cache.internal")
    ///     .credentials(|| async {
    ///         let token = fetch_token().await?;
    ///         Ok::<_, std::io::Error>(
    ///             Credentials::new("app", token).expires_in(Duration::from_secs(900)),
    ///         )
    ///     })
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # When the provider is called
    ///
    /// - For a new connection, unless credentials are known that will be valid for a while. Without
    ///   an expiry time, it is called for each new connection.
    /// - Once more, if the server rejects the credentials of a new connection.
    /// - When 80 to 90 % of the lifetime has passed, chosen at random, and at least 5 s before the
    ///   end (for a lifetime below 10 s, at the half), as long as connections are open. After a
    ///   failure, it is called again with pauses from 1 s to 30 s.
    ///
    /// Connections that need credentials at the same time share one call. A call may take as long
    /// as the [`connect_timeout`](Self::connect_timeout). If it fails, or takes more than a quarter
    /// of that time, and the previous credentials have not expired, those are used. Otherwise,
    /// connecting fails with [`Unavailable`](crate::ErrorKind::Unavailable), and the error of the
    /// provider is the source. Such a failure counts for retries and for the
    /// [breaker](Self::breaker).
    ///
    /// # Open connections
    ///
    /// Open shared connections log in with new credentials by `AUTH`, between two commands. No
    /// connection is dropped, and no command waits. If the server rejects `AUTH`, the connection
    /// keeps its previous user, and the provider is called again after a pause. An idle exclusive
    /// connection logs in when it is checked out. A [raw](crate::Redis::raw) connection that is
    /// checked out keeps the user that it has: a closure that runs until after the expiry must call
    /// `AUTH` itself, or expect that the server closes the connection.
    ///
    /// Clones of this builder, and keyspaces without their own URL, share the provider and what it
    /// returned. A second call of this method makes another provider, even for an equal value, and
    /// another pool.
    pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
        self.base.credentials = Some(CredentialsSource::new(provider));
        self
    }
}
