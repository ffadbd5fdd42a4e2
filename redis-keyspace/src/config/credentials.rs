//! Credentials that a provider returns while the program runs.

use std::error::Error as StdError;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::endpoint::unique_id;
use super::secret::Secret;
use crate::time::from_now;

/// A user name and a password, which may be a token that expires. Returned by a
/// [`CredentialsProvider`]. The password is never printed.
///
/// ```
/// use std::time::Duration;
/// use redis_keyspace::config::Credentials;
///
/// let credentials = Credentials::new("app", "token").expires_in(Duration::from_secs(900));
/// assert!(!format!("{credentials:?}").contains("token"));
/// ```
#[derive(Debug, Clone)]
pub struct Credentials {
    username: Option<String>,
    password: Secret,
    expires: Option<Instant>,
}

impl Credentials {
    /// Creates the credentials of an ACL user. They do not expire.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: Some(username.into()), password: Secret::new(password), expires: None }
    }

    /// Creates the credentials of the user `default`. They do not expire.
    pub fn of_default_user(password: impl Into<String>) -> Self {
        Self { username: None, password: Secret::new(password), expires: None }
    }

    /// Sets how long the credentials remain valid from now on, at most 7 days. Call it when they
    /// were just issued.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires = Some(from_now(lifetime));
        self
    }

    /// Sets when the credentials expire, at most 7 days from now. If that moment has passed, they
    /// are used for one attempt to connect: the clock of this machine may be wrong.
    #[must_use]
    pub fn expires_at(self, time: SystemTime) -> Self {
        self.expires_in(time.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Returns the ACL user; `None` is the user `default`.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    pub(crate) fn password(&self) -> &Secret {
        &self.password
    }

    /// Returns when they expire.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// Whether both have the same user and the same password.
    pub(crate) fn are_same_as(&self, other: &Self) -> bool {
        (&self.username, &self.password) == (&other.username, &other.password)
    }
}

/// The error of a [`CredentialsProvider`].
pub type CredentialsError = Box<dyn StdError + Send + Sync>;

/// Returns the credentials of new connections while the program runs: a password from a secret
/// store, or a token that a cloud provider issues for a few minutes. Set it with
/// [`RedisBuilder::credentials`](crate::RedisBuilder::credentials), whose documentation says when
/// it is called.
///
/// Closures that return a future of a `Result<Credentials, _>` implement this trait. Implement it
/// for a type that keeps a client:
///
/// ```
/// use std::time::Duration;
/// use futures_core::future::BoxFuture;
/// use redis_keyspace::Redis;
/// use redis_keyspace::config::{Credentials, CredentialsError, CredentialsProvider};
///
/// struct Tokens {
///     user: String,
/// }
///
/// impl CredentialsProvider for Tokens {
///     fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
///         Box::pin(async {
///             let token = fetch_token(&self.user).await?;
///             Ok(Credentials::new(&self.user, token).expires_in(Duration::from_secs(900)))
///         })
///     }
/// }
/// # async fn fetch_token(user: &str) -> Result<String, std::io::Error> { Ok(user.to_owned()) }
///
/// let redis = Redis::builder()
///     .host("cache.internal")
///     .credentials(Tokens { user: "app".to_owned() })
///     .build()?;
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
///
/// The errors that it returns become part of error messages: they must not contain a secret.
pub trait CredentialsProvider: Send + Sync + 'static {
    /// Returns valid credentials. Runs in a task of the runtime that connects, at most as long as
    /// one attempt to connect.
    ///
    /// # Errors
    ///
    /// If no credentials can be obtained now. It is called again for a later attempt.
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>>;
}

impl<F, Fut, E> CredentialsProvider for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, E>> + Send + 'static,
    E: Into<CredentialsError>,
{
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
        let asking = self();
        Box::pin(async { asking.await.map_err(Into::into) })
    }
}

