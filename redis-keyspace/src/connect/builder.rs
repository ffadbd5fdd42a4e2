//! Configuration in code.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::breaker::BreakerSettings;
use super::external::External;
use super::settings::{Endpoint, Protocol, Secret, Settings};
use super::{environment, url};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::Redis;
use crate::keyspace::{Keyspace, KeyspaceMeta};

/// Configures a [`Redis`]; made by [`Redis::builder`].
///
/// Nothing is checked against a server before the first command, unless [`Redis::connect_now`] is asked for it.
///
/// ```
/// use std::time::Duration;
/// use redis_keyspace::Redis;
///
/// let redis = Redis::builder()
///     .host("127.0.0.1")
///     .port(6380)
///     .username("app")
///     .password("secret")
///     .db(1)
///     .timeout(Duration::from_millis(800))
///     .namespace("staging")?
///     .build()?;
/// assert!(!format!("{redis:?}").contains("secret"));
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RedisBuilder {
    pub(crate) base: Settings,
    /// Ends in its separator, or is empty.
    pub(crate) namespace: String,
    /// What the application states for single keyspaces, by the address of their declaration.
    pub(crate) keyspaces: HashMap<usize, KeyspaceOptions>,
    /// The profile that has no server of its own, as long as none is stated.
    pub(crate) unstated: Option<&'static str>,
}

/// What one keyspace uses instead of what its declaration or its server states; see [`RedisBuilder::keyspace`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct KeyspaceOptions {
    db: Option<u16>,
    lanes: Option<u16>,
    exclusives: Option<u16>,
    timeout: Option<Duration>,
    retries: Option<u32>,
    retry_delay: Option<Duration>,
    max_value: Option<usize>,
}

impl KeyspaceOptions {
    /// The logical database.
    pub fn db(mut self, db: u16) -> Self {
        self.db = Some(db);
        self
    }

    /// How many connections its stateless commands share.
    pub fn lanes(mut self, lanes: u16) -> Self {
        self.lanes = Some(lanes);
        self
    }

    /// How many connections may be checked out exclusively at once.
    pub fn exclusives(mut self, exclusives: u16) -> Self {
        self.exclusives = Some(exclusives);
        self
    }

    /// The deadline of each command.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How often a command that a second run can't hurt is tried again.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The pause before the first retry.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// The longest value, in bytes.
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.max_value = Some(bytes);
        self
    }
}

impl RedisBuilder {
    /// Takes the server from a URL, and what it states of user, password, database and protocol:
    /// `redis://user:password@host:6379/0`, or `redis+unix:///path/to/socket?db=0`.
    ///
    /// # Errors
    ///
    /// When the URL can't be understood; the message never repeats it.
    pub fn url(mut self, url: &str) -> Result<Self> {
        let parts = url::parse(url)?;
        self.unstated = None;
        self.base.endpoint = parts.endpoint;
        self.base.username = parts.username.or(self.base.username);
        self.base.password = parts.password.or(self.base.password);
        self.base.db = parts.db.unwrap_or(self.base.db);
        self.base.protocol = parts.protocol.unwrap_or(self.base.protocol);
        Ok(self)
    }

    /// Runs on a `bb8_redis` pool of your own instead of connecting; see [`Redis::from_pool`]. What it is configured
    /// with stays as it is: of the options here, the namespace, deadlines, retries and the database count, which must
    /// be that of the pool's connections.
    pub fn pool(mut self, pool: bb8_redis::bb8::Pool<bb8_redis::RedisConnectionManager>) -> Self {
        self.unstated = None;
        self.base.endpoint = Endpoint::Pool(External::new(pool));
        self
    }

