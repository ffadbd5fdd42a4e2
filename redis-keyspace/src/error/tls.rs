//! Why an encrypted connection could not be made.

use super::base::Error;
use super::kind::TlsFailure;

impl Error {
    /// Returns why an encrypted connection could not be made. `None` if the error has another
    /// cause.
    ///
    /// Such an error is also [`is_unavailable`](Self::is_unavailable): the command was not
    /// executed.
    ///
    /// ```no_run
    /// # use redis_keyspace::Redis;
    /// use redis_keyspace::error::TlsFailure;
    ///
    /// # async fn example(redis: Redis) {
    /// if let Err(error) = redis.connect().await
    ///     && error.tls_failure() == Some(TlsFailure::Expired)
    /// {
    ///     eprintln!("renew the certificate of the server: {error}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn tls_failure(&self) -> Option<TlsFailure> {
        self.inner.tls_failure
    }

    #[cfg(feature = "tls")]
    pub(crate) fn of_tls(self, failure: TlsFailure) -> Self {
        self.with(|inner| inner.tls_failure = Some(failure))
    }
}
