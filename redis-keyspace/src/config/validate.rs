//! Validates options.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::settings::{LoginMode, Protocol, Settings};
use crate::error::{Error, Result};
use crate::key::is_reserved;
use crate::time::Deadline;

/// The rules for a namespace, as messages explain them.
pub(crate) const NAMESPACE_RULES: &str = "it must be one segment of a key, with 1 to 256 bytes, no control characters and \
                                          none of : % * ? [ ] \\ { }";

/// The maximum length of a namespace. Tenant names may come from untrusted input, and are part of
/// every key.
const LONGEST_NAMESPACE: usize = 256;

/// Whether a namespace is one segment of a key. If a namespace could contain a `:`, its end could
/// look like the start of a prefix in another namespace.
pub(crate) fn is_namespace(namespace: &str) -> bool {
    !namespace.is_empty() && namespace.len() <= LONGEST_NAMESPACE && !namespace.bytes().any(is_reserved)
}

/// The longest name that DNS allows.
const LONGEST_HOST: usize = 253;

/// Returns what is wrong with a host name or address. Never repeats it: it may be a misplaced
/// password.
pub(super) fn check_host(host: &str) -> std::result::Result<(), &'static str> {
    let is_address = host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    if is_address && !host.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Ok(());
    }
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if host.is_empty() {
        Err("is empty; set a host name or an IP address")
    } else if host.contains(['"', '\'', '`']) {
        Err("contains quotes; remove them")
    } else if host.contains("://") {
        Err("is a URL; set only a host name or an IP address here, or set the URL option instead")
    } else if host.contains('@') {
        Err("contains an `@`; set user name and password separately")
    } else if host.contains(',') {
        Err("lists several hosts; set one here. The nodes of a cluster have their own option, `nodes`")
    } else if host.starts_with('[') {
        Err("is in brackets; write an IPv6 address without brackets here")
    } else if host.contains(':') {
        Err("contains a port; set the port separately")
    } else if host.contains('/') {
        Err(
            "contains `/`; for a unix socket, set `unix_socket` or a URL such as redis+unix:///path/to/socket",
        )
    } else if host.len() > LONGEST_HOST || !host.bytes().all(is_of_names) {
        Err("is not a host name; host names have up to 253 letters a-z, digits, `-`, `_` and `.`")
    } else if host.strip_suffix('.').unwrap_or(host).split('.').any(is_bad_label) {
        Err("is not a host name; host names have 1 to 63 characters between two dots")
    } else if is_number(host) && host.parse::<Ipv4Addr>().is_err() {
        Err("is neither a host name nor an IPv4 address with four numbers")
    } else {
        Ok(())
    }
}

fn is_bad_label(label: &str) -> bool {
    label.is_empty() || label.len() > 63
}

/// Whether resolvers would read the host as a number. To them, `6379` and `10.1` are addresses.
fn is_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a number that consists of decimal digits only, without a sign.
pub(super) fn decimal(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Returns what is wrong with a user name. Never repeats it: it may be a misplaced password.
pub(super) fn check_username(name: &str) -> std::result::Result<(), &'static str> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.contains(is_odd) {
        Err("must not be empty or contain white space or control characters")
    } else {
        Ok(())
    }
}

/// The maximum length of the name of a master.
const LONGEST_MASTER_NAME: usize = 256;

/// Returns what is wrong with the name of a master that sentinels watch. Never repeats it: it may
/// be a misplaced password.
pub(super) fn check_master_name(name: &str) -> std::result::Result<(), &'static str> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > LONGEST_MASTER_NAME || name.contains(is_odd) {
        Err("must have 1 to 256 bytes, and no white space or control characters")
    } else {
        Ok(())
    }
}

fn check_socket(path: &Path) -> std::result::Result<(), &'static str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.contains(&0) { Err("must not be empty or contain NUL") } else { Ok(()) }
}

/// The minimum of `max_key_bytes`: prefixes and companion keys need some room.
const LEAST_KEY: usize = 1024;
/// The minimum of `max_value_bytes`.
const LEAST_VALUE: usize = 4096;
/// The longest deadline that can be set.
const LONGEST: Duration = Deadline::LONGEST;