    /// The server's host name or address; `localhost` unless stated.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let port = match &self.base.endpoint {
            Endpoint::Tcp { port, .. } => *port,
            _ => 6379,
        };
        self.unstated = None;
        self.base.endpoint = Endpoint::Tcp { host: host.into(), port };
        self
    }

    /// The server's port; 6379 unless stated.
    pub fn port(mut self, port: u16) -> Self {
        let host = match &self.base.endpoint {
            Endpoint::Tcp { host, .. } => host.clone(),
            _ => "localhost".to_owned(),
        };
        self.base.endpoint = Endpoint::Tcp { host, port };
        self
    }

    /// The server's unix socket.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unstated = None;
        self.base.endpoint = Endpoint::Unix(path.into());
        self
    }

    /// The ACL user; `default` unless stated.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.base.username = Some(username.into());
        self
    }

    /// The password. It is printed nowhere.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.base.password = Some(Secret::new(password));
        self
    }

    /// The logical database of keyspaces that state none; 0 unless stated.
    pub fn db(mut self, db: u16) -> Self {
        self.base.db = db;
        self
    }

    /// The version of the protocol; RESP3 where the server has it unless stated.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.base.protocol = protocol;
        self
    }

    /// The name under which connections show up in `CLIENT LIST`.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.base.client_name = Some(name.into());
        self
    }

    /// How many connections all stateless commands share; 2 unless stated, which is the fastest for most
    /// programs, because commands that share a connection also share its system calls.
    pub fn lanes(mut self, lanes: u16) -> Self {
        self.base.lanes = lanes;
        self
    }

    /// How many connections may be checked out exclusively at once, for [`Redis::raw`]; 8 unless stated.
    pub fn exclusives(mut self, exclusives: u16) -> Self {
        self.base.exclusives = exclusives;
        self
    }

    /// The deadline of a command, over waiting for a connection, connecting and the reply; 5 s unless stated.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.base.timeout = timeout;
        self
    }

    /// How much of the deadline one attempt to connect may take, logging in included; 2 s unless stated.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.base.connect_timeout = timeout;
        self
    }

    /// How often a command that a second run can't hurt is tried again within its deadline, after its
    /// connection could not be made or was lost; 2 unless stated. Reads, and writes that have the same outcome
    /// when they run twice, are such commands; `incr` and `get_del` are not.
    pub fn retries(mut self, retries: u32) -> Self {
        self.base.retries = retries;
        self
    }

    /// The pause before the first retry, doubled for each further one and varied by up to a half; 20 ms unless
    /// stated.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.base.retry_delay = delay;
        self
    }

    /// After how many failures in a row, attempts to connect and connections that were lost, the server is taken to be away: then
    /// commands fail at once instead of waiting, and [`is_breaker_open`](Error::is_breaker_open) tells. Meanwhile the pool
    /// itself looks whether the server is back, soon at first and then after growing pauses of at most `cooldown`, so that
    /// it finds it back after it was away for about as long again. 5 and 30 s unless stated; 0 failures for no breaker.
    ///
    /// What a server answers, a wrong password and a full pool are no failures of this kind.
    pub fn breaker(mut self, failures: u32, cooldown: Duration) -> Self {
        self.base.breaker = BreakerSettings { failures, cooldown };
        self
    }

    /// How many commands may wait for their replies on the lanes of a pool, divided among them and the one for big requests,
    /// and how many requests may wait for a connection; 65,536 unless stated. When the server does not keep up, more would only
    /// wait for their deadlines: they fail at once, with [`PoolBusy`](crate::ErrorKind::PoolBusy).
    pub fn max_in_flight(mut self, commands: u32) -> Self {
        self.base.max_in_flight = commands;
        self
    }

    /// How many bytes of requests may wait to be written on the lanes of a pool, divided in the same way, or wait for a
    /// connection; 64 MiB unless stated. More fail as with [`max_in_flight`](Self::max_in_flight). A single request is taken at any
    /// length where no more than that waits already.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.base.max_queued_bytes = bytes;
        self
    }

    /// The longest value, in bytes, that is sent or read; 512 MiB unless stated, which is what servers take; 4096 at least. A longer one
    /// fails with [`TooLarge`](crate::ErrorKind::TooLarge): it is not sent, or thrown away as it arrives. (By a
    /// [pool of your own](Self::pool), all is read.)
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.base.max_value = bytes;
        self
    }

    /// An application namespace: it stands, with a `:`, in front of every key that is sent, so that several
    /// programs, stages or tests can share a server. Keys print without it.
    ///
    /// # Errors
    ///
    /// When it is empty or contains what has a meaning in keys or patterns: `% * ? [ ] \ { }`, control characters,
    /// or a `:` at either end.
    pub fn namespace(mut self, namespace: &str) -> Result<Self> {
        let meaningful = |byte: u8| byte != b':' && crate::key::is_reserved(byte);
        if namespace.is_empty()
            || namespace.starts_with(':')
            || namespace.ends_with(':')
            || namespace.bytes().any(meaningful)
        {
            return Err(Error::configuration(format!(
                "the namespace {namespace:?} is unusable: it must not be empty, start or end with `:`, or contain \
                 control characters or any of % * ? [ ] \\ {{ }}"
            )));
        }
        self.namespace = format!("{namespace}:");
        Ok(self)
    }

    /// States options for one keyspace. They rule over what its declaration states, which rules over what is stated
    /// here for all.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", db = 1, ttl = "1d")]
    /// # struct SessionKeys { token: fn(user: u64) -> Text }
    /// let redis = Redis::builder()
    ///     .keyspace::<SessionKeys>(|options| options.db(4).retries(5))
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn keyspace<S: Keyspace>(mut self, options: impl FnOnce(KeyspaceOptions) -> KeyspaceOptions) -> Self {
        let stated = self.keyspaces.remove(&address(S::META)).unwrap_or_default();
        self.keyspaces.insert(address(S::META), options(stated));
        self
    }

    /// Takes what environment variables state: `REDIS_URL`, or `REDIS_HOST` and `REDIS_PORT`; `REDIS_USERNAME`,
    /// `REDIS_PASSWORD` or `REDIS_PASSWORD_FILE`, which names a file with it, `REDIS_DB`, `REDIS_NAMESPACE`. Unset and empty ones change nothing.
    ///
    /// # Errors
    ///
    /// When a variable is unusable or two contradict each other; the message names it.
    pub fn env(self) -> Result<Self> {
        // `vars` panics on a variable of anyone's that is not UTF-8.
        let mut variables = Vec::new();
        for name in environment::NAMES {
            match std::env::var(name) {
                Ok(value) => variables.push((name.to_owned(), value)),
                Err(std::env::VarError::NotPresent) => {}
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(environment::wrong(name, "is not UTF-8"));
                }
            }
        }
        self.variables(variables)
    }

    /// Like [`env`](Self::env), from variables of any other origin.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let variables = [("REDIS_HOST", "10.0.0.5"), ("REDIS_PORT", "70000")];
    /// let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    /// let error = Redis::builder().variables(variables).unwrap_err();
    /// assert!(error.to_string().contains("REDIS_PORT is `70000`"));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`env`](Self::env).
    pub fn variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        environment::apply(self, variables)
    }

    /// Refuses to build as long as no server is stated: the default is meant for development.
    #[cfg(feature = "profiles")]
    pub(crate) fn requiring_a_server(mut self, profile: &'static str) -> Self {
        self.unstated = Some(profile);
        self
    }

    /// Makes the handle. Does no I/O and needs no runtime.
    ///
    /// # Errors
    ///
    /// When options are out of range: a timeout of zero, no lanes or too many.
    pub fn build(self) -> Result<Redis> {
        if let Some(profile) = self.unstated {
            return Err(Error::configuration(format!(
                "the profile `{profile}` has no server of its own: state one, in the file, by REDIS_URL or REDIS_HOST, or in code"
            )));
        }
        validate(&self.base)?;
        Ok(Redis::from_builder(self))
    }

    /// The settings that a keyspace's pool gets.
    pub(crate) fn effective(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Settings> {
        let Some(meta) = keyspace else { return Ok(self.base.clone()) };
        let options = self.keyspaces.get(&address(meta)).cloned().unwrap_or_default();
        let declared = meta.overrides;
        let mut settings = self.base.clone();
        if let Some(db) = options.db.or(declared.db) {
            if matches!(settings.endpoint, Endpoint::Pool(_)) && db != settings.db {
                return Err(Error::configuration(format!(
                    "{} lives in database {db}, but the application's own pool is on {}; hand over a pool of that \
                     database with Redis::from_pool_on",
                    meta.name(),
                    settings.db,
                )));
            }
            settings.db = db;
        }
        settings.lanes = options.lanes.or(declared.lanes).unwrap_or(settings.lanes);
        settings.exclusives = options.exclusives.or(declared.exclusives).unwrap_or(settings.exclusives);
        settings.timeout = options.timeout.or(declared.timeout).unwrap_or(settings.timeout);
        settings.retries = options.retries.or(declared.retries).unwrap_or(settings.retries);
        settings.retry_delay = options.retry_delay.unwrap_or(settings.retry_delay);
        settings.max_value = options.max_value.unwrap_or(settings.max_value);
        validate(&settings).map_err(|error| {
            Error::configuration(format!("the options of {} are unusable: {error}", meta.name()))
        })?;
        Ok(settings)
    }
}

