//! Parses Redis URLs. Messages never repeat any part of a URL: in a malformed URL, any part may
//! contain the password.
//!
//! An unused part is an error, because it was written for a purpose. Often it is the rest of a
//! password that contains a reserved character.

use url::Url;

use super::address::Address;
use super::endpoint::Endpoint;
use super::secret::Secret;
use super::sentinel::{SentinelAccess, WatchedMaster};
use super::settings::{LoginMode, Protocol};
use super::url_hosts::{addresses, split_hosts, unix_socket};
use super::url_part::{decoded, filled, wrong};
use super::validate::{check_master_name, decimal};
use crate::error::{Error, Result};

/// The parts of a URL.
#[derive(Debug, Clone)]
pub(crate) struct UrlParts {
    pub(crate) endpoint: Endpoint,
    /// The hosts after the first one.
    pub(crate) nodes: Vec<Address>,
    /// Whether the server is a node of a cluster.
    pub(crate) cluster: Option<bool>,
    /// Whether the scheme requires TLS.
    #[cfg(feature = "tls")]
    pub(crate) tls: bool,
    /// The credentials for sentinels, if they name the server.
    pub(crate) sentinel: SentinelAccess,
    /// Whether connections to sentinels require TLS.
    #[cfg(feature = "tls")]
    pub(crate) sentinel_tls: bool,
    pub(crate) db: Option<u16>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) login: Option<LoginMode>,
}

/// Parses `redis://[user[:password]@]host[:port][,host[:port]..][/db]`, the same with `rediss`,
/// `redis+sentinel://[user[:password]@]host[:port][,host[:port]..]/master?db=..`, the same with
/// `rediss+sentinel`, or `redis+unix:///path?db=..&user=..&pass=..`. Every part is either used or
/// an error.
pub(crate) fn parse(text: &str) -> Result<UrlParts> {
    let text = text.trim();
    check_characters(text)?;
    let (text, others) = split_hosts(text)?;
    let url = Url::parse(&text).map_err(|error| wrong(&format!("can't be parsed ({error})")))?;
    let scheme = Scheme::named(url.scheme())?;
    if !text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://")) {
        return Err(wrong("has no `//` after its scheme"));
    }
    let path = url.path().strip_prefix('/').unwrap_or_default();
    let mut db = None;
    let (endpoint, nodes) = match scheme.servers {
        Servers::Unix => (unix_socket(&url)?, Vec::new()),
        Servers::Nodes => {
            if !path.is_empty() {
                db = Some(database(&decoded(path, "path")?)?);
            }
            let mut hosts = addresses(&url, &others, 6379)?.into_iter();
            let (host, port) = hosts.next().ok_or_else(|| wrong("has no host"))?;
            (Endpoint::Tcp { host, port }, hosts.collect())
        }
        Servers::Sentinels => {
            let sentinels = addresses(&url, &others, 26379)?;
            let name = master_name(path)?;
            (Endpoint::Sentinel(WatchedMaster { name, sentinels }), Vec::new())
        }
    };
    let mut parts = UrlParts {
        endpoint,
        nodes,
        cluster: None,
        #[cfg(feature = "tls")]
        tls: scheme.has_tls,
        sentinel: SentinelAccess::default(),
        #[cfg(feature = "tls")]
        sentinel_tls: false,
        db,
        username: filled(url.username(), "user name")?,
        password: filled(url.password().unwrap_or_default(), "password")?.map(Secret::new),
        protocol: None,
        login: None,
    };
    let mut sentinel_tls = None;
    let options = url.query().unwrap_or_default().split('&').filter(|option| !option.is_empty());
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let (name, value) = (decoded(name, "parameter")?, decoded(value, "parameter")?);
        match name.strip_prefix("sentinel_") {
            Some(name) => parts.apply_to_sentinels(name, &value, &mut sentinel_tls)?,
            None => parts.apply(&name, &value)?,
        }
    }
    let is_watched = scheme.servers == Servers::Sentinels;
    if is_watched && parts.cluster == Some(true) {
        return Err(wrong("has `cluster=true`, but sentinels watch no cluster; remove one of them"));
    }
    let sentinel_tls = sentinel_tls.unwrap_or(is_watched && scheme.has_tls);
    #[cfg(feature = "tls")]
    {
        parts.sentinel_tls = sentinel_tls;
    }
    #[cfg(not(feature = "tls"))]
    if sentinel_tls {
        return Err(needs_tls());
    }
    Ok(parts)
}

/// Returns the name of the master, which is the path of a URL of sentinels.
fn master_name(path: &str) -> Result<String> {
    if path.is_empty() {
        return Err(wrong(
            "has no name of the master after its sentinels; write it as in redis+sentinel://s1,s2/mymaster",
        ));
    }
    if path.contains('/') {
        return Err(wrong(
            "has more than the name of the master in its path; write a database as `?db=2`, and a `/` in the name as %2F",
        ));
    }
    let name = decoded(path, "path")?;
    check_master_name(&name).map_err(|problem| wrong(&format!("has a name of the master that {problem}")))?;
    Ok(name)
}