pub(crate) fn validate(settings: &Settings) -> Result<()> {
    let within = |name: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Error::configuration(format!("`{name}` is {value}; it must be from {least} to {most}")))
    };
    let shared = settings.shared_connections.map_or(1, u64::from);
    within("shared_connections", shared, 1, 64)?;
    within("exclusive_connections", settings.exclusive_connections.into(), 1, 1024)?;
    within("retries", settings.retries.into(), 0, 100)?;
    for (name, duration) in [("timeout", settings.timeout), ("connect_timeout", settings.connect_timeout)] {
        if duration.is_zero() || duration > LONGEST {
            return Err(Error::configuration(format!(
                "`{name}` is {duration:?}; it must be longer than zero and at most 7 days"
            )));
        }
    }
    if settings.retry_delay > LONGEST {
        return Err(Error::configuration("`retry_delay` is longer than 7 days"));
    }
    for (name, limit) in [
        ("max_in_flight", usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX)),
        ("max_queued_bytes", settings.max_queued_bytes),
    ] {
        if limit == 0 {
            return Err(Error::configuration(format!("`{name}` is 0; it must be at least 1")));
        }
    }
    if settings.ping_interval.is_some_and(|interval| interval.is_zero()) {
        return Err(Error::configuration(
            "`ping_interval` is 0, which would send PING without pause; set `None` to turn the check off",
        ));
    }
    if settings.ping_interval.is_some_and(|interval| interval > LONGEST) {
        return Err(Error::configuration(
            "`ping_interval` is longer than 7 days; set `None` to turn the check off",
        ));
    }
    if settings.slow_command.is_some_and(|least| least.is_zero()) {
        return Err(Error::configuration(
            "`slow_command` is 0, which would log every command; set at least 1 ns",
        ));
    }
    if settings.large_value == Some(0) {
        return Err(Error::configuration(
            "`large_value` is 0, which would log every command; set at least 1",
        ));
    }
    if settings.max_key_bytes < LEAST_KEY {
        return Err(Error::configuration(format!(
            "`max_key_bytes` is {}; it must be at least {LEAST_KEY}",
            settings.max_key_bytes
        )));
    }
    if settings.max_value_bytes < LEAST_VALUE {
        return Err(Error::configuration(format!(
            "`max_value_bytes` is {}; it must be at least {LEAST_VALUE}, so that the replies to a login fit",
            settings.max_value_bytes
        )));
    }
    if let Some(name) = &settings.client_name
        && (name.is_empty() || !name.bytes().all(|byte| (b'!'..=b'~').contains(&byte)))
    {
        return Err(Error::configuration(
            "the client name is invalid: Redis accepts printable ASCII without spaces",
        ));
    }
    if let Some(name) = settings.username.as_deref() {
        check_username(name).map_err(|problem| Error::configuration(format!("`username` {problem}")))?;
    }
    validate_credentials(settings)?;
    if settings.login == LoginMode::Plain && settings.protocol == Protocol::Resp3 {
        return Err(Error::configuration(
            "`login` is plain and `protocol` is RESP3, but a plain login does not send HELLO, which selects RESP3; \
             change one of them",
        ));
    }
    #[cfg(feature = "tls")]
    validate_tls(settings)?;
    match &settings.endpoint {
        Endpoint::Tcp { host, port } => {
            check_host(host).map_err(|problem| Error::configuration(format!("`host` {problem}")))?;
            if *port == 0 {
                return Err(Error::configuration("`port` is 0; it must be from 1 to 65535"));
            }
        }
        Endpoint::Unix(path) => {
            check_socket(path).map_err(|problem| Error::configuration(format!("`unix_socket` {problem}")))?;
        }
        Endpoint::Sentinel(master) => {
            check_master_name(&master.name)
                .map_err(|problem| Error::configuration(format!("the name of the master {problem}")))?;
        }
        _ => {}
    }
    validate_cluster(settings)?;
    validate_sentinels(settings)?;
    validate_replicas(settings)
}