/// The identity of a declaration.
pub(crate) fn address(meta: &'static KeyspaceMeta) -> usize {
    std::ptr::from_ref(meta).addr()
}

/// The least limit on values.
const LEAST_VALUE: usize = 4096;
/// The longest deadline that can be stated.
const LONGEST: Duration = Deadline::LONGEST;

fn validate(settings: &Settings) -> Result<()> {
    let within = |name: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Error::configuration(format!("`{name}` is {value}; it must be from {least} to {most}")))
    };
    within("lanes", settings.lanes.into(), 1, 64)?;
    within("exclusives", settings.exclusives.into(), 1, 1024)?;
    within("retries", settings.retries.into(), 0, 100)?;
    for (name, duration) in [("timeout", settings.timeout), ("connect_timeout", settings.connect_timeout)] {
        if duration.is_zero() || duration > LONGEST {
            return Err(Error::configuration(format!(
                "`{name}` is {duration:?}; it must be more than nothing and at most 7 days"
            )));
        }
    }
    for (name, duration) in [("retry_delay", settings.retry_delay), ("cooldown", settings.breaker.cooldown)] {
        if duration > LONGEST {
            return Err(Error::configuration(format!("`{name}` is longer than 7 days")));
        }
    }
    for (name, limit) in [
        ("max_in_flight", usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX)),
        ("max_queued_bytes", settings.max_queued_bytes),
    ] {
        if limit == 0 {
            return Err(Error::configuration(format!("`{name}` is 0, so nothing could be done")));
        }
    }
    if settings.max_value < LEAST_VALUE {
        return Err(Error::configuration(format!(
            "`max_value` is {}; it must be at least {LEAST_VALUE}, or what a server says of itself would be too long",
            settings.max_value
        )));
    }
    if let Some(name) = &settings.client_name
        && (name.is_empty() || !name.bytes().all(|byte| (b'!'..=b'~').contains(&byte)))
    {
        return Err(Error::configuration(format!(
            "the client name {name:?} is unusable: Redis takes printable ASCII without spaces"
        )));
    }
    if let Endpoint::Tcp { host, port } = &settings.endpoint
        && (host.is_empty() || *port == 0)
    {
        return Err(Error::configuration(format!("`{host}:{port}` is no address of a server")));
    }
    Ok(())
}