impl UrlParts {
    /// Applies a parameter of the query.
    fn apply(&mut self, name: &str, value: &str) -> Result<()> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        let is_new = match name {
            "db" => self.db.replace(database(value)?).is_none(),
            "user" => text().is_none_or(|user| self.username.replace(user).is_none()),
            "pass" => text().is_none_or(|password| self.password.replace(Secret::new(password)).is_none()),
            "protocol" => {
                let protocol = match value {
                    "2" | "resp2" => Protocol::Resp2,
                    "3" | "resp3" => Protocol::Resp3,
                    _ => return Err(wrong("has a `protocol` that is neither resp2 nor resp3")),
                };
                self.protocol.replace(protocol).is_none()
            }
            "login" => {
                let login = LoginMode::named(value)
                    .ok_or_else(|| wrong("has a `login` that is not auto, minimal or plain"))?;
                self.login.replace(login).is_none()
            }
            "cluster" => self.cluster.replace(truth("cluster", value)?).is_none(),
            _ => return Err(wrong(UNKNOWN)),
        };
        if is_new { Ok(()) } else { Err(wrong(&format!("sets `{name}` twice"))) }
    }

    /// Applies a parameter whose name starts with `sentinel_`.
    fn apply_to_sentinels(&mut self, name: &str, value: &str, tls: &mut Option<bool>) -> Result<()> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        let access = &mut self.sentinel;
        let is_new = match name {
            "user" => text().is_none_or(|user| access.username.replace(user).is_none()),
            "pass" => text().is_none_or(|password| access.password.replace(Secret::new(password)).is_none()),
            "tls" => tls.replace(truth("sentinel_tls", value)?).is_none(),
            _ => return Err(wrong(UNKNOWN)),
        };
        if !is_new {
            return Err(wrong(&format!("sets `sentinel_{name}` twice")));
        }
        if !matches!(self.endpoint, Endpoint::Sentinel(_)) {
            return Err(wrong(&format!(
                "sets `sentinel_{name}`, but its scheme is not that of sentinels; use redis+sentinel://, or remove the \
                 parameter"
            )));
        }
        Ok(())
    }
}

const UNKNOWN: &str = "has an unknown parameter; use db, user, pass, protocol, login or cluster; and for sentinels also \
                       sentinel_user, sentinel_pass or sentinel_tls";

fn truth(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(&format!("has a `{name}` that is neither true nor false"))),
    }
}

/// Rejects characters that the URL parser would drop or reinterpret.
fn check_characters(text: &str) -> Result<()> {
    if text.contains('#') {
        return Err(wrong("contains a `#`; write it as %23"));
    }
    if text.starts_with(['"', '\'']) {
        return Err(wrong("starts with a quote; remove the quotes around it"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("contains white space or a control character"));
    }
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if text.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return Err(wrong("contains a `%` without two hexadecimal digits after it; write it as %25"));
    }
    Ok(())
}

/// What the hosts of a URL are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Servers {
    /// A server, or several nodes of a cluster.
    Nodes,
    Sentinels,
    /// The URL has a path instead of hosts.
    Unix,
}

#[derive(Clone, Copy)]
struct Scheme {
    servers: Servers,
    has_tls: bool,
}

impl Scheme {
    fn named(name: &str) -> Result<Self> {
        let (servers, has_tls) = match name {
            "redis" | "valkey" => (Servers::Nodes, false),
            "rediss" | "valkeys" => (Servers::Nodes, true),
            "redis+sentinel" | "valkey+sentinel" => (Servers::Sentinels, false),
            "rediss+sentinel" | "valkeys+sentinel" => (Servers::Sentinels, true),
            "unix" | "redis+unix" | "valkey+unix" => (Servers::Unix, false),
            name if name.contains("sentinel") => {
                return Err(Error::configuration(
                    "the Redis URL has an unknown scheme for sentinels; use redis+sentinel://s1:26379,s2:26379/mymaster, or \
                     rediss+sentinel:// for TLS",
                ));
            }
            name if name.contains("cluster") => {
                return Err(Error::configuration(
                    "the Redis URL has a scheme for clusters; use redis://a:1,b:2, or rediss://a:1,b:2 for TLS: a Cluster \
                     is detected",
                ));
            }
            _ => return Err(wrong("has an unknown scheme")),
        };
        #[cfg(not(feature = "tls"))]
        if has_tls {
            return Err(needs_tls());
        }
        Ok(Self { servers, has_tls })
    }
}

#[cfg(not(feature = "tls"))]
fn needs_tls() -> Error {
    Error::configuration("the Redis URL requires TLS; enable the feature `tls` of redis-keyspace")
}

fn database(text: &str) -> Result<u16> {
    decimal(text).ok_or_else(|| wrong("has a database that is not a number from 0 to 65535"))
}
