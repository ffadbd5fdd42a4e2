//! Configuration from environment variables. An invalid value is an error that names its variable.

use std::collections::HashMap;

use super::address::Address;
use super::nodes::parse_nodes;
use super::secret::Secret;
use super::sentinel::WatchedMaster;
use super::settings::LoginMode;
#[cfg(feature = "tls")]
use super::tls_changes::{SENTINEL_TLS, TLS_OPTIONS, TlsChanges};
use super::url::{self, UrlParts};
use super::validate::{
    NAMESPACE_RULES, check_host, check_master_name, check_username, decimal, is_namespace,
};
use crate::error::{Error, Result};

/// The variables that are read.
pub(crate) const NAMES: [&str; 26] = [
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_NODES",
    "REDIS_CLUSTER",
    "REDIS_SENTINELS",
    "REDIS_SENTINEL_MASTER",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_SENTINEL_PASSWORD_FILE",
    "REDIS_SENTINEL_TLS",
    "REDIS_REPLICAS",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_PASSWORD_FILE",
    "REDIS_DB",
    "REDIS_TLS",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
    "REDIS_TLS_SERVER_NAME",
    "REDIS_TLS_MIN_VERSION",
    "REDIS_TLS_ROOTS",
    "REDIS_NAMESPACE",
    "REDIS_VERIFY_WRITES",
    "REDIS_LOGIN",
];

/// The settings from the variables.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) url: Option<UrlParts>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(super) nodes: Vec<Address>,
    pub(crate) cluster: Option<bool>,
    pub(super) watched: Option<WatchedMaster>,
    pub(super) sentinel_username: Option<String>,
    pub(super) sentinel_password: Option<Secret>,
    pub(super) replicas: Vec<Address>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: Option<u16>,
    pub(crate) namespace: Option<String>,
    pub(crate) verify_writes: Option<bool>,
    pub(crate) login: Option<LoginMode>,
    #[cfg(feature = "tls")]
    pub(super) tls: TlsChanges,
}

pub(crate) fn wrong(name: &str, problem: &str) -> Error {
    Error::configuration(format!("the environment variable {name} {problem}"))
}

/// Reads a password from a file, without white space around it, such as a trailing newline.
/// Messages never repeat the path: it may be the password itself.
pub(crate) fn read_secret(path: &str) -> std::result::Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("names a file that can't be read: {error}"))?;
    let secret = text.trim();
    if secret.is_empty() { Err("names a file that is empty".to_owned()) } else { Ok(secret.to_owned()) }
}