/// A provider of credentials. A number identifies it, because providers can't be compared.
#[derive(Clone)]
pub(crate) struct CredentialsSource {
    id: u64,
    provider: Arc<dyn CredentialsProvider>,
}

impl CredentialsSource {
    pub(crate) fn new(provider: impl CredentialsProvider) -> Self {
        Self { id: unique_id(), provider: Arc::new(provider) }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn provider(&self) -> &Arc<dyn CredentialsProvider> {
        &self.provider
    }
}

impl PartialEq for CredentialsSource {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for CredentialsSource {}

impl Hash for CredentialsSource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialsSource({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fingerprint, KeyspaceOptions, RedisBuilder, Settings, validate};
    use crate::error::Result;
    use crate::schema::{KeyspaceMeta, Overrides};

    fn builder() -> RedisBuilder {
        RedisBuilder::default().credentials(async || Ok::<_, String>(Credentials::new("app", "hunter2")))
    }

    fn built(builder: &RedisBuilder) -> Result<Settings> {
        let settings = builder.effective(None)?;
        validate(&settings).map(|()| settings)
    }

    #[test]
    fn nothing_prints_the_password() {
        for credentials in [Credentials::new("app", "hunter2"), Credentials::of_default_user("hunter2")] {
            let text = format!("{:?}", credentials.expires_at(SystemTime::now() + Duration::from_secs(1)));
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(!format!("{:?}", builder()).contains("hunter2"));
    }

    #[tokio::test(start_paused = true)]
    async fn expiry_is_bounded_and_may_have_passed() {
        let credentials = || Credentials::new("app", "x");
        assert_eq!(credentials().expires(), None);
        let in_a_minute = credentials().expires_in(Duration::from_secs(60)).expires();
        assert_eq!(in_a_minute, Some(Instant::now() + Duration::from_secs(60)));
        assert!(credentials().expires_in(Duration::MAX).expires().is_some());
        assert_eq!(credentials().expires_at(SystemTime::UNIX_EPOCH).expires(), Some(Instant::now()));
    }

    #[test]
    fn a_provider_equals_only_its_copies() {
        let one = builder();
        let (same, other) = (one.clone(), builder());
        assert_eq!(one.base, same.base);
        assert_eq!(Fingerprint::of(&one.base), Fingerprint::of(&same.base));
        assert_ne!(one.base, other.base);
    }

    #[test]
    fn a_provider_excludes_a_user_and_a_password() {
        built(&builder()).unwrap();
        for (builder, name) in [
            (builder().username("app"), "`username`"),
            (builder().password("secret"), "`password`"),
            (builder().url("redis://:secret@h").unwrap(), "`password`"),
            (builder().variables([("REDIS_USERNAME".into(), "app".into())]).unwrap(), "`username`"),
        ] {
            let error = built(&builder).unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(name), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_pool_of_the_application_has_its_own_credentials() {
        let manager = bb8_redis::RedisConnectionManager::new("redis://127.0.0.1:1").unwrap();
        let pool = bb8_redis::bb8::Pool::builder().build_unchecked(manager);
        let error = built(&builder().pool(pool)).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("on that pool"), "{error}");
    }

    #[test]
    fn keyspaces_inherit_the_provider_except_with_their_own_url() {
        static META: KeyspaceMeta = KeyspaceMeta::new("Carts", "cart", "", Overrides::NONE, &[]);
        let of = |change: fn(KeyspaceOptions) -> KeyspaceOptions| {
            let mut builder = builder();
            builder.keyspaces.insert(META.address(), (&META, change(KeyspaceOptions::default())));
            builder.effective(Some(&META)).unwrap()
        };
        assert!(of(|options| options.db(3)).credentials.is_some());
        let other = of(|options| options.url("redis://app:secret@h"));
        assert!(other.credentials.is_none() && other.password.is_some());
        assert!(of(|options| options.url("redis://h")).credentials.is_none());
    }
}
