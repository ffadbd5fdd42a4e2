//! Named configurations: development, production, test, and the ones that a program adds in code or
//! in a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::address::Address;
use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::environment::{read_secret, value_of};
use super::nodes::parse_nodes;
use super::sentinel::WatchedMaster;
use super::settings::{LoginMode, Protocol};
#[cfg(feature = "tls")]
use super::tls_changes::{SENTINEL_TLS, TLS_OPTIONS, TlsChanges};
use super::url::{self, UrlParts};
use super::validate::{NAMESPACE_RULES, check_host, check_master_name};
use crate::error::{Error, Result};

/// The environment variable that selects the profile.
const VARIABLE: &str = "REDIS_PROFILE";
/// The profile if the variable is not set.
const DEFAULT: &str = "development";

/// Named configurations, one of which is selected when the program starts. Requires the feature
/// `profiles`.
///
/// Three profiles exist from the start:
///
/// - `development`: a local server;
/// - `test`: database 15 of a local server, without retries and without a circuit breaker, so that
///   failures are visible;
/// - `production`: 5 retries, and no default server. Building fails unless the file, the
///   environment or the code sets a server.
///
/// A file changes these profiles and adds new ones, with one section for each:
///
/// ```toml
/// [production]
/// host = "redis.internal"
/// password_file = "/run/secrets/redis_password"
/// timeout = "800ms"
///
/// [staging]
/// url = "redis://10.0.0.7/2"
/// namespace = "staging"
/// ```
///
/// ```
/// use redis_keyspace::config::Profiles;
///
/// let profiles = Profiles::new()
///     .with("benchmark", |builder| builder.host("10.0.0.9").shared_connections(4))
///     .toml("[staging]\nhost = \"10.0.0.7\"\nretries = 4\n")?;
/// let redis = profiles.select("staging")?.build()?;
///
/// let unknown = profiles.select("stagign").unwrap_err();
/// assert!(unknown.to_string().contains("`benchmark`, `development`, `production`, `staging`, `test`"));
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
///
/// A section can set:
///
/// - the server: `url`, or `host` and `port`, or `unix_socket`, or `nodes`, the nodes of a cluster:
///   `["redis-1:7000", "redis-2:7000"]`;
/// - `cluster` (`true` or `false`);
/// - a master that sentinels watch, instead of a server: `sentinels`, as in `["sentinel-1:26379",
///   "sentinel-2"]`, and `sentinel_master`, its name; and for connections to sentinels
///   `sentinel_username`, `sentinel_password` or `sentinel_password_file`;
/// - `replicas`, the servers that replicate the server: `["redis-2:6379", "redis-3"]`;
/// - the login: `username`, `password` or `password_file`, `db`, `client_name`, `protocol`
///   (`"auto"`, `"resp2"`, `"resp3"`), `login` (`"auto"`, `"minimal"`, `"plain"`);
/// - encryption (feature `tls`): `tls` (`true` or `false`); `tls_ca`, `tls_cert` and `tls_key`,
///   each the path of a PEM file, or PEM text; `tls_server_name`; `tls_min_version` (`"1.2"`,
///   `"1.3"`); `tls_roots` (`"system"`, `"webpki"`); `sentinel_tls` (`true` or `false`), for
///   connections to sentinels, with the same options;
/// - `namespace`;
/// - durations (`"800ms"`, `"5s"`, `"1m"`): `timeout`, `connect_timeout`, `retry_delay`,
///   `breaker_pause`, `slow_command`, and `ping_interval`, which can also be `"off"`;
/// - numbers: `retries`, `shared_connections`, `exclusive_connections`, `breaker_failures`,
///   `max_in_flight`, `max_queued_bytes`, `max_key_bytes`, `max_value_bytes`,
///   `large_value`;
/// - `verify_writes` (`true` or `false`).
///
/// See the methods of [`RedisBuilder`] with the same names; `breaker_failures` and `breaker_pause`
/// are the arguments of [`RedisBuilder::breaker`].
#[derive(Debug, Clone)]
#[must_use = "profiles do nothing until one is selected"]
pub struct Profiles {
    profiles: BTreeMap<String, RedisBuilder>,
}

impl Default for Profiles {
    fn default() -> Self {
        Self::new()
    }
}

impl Profiles {
    /// Returns the profiles `development`, `test` and `production`.
    pub fn new() -> Self {
        let base = RedisBuilder::default;
        let profiles = [
            ("development", base()),
            ("production", base().retries(5).requiring_a_server("production")),
            ("test", base().db(15).retries(0).breaker(0, Duration::from_secs(1))),
        ];
        Self { profiles: profiles.map(|(name, builder)| (name.to_owned(), builder)).into() }
    }