#[cfg(feature = "tls")]
fn validate_tls(settings: &Settings) -> Result<()> {
    if let Some(tls) = &settings.tls {
        if matches!(settings.endpoint, Endpoint::Unix(_)) {
            return Err(Error::configuration(
                "TLS is on, but the server is a unix socket, which servers never encrypt; remove one of them",
            ));
        }
        if matches!(settings.endpoint, Endpoint::Pool(_)) {
            return Err(Error::configuration(
                "TLS options are set, but the connections belong to a pool of the application; configure TLS on that \
                 pool, and remove the options here",
            ));
        }
        if let Some(name) = tls.server_name.as_deref() {
            check_host(name)
                .map_err(|problem| Error::configuration(format!("the TLS `server_name` {problem}")))?;
        }
    }
    if let Some(name) = settings.sentinel.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
        check_host(name).map_err(|problem| {
            Error::configuration(format!("the TLS `server_name` of sentinels {problem}"))
        })?;
    }
    Ok(())
}

fn validate_credentials(settings: &Settings) -> Result<()> {
    if settings.credentials.is_none() {
        return Ok(());
    }
    let (username, password) = (settings.username.is_some(), settings.password.is_some());
    if let Some((_, name)) =
        [(username, "username"), (password, "password")].into_iter().find(|(is_set, _)| *is_set)
    {
        return Err(Error::configuration(format!(
            "a credentials provider and `{name}` are set; remove one of them (it may come from the URL or the environment)"
        )));
    }
    if matches!(settings.endpoint, Endpoint::Pool(_)) {
        return Err(Error::configuration(
            "a credentials provider is set, but the connections belong to a pool of the application; set the \
             credentials on that pool, and remove the provider",
        ));
    }
    Ok(())
}

/// Whether two addresses are equal. The case of host names does not count.
pub(super) fn has_duplicates<'a>(nodes: impl IntoIterator<Item = &'a (String, u16)>) -> bool {
    let mut seen = std::collections::HashSet::new();
    nodes.into_iter().any(|(host, port)| !seen.insert((host.to_ascii_lowercase(), *port)))
}

fn validate_cluster(settings: &Settings) -> Result<()> {
    if settings.cluster == Some(true) && matches!(settings.endpoint, Endpoint::Pool(_)) {
        return Err(Error::configuration(
            "`cluster` is true, but the connections belong to a pool of the application, which talks to one node only; \
             set `nodes` instead of the pool, or remove `cluster`",
        ));
    }
    let is_watched = matches!(settings.endpoint, Endpoint::Sentinel(_));
    if settings.cluster == Some(true) && is_watched {
        return Err(Error::configuration(
            "`cluster` is true, but sentinels are set, and sentinels watch no cluster; remove one of them",
        ));
    }
    if settings.nodes.is_empty() {
        return Ok(());
    }
    if is_watched {
        return Err(Error::configuration(
            "`nodes` is set, but sentinels are, too, and sentinels watch no cluster; remove one of them",
        ));
    }
    if settings.cluster == Some(false) {
        return Err(Error::configuration(
            "`cluster` is false, so that one server is used, but several nodes are set; set one server, or remove \
             `cluster`",
        ));
    }
    let Endpoint::Tcp { host, port } = &settings.endpoint else {
        return Err(Error::configuration(
            "`nodes` is set, but the first server has no host and port; set all nodes of the cluster with `nodes`, or none",
        ));
    };
    let first = (host.clone(), *port);
    if has_duplicates([&first].into_iter().chain(&settings.nodes)) {
        return Err(Error::configuration("`nodes` lists an address twice; list each node once"));
    }
    settings.nodes.iter().try_for_each(|(host, port)| {
        check_host(host).map_err(|problem| Error::configuration(format!("a host of `nodes` {problem}")))?;
        if *port == 0 {
            Err(Error::configuration("a port of `nodes` is 0; it must be from 1 to 65535"))
        } else {
            Ok(())
        }
    })
}