/// Trims the value of a variable: files and shells add white space around it. An empty value counts
/// as unset, because compose files pass unset variables on as empty ones.
fn trimmed(value: &str) -> Option<&str> {
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// Returns the value of a variable that is read separately.
#[cfg(feature = "profiles")]
pub(crate) fn value_of(
    variable: std::result::Result<String, std::env::VarError>,
) -> std::result::Result<Option<String>, &'static str> {
    match variable {
        Ok(value) => Ok(trimmed(&value).map(str::to_owned)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8"),
    }
}

/// Reads and checks the variables.
pub(crate) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Environment> {
    let variables = Variables::new(variables);
    let url = variables.url()?;
    #[cfg(not(feature = "tls"))]
    variables.check_tls()?;
    let port = variables.number("REDIS_PORT", "a port from 1 to 65535")?;
    if port == Some(0) {
        return Err(wrong("REDIS_PORT", "must be a port number from 1 to 65535"));
    }
    let namespace = variables.get("REDIS_NAMESPACE");
    if namespace.is_some_and(|namespace| !is_namespace(namespace)) {
        return Err(wrong("REDIS_NAMESPACE", &format!("is invalid: {NAMESPACE_RULES}")));
    }
    let host = variables.get("REDIS_HOST");
    host.map_or(Ok(()), check_host).map_err(|problem| wrong("REDIS_HOST", problem))?;
    let environment = Environment {
        host: host.map(str::to_owned),
        port,
        nodes: variables.nodes()?,
        cluster: variables.truth("REDIS_CLUSTER")?,
        watched: variables.watched()?,
        sentinel_username: variables.username("REDIS_SENTINEL_USERNAME")?,
        sentinel_password: variables.password("REDIS_SENTINEL_PASSWORD", "REDIS_SENTINEL_PASSWORD_FILE")?,
        replicas: variables.replicas()?,
        username: variables.username("REDIS_USERNAME")?,
        password: variables.password("REDIS_PASSWORD", "REDIS_PASSWORD_FILE")?,
        db: variables.number("REDIS_DB", "a database number from 0 to 65535")?,
        namespace: namespace.map(str::to_owned),
        verify_writes: variables.truth("REDIS_VERIFY_WRITES")?,
        login: variables.login()?,
        #[cfg(feature = "tls")]
        tls: variables.tls()?,
        url,
    };
    environment.check_against_url(&variables)?;
    Ok(environment)
}

/// Parses a list of addresses that are separated by commas.
fn addresses(name: &str, list: &str, default_port: u16) -> Result<Vec<Address>> {
    parse_nodes(list.split(',').map(str::trim), default_port).map_err(|problem| wrong(name, &problem))
}

/// Whether a container platform set the variable. For a service named `redis`, Kubernetes and
/// Docker set `REDIS_PORT=tcp://10.0.0.5:6379`, which must not configure the program.
fn is_service_link(name: &str, value: &str) -> bool {
    name == "REDIS_PORT" && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The variables that are set.
struct Variables(HashMap<String, String>);

impl Variables {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let named = variables.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
        let set = named.filter_map(|(name, value)| {
            let value = trimmed(&value).filter(|value| !is_service_link(&name, value))?.to_owned();
            Some((name, value))
        });
        Self(set.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str, what: &str) -> Result<Option<u16>> {
        let parsed =
            self.get(name).map(|text| decimal(text).ok_or_else(|| wrong(name, &format!("is not {what}"))));
        parsed.transpose()
    }

    fn url(&self) -> Result<Option<UrlParts>> {
        let Some(text) = self.get("REDIS_URL") else { return Ok(None) };
        self.check_sole(
            "REDIS_URL",
            &["REDIS_HOST", "REDIS_PORT", "REDIS_NODES", "REDIS_SENTINELS", "REDIS_SENTINEL_MASTER"],
        )?;
        url::parse(text).map(Some).map_err(|error| wrong("REDIS_URL", &format!("is invalid: {error}")))
    }

    fn nodes(&self) -> Result<Vec<Address>> {
        let Some(list) = self.get("REDIS_NODES") else { return Ok(Vec::new()) };
        self.check_sole("REDIS_NODES", &["REDIS_HOST", "REDIS_PORT", "REDIS_REPLICAS", "REDIS_SENTINELS"])?;
        addresses("REDIS_NODES", list, 6379)
    }

    fn watched(&self) -> Result<Option<WatchedMaster>> {
        let (name, list) = match (self.get("REDIS_SENTINEL_MASTER"), self.get("REDIS_SENTINELS")) {
            (None, None) => return Ok(None),
            (Some(name), Some(list)) => (name, list),
            (Some(_), None) => {
                return Err(wrong("REDIS_SENTINEL_MASTER", "is set, but REDIS_SENTINELS is not; set both"));
            }
            (None, Some(_)) => {
                return Err(wrong("REDIS_SENTINELS", "is set, but REDIS_SENTINEL_MASTER is not; set both"));
            }
        };
        self.check_sole("REDIS_SENTINELS", &["REDIS_HOST", "REDIS_PORT", "REDIS_REPLICAS"])?;
        if self.truth("REDIS_CLUSTER")? == Some(true) {
            return Err(wrong("REDIS_CLUSTER", "is true, but sentinels watch no cluster; unset one of them"));
        }
        check_master_name(name).map_err(|problem| wrong("REDIS_SENTINEL_MASTER", problem))?;
        let sentinels = addresses("REDIS_SENTINELS", list, 26379)?;
        Ok(Some(WatchedMaster { name: name.to_owned(), sentinels }))
    }

    fn replicas(&self) -> Result<Vec<Address>> {
        self.get("REDIS_REPLICAS").map_or(Ok(Vec::new()), |list| addresses("REDIS_REPLICAS", list, 6379))
    }

    /// Fails if the variable is set together with another one that sets a server.
    fn check_sole(&self, name: &str, others: &[&str]) -> Result<()> {
        match others.iter().find(|other| self.get(other).is_some()) {
            Some(other) => {
                Err(wrong(other, &format!("contradicts {name}, which is also set; unset one of them")))
            }
            None => Ok(()),
        }
    }

    fn truth(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some(_) => Err(wrong(name, "must be true or false")),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn check_tls(&self) -> Result<()> {
        let needs_feature = |name| Err(wrong(name, "needs the feature `tls` of redis-keyspace; enable it"));
        if self.truth("REDIS_TLS")? == Some(true) {
            return needs_feature("REDIS_TLS");
        }
        if self.truth("REDIS_SENTINEL_TLS")? == Some(true) {
            return needs_feature("REDIS_SENTINEL_TLS");
        }
        let option = NAMES.iter().find(|name| name.starts_with("REDIS_TLS_") && self.get(name).is_some());
        option.map_or(Ok(()), |name| needs_feature(name))
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Result<TlsChanges> {
        let mut tls = TlsChanges::default();
        tls.enabled = self.truth("REDIS_TLS")?;
        tls.sentinels = self.truth("REDIS_SENTINEL_TLS")?;
        for option in TLS_OPTIONS {
            let name = tls_variable(option);
            if let Some(value) = self.get(&name) {
                tls.set(option, value).map_err(|error| wrong(&name, &error.problem))?;
            }
        }
        Ok(tls)
    }

    fn login(&self) -> Result<Option<LoginMode>> {
        let mode = self.get("REDIS_LOGIN").map(|text| {
            LoginMode::named(text).ok_or_else(|| wrong("REDIS_LOGIN", "must be auto, minimal or plain"))
        });
        mode.transpose()
    }

    fn username(&self, name: &str) -> Result<Option<String>> {
        let Some(username) = self.get(name) else { return Ok(None) };
        check_username(username).map_err(|problem| wrong(name, problem))?;
        Ok(Some(username.to_owned()))
    }

    fn password(&self, name: &str, file: &str) -> Result<Option<Secret>> {
        let password = self.get(name);
        let Some(path) = self.get(file) else { return Ok(password.map(Secret::new)) };
        if password.is_some() {
            return Err(wrong(file, &format!("contradicts {name}, which is also set; unset one of them")));
        }
        read_secret(path).map(|secret| Some(Secret::new(secret))).map_err(|problem| wrong(file, &problem))
    }
}

impl Environment {
    /// Fails if a variable contradicts the URL. A variable may repeat a part of the URL.
    fn check_against_url(&self, variables: &Variables) -> Result<()> {
        let Some(url) = &self.url else { return Ok(()) };
        let contradicts = |name: &str, what: &str| {
            Err(wrong(name, &format!("differs from the {what} in REDIS_URL; set one of them")))
        };
        if differ(url.username.as_ref(), self.username.as_ref()) {
            return contradicts("REDIS_USERNAME", "user name");
        }
        if differ(url.password.as_ref(), self.password.as_ref()) {
            let from_file = variables.get("REDIS_PASSWORD_FILE").is_some();
            return contradicts(if from_file { "REDIS_PASSWORD_FILE" } else { "REDIS_PASSWORD" }, "password");
        }
        if differ(url.sentinel.username.as_ref(), self.sentinel_username.as_ref()) {
            return contradicts("REDIS_SENTINEL_USERNAME", "`sentinel_user`");
        }
        if differ(url.sentinel.password.as_ref(), self.sentinel_password.as_ref()) {
            let from_file = variables.get("REDIS_SENTINEL_PASSWORD_FILE").is_some();
            let name = if from_file { "REDIS_SENTINEL_PASSWORD_FILE" } else { "REDIS_SENTINEL_PASSWORD" };
            return contradicts(name, "`sentinel_pass`");
        }
        if differ(url.db.as_ref(), self.db.as_ref()) {
            return contradicts("REDIS_DB", "database");
        }
        if differ(url.login.as_ref(), self.login.as_ref()) {
            return contradicts("REDIS_LOGIN", "login");
        }
        if differ(url.cluster.as_ref(), self.cluster.as_ref()) {
            return contradicts("REDIS_CLUSTER", "cluster");
        }
        #[cfg(feature = "tls")]
        if self.tls.enabled.is_some_and(|enabled| enabled != url.tls) {
            return contradicts("REDIS_TLS", "scheme");
        }
        #[cfg(feature = "tls")]
        if self.tls.sentinels.is_some_and(|enabled| enabled != url.sentinel_tls) {
            return contradicts("REDIS_SENTINEL_TLS", "scheme or `sentinel_tls`");
        }
        Ok(())
    }
}

/// The name of the variable of a TLS option. Without one, it is that of TLS itself.
#[cfg(feature = "tls")]
pub(super) fn tls_variable(option: &str) -> String {
    match option {
        SENTINEL_TLS => "REDIS_SENTINEL_TLS".to_owned(),
        _ => format!("REDIS_TLS_{}", option.to_ascii_uppercase()).trim_end_matches('_').to_owned(),
    }
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.is_some() && other.is_some() && one != other
}