    /// Changes a profile, or adds it if it does not exist.
    pub fn with(mut self, name: &str, change: impl FnOnce(RedisBuilder) -> RedisBuilder) -> Self {
        let builder = self.profiles.remove(name).unwrap_or_default();
        self.profiles.insert(name.to_owned(), change(builder));
        self
    }

    /// Adds the profiles of a TOML file.
    ///
    /// ```no_run
    /// use redis_keyspace::config::Profiles;
    ///
    /// let redis = Profiles::new().file("redis.toml")?.select_by_env()?.build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the file can't be read, is not valid
    /// TOML, or contains an unknown name or an invalid value. The message names the file, the
    /// profile and the name, never a value.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let about = |problem: String| Error::configuration(format!("{}: {problem}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| about(format!("can't read the file: {error}")))?;
        self.parsed(&text).map_err(about)
    }

    /// Adds the profiles of a TOML file, if it exists. Without the file, nothing changes.
    ///
    /// # Errors
    ///
    /// Those of [`file`](Self::file).
    pub fn optional_file(self, path: impl AsRef<Path>) -> Result<Self> {
        match path.as_ref().try_exists() {
            Ok(false) => Ok(self),
            // A file that can't be accessed does not count as missing.
            _ => self.file(path),
        }
    }

    /// Adds the profiles of a string in the format of such a file.
    ///
    /// # Errors
    ///
    /// Those of [`file`](Self::file).
    pub fn toml(self, text: &str) -> Result<Self> {
        self.parsed(text).map_err(Error::configuration)
    }

    fn parsed(mut self, text: &str) -> Result<Self, String> {
        // Only the message of a syntax error: the text that the error quotes may be a password.
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line =
                error.span().map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            let line = line.map(|line| format!(" near line {line}")).unwrap_or_default();
            format!("invalid TOML{line}: {}", error.message())
        })?;
        for (name, section) in table {
            let Value::Table(section) = section else {
                return Err(format!(
                    "`{name}` is not a section; write `[{name}]` and the settings of the profile below it"
                ));
            };
            let mut builder = self.profiles.remove(&name).unwrap_or_default();
            builder = apply(builder, &section).map_err(|problem| format!("[{name}] {problem}"))?;
            self.profiles.insert(name, builder);
        }
        Ok(self)
    }

    /// Returns the names of the profiles, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// Returns the builder of a profile.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the profile does not exist. The
    /// message lists the known profiles.
    pub fn select(&self, name: &str) -> Result<RedisBuilder> {
        self.profiles.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.names().map(|name| format!("`{name}`")).collect();
            Error::configuration(format!(
                "the requested profile does not exist; known profiles are {}",
                known.join(", ")
            ))
        })
    }

    /// Returns the builder of the profile that the environment variable `REDIS_PROFILE` names; the
    /// default is `development`. The other variables override the profile; see
    /// [`RedisBuilder::env`].
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the profile does not exist, or if a
    /// variable is invalid.
    pub fn select_by_env(&self) -> Result<RedisBuilder> {
        let name = value_of(std::env::var(VARIABLE)).map_err(|problem| {
            Error::configuration(format!("the environment variable {VARIABLE} {problem}"))
        })?;
        let name = name.as_deref().unwrap_or(DEFAULT);
        let chosen = self.select(name).map_err(|error| {
            Error::configuration(format!("the environment variable {VARIABLE} is invalid: {error}"))
        })?;
        chosen.env()
    }
}