/// Options for sentinels would be ignored on any other server.
fn validate_sentinels(settings: &Settings) -> Result<()> {
    let access = &settings.sentinel;
    #[cfg(feature = "tls")]
    let has_tls = access.tls.is_some();
    #[cfg(not(feature = "tls"))]
    let has_tls = false;
    match settings.endpoint {
        // Nothing connects.
        Endpoint::Disabled(_) => return Ok(()),
        Endpoint::Sentinel(_) => {
            let username = access.username.as_deref();
            return username
                .map_or(Ok(()), check_username)
                .map_err(|problem| Error::configuration(format!("`sentinel_username` {problem}")));
        }
        _ => {}
    }
    let options = [
        ("sentinel_username", access.username.is_some()),
        ("sentinel_password", access.password.is_some()),
        ("sentinel_tls", has_tls),
    ];
    match options.into_iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => Err(Error::configuration(format!(
            "`{name}` is set, but no sentinels are; set them with `sentinel`, REDIS_SENTINELS or a redis+sentinel:// URL, \
             or remove `{name}`"
        ))),
        None => Ok(()),
    }
}

fn validate_replicas(settings: &Settings) -> Result<()> {
    if settings.replicas.is_empty() {
        return Ok(());
    }
    let server = match &settings.endpoint {
        Endpoint::Tcp { host, port } => (host.clone(), *port),
        endpoint => {
            let reason = match endpoint {
                Endpoint::Disabled(_) => return Ok(()),
                Endpoint::Sentinel(_) => "sentinels are, too, and they name the replicas; remove `replicas`",
                Endpoint::Pool(_) => {
                    "the connections belong to a pool of the application, which talks to one server only; set a host or \
                     a URL instead of the pool, or remove `replicas`"
                }
                Endpoint::Unix(_) => {
                    "the server is a unix socket; set a host or a URL instead, or remove `replicas`"
                }
                _ => "the server is in this process, and has no replicas; remove `replicas`",
            };
            return Err(Error::configuration(format!("`replicas` is set, but {reason}")));
        }
    };
    if !settings.nodes.is_empty() || settings.cluster == Some(true) {
        let other = if settings.nodes.is_empty() { "`cluster` is true" } else { "so are several nodes" };
        return Err(Error::configuration(format!(
            "`replicas` is set, but {other}, and a cluster names its replicas itself; remove `replicas`"
        )));
    }
    if has_duplicates([&server].into_iter().chain(&settings.replicas)) {
        return Err(Error::configuration(
            "`replicas` lists the server itself; list only the servers that replicate it",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "localhost",
            "cache.internal",
            "a_b-c.d",
            "10.0.0.5",
            "::1",
            "fe80::1%eth0",
            "redis-0.redis.default.svc",
            "cache.internal.",
            "1e100.net",
            "0.0.0.0",
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        for (host, problem) in [
            ("", "empty"),
            ("127.0.0.1:17100", "port"),
            ("redis://cache", "URL"),
            ("user:hunter2@h", "`@`"),
            ("a,b", "several"),
            ("[::1]", "brackets"),
            ("\"cache\"", "quotes"),
            ("'cache'", "quotes"),
            ("/run/redis.sock", "`/`"),
            ("a..b", "between two dots"),
            (".a", "between two dots"),
            (&"a".repeat(64), "between two dots"),
            ("6379", "neither"),
            ("10.0.0", "neither"),
            ("10.0.0.256", "neither"),
            ("ca che", "not a host name"),
            ("cache\n", "not a host name"),
            ("fe80::1%e\n", "port"),
            ("b\u{fc}cher", "not a host name"),
            (&"a".repeat(254), "not a host name"),
        ] {
            let message = check_host(host).unwrap_err();
            assert!(message.contains(problem) && !message.contains("hunter2"), "{host}: {message}");
        }
    }

    #[test]
    fn a_namespace_is_one_segment() {
        for namespace in ["staging", "a.b", "team-7", "m\u{fc}ller"] {
            assert!(is_namespace(namespace), "{namespace}");
        }
        for namespace in ["", ":", "a:b", "a:", "a*", "a%b", "a{b}", "a\nb"] {
            assert!(!is_namespace(namespace), "{namespace}");
        }
    }
    #[test]
    fn numbers_have_no_sign() {
        assert_eq!((decimal("0"), decimal("65535"), decimal("65536")), (Some(0), Some(65535), None));
        assert_eq!((decimal(""), decimal("+1"), decimal("-1"), decimal("1 ")), (None, None, None, None));
    }
}