/// Applies the settings of a section to a builder.
fn apply(mut builder: RedisBuilder, section: &Table) -> Result<RedisBuilder, String> {
    let sets = |name: &str| section.contains_key(name);
    for (one, other) in [
        ("url", "host"),
        ("url", "port"),
        ("url", "unix_socket"),
        ("unix_socket", "host"),
        ("nodes", "url"),
        ("nodes", "host"),
        ("nodes", "port"),
        ("nodes", "unix_socket"),
        ("sentinels", "url"),
        ("sentinels", "host"),
        ("sentinels", "port"),
        ("sentinels", "unix_socket"),
        ("sentinels", "nodes"),
        ("sentinel_master", "url"),
        ("replicas", "sentinels"),
        ("replicas", "nodes"),
        ("replicas", "unix_socket"),
        ("password", "password_file"),
        ("sentinel_password", "sentinel_password_file"),
    ] {
        if sets(one) && sets(other) {
            return Err(format!("`{one}` contradicts `{other}`; set one of them"));
        }
    }
    for (one, other) in [("sentinels", "sentinel_master"), ("sentinel_master", "sentinels")] {
        if sets(one) && !sets(other) {
            return Err(format!("`{one}` is set, but `{other}` is not; set both"));
        }
    }
    if let Some(url) = section.get("url") {
        let url = ProfileEntry { name: "url", value: url }.text()?;
        let parts = url::parse(url).map_err(|error| format!("`url` is invalid: {error}"))?;
        check_against_url(&parts, section)?;
        builder = builder.with_url(parts);
    }
    if let (Some(master), Some(sentinels)) = (section.get("sentinel_master"), section.get("sentinels")) {
        let name = ProfileEntry { name: "sentinel_master", value: master }.text()?;
        check_master_name(name).map_err(|problem| format!("`sentinel_master` {problem}"))?;
        let sentinels = ProfileEntry { name: "sentinels", value: sentinels }.addresses(26379)?;
        let watched = WatchedMaster { name: name.to_owned(), sentinels };
        builder = builder.with_endpoint(Endpoint::Sentinel(watched));
    }
    #[cfg(feature = "tls")]
    let mut tls = TlsChanges::default();
    let mut replicas = Vec::new();
    let (mut failures, mut pause) = (builder.base.breaker.failures, builder.base.breaker.pause);
    for (name, value) in section {
        let entry = ProfileEntry { name, value };
        #[cfg(feature = "tls")]
        if let Some(option) = tls_option(name) {
            tls.set(option, entry.text()?).map_err(|error| format!("`{name}` {}", error.problem))?;
            continue;
        }
        builder = match name.as_str() {
            // Applied before all others.
            "url" | "sentinels" | "sentinel_master" => builder,
            "host" => {
                let host = entry.text()?;
                check_host(host).map_err(|problem| format!("`{name}` {problem}"))?;
                builder.host(host)
            }
            "port" => builder.port(entry.number::<u16>()?),
            "unix_socket" => builder.unix_socket(entry.text()?),
            "nodes" => builder.with_nodes(entry.addresses(6379)?),
            "cluster" => builder.cluster(entry.truth()?),
            "sentinel_username" => builder.sentinel_username(entry.text()?),
            "sentinel_password" => builder.sentinel_password(entry.text()?),
            "sentinel_password_file" => {
                let secret = read_secret(entry.text()?).map_err(|problem| format!("`{name}` {problem}"))?;
                builder.sentinel_password(secret)
            }
            "replicas" => {
                replicas = entry.addresses(6379)?;
                builder
            }
            "username" => builder.username(entry.text()?),
            "password" => builder.password(entry.text()?),
            "password_file" => {
                let secret = read_secret(entry.text()?).map_err(|problem| format!("`{name}` {problem}"))?;
                builder.password(secret)
            }
            "db" => builder.db(entry.number::<u16>()?),
            "namespace" => builder
                .namespace(entry.text()?)
                .map_err(|_| format!("`{name}` is invalid: {NAMESPACE_RULES}"))?,
            "client_name" => builder.client_name(entry.text()?),
            "protocol" => builder.protocol(match entry.text()? {
                "auto" => Protocol::Auto,
                "resp2" => Protocol::Resp2,
                "resp3" => Protocol::Resp3,
                _ => return Err(format!("`{name}` must be \"auto\", \"resp2\" or \"resp3\"")),
            }),
            "login" => builder.login(
                LoginMode::named(entry.text()?)
                    .ok_or_else(|| format!("`{name}` must be \"auto\", \"minimal\" or \"plain\""))?,
            ),
            "timeout" => builder.timeout(entry.duration()?),
            "connect_timeout" => builder.connect_timeout(entry.duration()?),
            "retry_delay" => builder.retry_delay(entry.duration()?),
            "retries" => builder.retries(entry.number()?),
            "shared_connections" => builder.shared_connections(entry.number()?),
            "exclusive_connections" => builder.exclusive_connections(entry.number()?),
            "max_in_flight" => builder.max_in_flight(entry.number()?),
            "max_queued_bytes" => builder.max_queued_bytes(entry.number()?),
            "max_key_bytes" => builder.max_key_bytes(entry.number()?),
            "max_value_bytes" => builder.max_value_bytes(entry.number()?),
            "ping_interval" if entry.text().is_ok_and(|text| text == "off") => builder.ping_interval(None),
            "ping_interval" => builder.ping_interval(entry.duration()?),
            "slow_command" => builder.slow_command(entry.duration()?),
            "large_value" => builder.large_value(entry.number()?),
            "verify_writes" => builder.verify_writes(entry.truth()?),
            "breaker_failures" => {
                failures = entry.number()?;
                builder
            }
            "breaker_pause" => {
                pause = entry.duration()?;
                builder
            }
            #[cfg(feature = "tls")]
            "tls" => {
                tls.enabled = Some(entry.truth()?);
                builder
            }
            #[cfg(feature = "tls")]
            SENTINEL_TLS => {
                tls.sentinels = Some(entry.truth()?);
                builder
            }
            #[cfg(not(feature = "tls"))]
            "tls" | "sentinel_tls" if !entry.truth()? => builder,
            #[cfg(not(feature = "tls"))]
            name if matches!(name, "tls" | "sentinel_tls") || name.starts_with("tls_") => {
                return Err(format!("`{name}` needs the feature `tls` of redis-keyspace; enable it"));
            }
            _ => {
                return Err(format!("sets `{name}`, which is not a setting of profiles; see `Profiles`"));
            }
        };
    }
    if !replicas.is_empty() {
        // After the server, which replaces the replicas of an earlier one.
        builder.base.replicas = replicas;
    }
    #[cfg(feature = "tls")]
    builder.change_tls(tls).map_err(|error| {
        let name = match error.option {
            SENTINEL_TLS => SENTINEL_TLS.to_owned(),
            option => format!("tls_{option}"),
        };
        format!("`{}` {}", name.trim_end_matches('_'), error.problem)
    })?;
    Ok(builder.breaker(failures, pause))
}

/// Returns the TLS option that a setting sets.
#[cfg(feature = "tls")]
fn tls_option(name: &str) -> Option<&'static str> {
    let option = name.strip_prefix("tls_")?;
    TLS_OPTIONS.into_iter().find(|known| *known == option)
}

/// One setting of a section.
struct ProfileEntry<'t> {
    name: &'t str,
    value: &'t Value,
}

// Messages never repeat a value: it may be a misplaced password.
impl<'t> ProfileEntry<'t> {
    fn text(&self) -> Result<&'t str, String> {
        self.value.as_str().ok_or_else(|| format!("`{}` must be a string in quotes", self.name))
    }

    fn texts(&self) -> Result<Vec<&'t str>, String> {
        let texts = self.value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| format!("`{}` must be a list of strings, such as [\"redis-1:6379\"]", self.name))
    }

    fn addresses(&self, default_port: u16) -> Result<Vec<Address>, String> {
        parse_nodes(self.texts()?, default_port).map_err(|problem| format!("`{}` {problem}", self.name))
    }

    fn number<N: TryFrom<i64>>(&self) -> Result<N, String> {
        let number = self.value.as_integer().and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| {
            format!("`{}` must be an integer that is not negative and not too large", self.name)
        })
    }

    fn truth(&self) -> Result<bool, String> {
        self.value.as_bool().ok_or_else(|| format!("`{}` must be true or false, without quotes", self.name))
    }

    fn duration(&self) -> Result<Duration, String> {
        let wrong = || {
            format!(
                "`{}` must be a duration in quotes, such as \"800ms\", \"5s\", \"1m\" or \"1h\"",
                self.name
            )
        };
        humantime::parse_duration(self.value.as_str().ok_or_else(wrong)?).map_err(|_| wrong())
    }
}

/// Fails if a section contradicts its URL. A section may repeat the database, the user and
/// `cluster`.
fn check_against_url(url: &UrlParts, section: &Table) -> Result<(), String> {
    let set = |name: &str| section.get(name);
    let access = &url.sentinel;
    let other_watcher = access.username.is_some()
        && set("sentinel_username").is_some_and(|it| it.as_str() != access.username.as_deref());
    let two_watch_passwords = access.password.is_some()
        && (set("sentinel_password").is_some() || set("sentinel_password_file").is_some());
    let other_db = url.db.is_some_and(|db| set("db").is_some_and(|it| it.as_integer() != Some(db.into())));
    let username = url.username.as_deref();
    let other_user = username.is_some() && set("username").is_some_and(|it| it.as_str() != username);
    let two_passwords =
        url.password.is_some() && (set("password").is_some() || set("password_file").is_some());
    let two_protocols = url.protocol.is_some() && set("protocol").is_some();
    #[cfg(feature = "tls")]
    let other_tls = set("tls").is_some_and(|it| it.as_bool() != Some(url.tls));
    #[cfg(feature = "tls")]
    let other_watch_tls = set(SENTINEL_TLS).is_some_and(|it| it.as_bool() != Some(url.sentinel_tls));
    #[cfg(not(feature = "tls"))]
    let (other_tls, other_watch_tls) = (false, false);
    let other_cluster =
        url.cluster.is_some_and(|cluster| set("cluster").is_some_and(|it| it.as_bool() != Some(cluster)));
    let two_logins = url.login.is_some() && set("login").is_some();
    let contradictions = [
        ("db", other_db),
        ("username", other_user),
        ("password", two_passwords),
        ("protocol", two_protocols),
        ("login", two_logins),
        ("cluster", other_cluster),
        ("tls", other_tls),
        ("sentinel_username", other_watcher),
        ("sentinel_password", two_watch_passwords),
        ("sentinel_tls", other_watch_tls),
    ];
    match contradictions.into_iter().find(|(_, contradicts)| *contradicts) {
        Some((name, _)) => Err(format!("`{name}` contradicts `url`; set it once")),
        None => Ok(()),
    }
}
