//! Parses Redis URLs. Messages never repeat any part of a URL: in a malformed URL, any part may
//! contain the password.
//!
//! An unused part is an error, because it was written for a purpose. Often it is the rest of a
//! password that contains a reserved character.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::address::Address;
use super::endpoint::Endpoint;
use super::secret::Secret;
use super::settings::{LoginMode, Protocol};
use super::validate::{check_host, decimal, has_duplicates};
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
    pub(crate) db: Option<u16>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) login: Option<LoginMode>,
}

/// Parses `redis://[user[:password]@]host[:port][,host[:port]..][/db]`, the same with `rediss`, or
/// `redis+unix:///path?db=..&user=..&pass=..`. Every part is either used or an error.
pub(crate) fn parse(text: &str) -> Result<UrlParts> {
    let text = text.trim();
    check_characters(text)?;
    let (text, others) = split_hosts(text)?;
    let url = Url::parse(&text).map_err(|error| wrong(&format!("can't be parsed ({error})")))?;
    let scheme = Scheme::named(url.scheme())?;
    let is_unix = scheme == Scheme::Unix;
    if !text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://")) {
        return Err(wrong("has no `//` after its scheme"));
    }
    let (endpoint, nodes) =
        if is_unix { (unix_socket(&url)?, Vec::new()) } else { addresses(&url, &others)? };
    let mut parts = UrlParts {
        endpoint,
        nodes,
        cluster: None,
        #[cfg(feature = "tls")]
        tls: scheme == Scheme::Tls,
        db: None,
        username: filled(url.username(), "user name")?,
        password: filled(url.password().unwrap_or_default(), "password")?.map(Secret::new),
        protocol: None,
        login: None,
    };
    if !is_unix {
        match url.path().strip_prefix('/').unwrap_or_default() {
            "" => {}
            db => parts.db = Some(database(&decoded(db, "path")?)?),
        }
    }
    let options = url.query().unwrap_or_default().split('&').filter(|option| !option.is_empty());
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        parts.apply(&decoded(name, "parameter")?, &decoded(value, "parameter")?)?;
    }
    Ok(parts)
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
            "cluster" => {
                let is_cluster = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(wrong("has a `cluster` that is neither true nor false")),
                };
                self.cluster.replace(is_cluster).is_none()
            }
            _ => {
                return Err(wrong(
                    "has an unknown parameter; use db, user, pass, protocol, login or cluster",
                ));
            }
        };
        if is_new { Ok(()) } else { Err(wrong(&format!("sets `{name}` twice"))) }
    }
}

const FORM: &str = "the format is redis://user:password@host:6379/0 or redis+unix:///path/to/socket?db=0; percent-encode \
                    special characters in its parts: `#` as %23, `/` as %2F, `@` as %40";

fn wrong(problem: &str) -> Error {
    Error::configuration(format!("the Redis URL {problem}; {FORM}"))
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Tcp,
    #[cfg(feature = "tls")]
    Tls,
    Unix,
}

impl Scheme {
    fn named(scheme: &str) -> Result<Self> {
        match scheme {
            "redis" | "valkey" => Ok(Self::Tcp),
            "unix" | "redis+unix" | "valkey+unix" => Ok(Self::Unix),
            #[cfg(feature = "tls")]
            "rediss" | "valkeys" => Ok(Self::Tls),
            #[cfg(not(feature = "tls"))]
            "rediss" | "valkeys" => Err(Error::configuration(
                "the Redis URL requires TLS; enable the feature `tls` of redis-keyspace",
            )),
            scheme if scheme.contains("sentinel") => Err(Error::configuration(
                "the Redis URL requires Sentinel, which is not supported; use the address of the master: \
                 redis://host:6379",
            )),
            scheme if scheme.contains("cluster") => Err(Error::configuration(
                "the Redis URL has a scheme for clusters; use redis://a:1,b:2, or rediss://a:1,b:2 for TLS: a Cluster \
                 is detected. Sentinel is not supported",
            )),
            _ => Err(wrong("has an unknown scheme")),
        }
    }
}

/// Returns the URL with only its first host, and the other hosts. The URL parser would read hosts
/// that are separated by commas as one name, or as an invalid port.
fn split_hosts(text: &str) -> Result<(Cow<'_, str>, Vec<&str>)> {
    let single = || (Cow::Borrowed(text), Vec::new());
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(single()) };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if !hosts.contains(',') {
        return Ok(single());
    }
    let mut hosts = hosts.split(',');
    let first = hosts.next().unwrap_or_default();
    let others: Vec<_> = hosts.collect();
    if first.is_empty() || others.contains(&"") {
        return Err(wrong("lists several hosts, and one of them is empty; remove the extra comma"));
    }
    let at = if authority.contains('@') { "@" } else { "" };
    let rest = rest.strip_prefix(authority).unwrap_or_default();
    Ok((format!("{scheme}://{login}{at}{first}{rest}").into(), others))
}

/// Returns the address in the URL, and those of the other hosts. The same rules apply to all hosts.
fn addresses(url: &Url, others: &[&str]) -> Result<(Endpoint, Vec<Address>)> {
    let first = tcp(url)?;
    let others = others.iter().map(|host| {
        let url = Url::parse(&format!("redis://{host}"));
        tcp(&url.map_err(|error| {
            wrong(&format!("lists several hosts, and one of them can't be parsed ({error})"))
        })?)
    });
    let nodes = others.collect::<Result<Vec<_>>>()?;
    if has_duplicates([&first].into_iter().chain(&nodes)) {
        return Err(wrong("lists a host twice; list each node once"));
    }
    let (host, port) = first;
    Ok((Endpoint::Tcp { host, port }, nodes))
}

fn unix_socket(url: &Url) -> Result<Endpoint> {
    if url.host_str().is_some_and(|host| !host.is_empty()) || url.port().is_some() {
        return Err(wrong(
            "has a host, but a unix socket has only a path; write three slashes before the path",
        ));
    }
    let path = decoded(url.path(), "path")?;
    if path.len() < 2 {
        return Err(wrong("has no socket path"));
    }
    Ok(Endpoint::Unix(path.into()))
}

fn tcp(url: &Url) -> Result<Address> {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        // The URL parser does not decode host names of schemes that it does not know.
        Some(host) => decoded(&host.to_string(), "host")?,
        None => String::new(),
    };
    if host.is_empty() {
        return Err(wrong("has no host; for a local server, use redis://localhost"));
    }
    check_host(&host).map_err(|problem| wrong(&format!("has a host that {problem}")))?;
    match url.port() {
        Some(0) => Err(wrong("has the port 0; ports are from 1 to 65535")),
        port => Ok((host, port.unwrap_or(6379))),
    }
}

fn database(text: &str) -> Result<u16> {
    decimal(text).ok_or_else(|| wrong("has a database that is not a number from 0 to 65535"))
}

/// Decodes a part. All parts are decoded in the same way.
fn decoded(part: &str, what: &str) -> Result<String> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(Into::into).map_err(|_| wrong(&format!("has a {what} that is not UTF-8")))
}

/// Decodes a part that counts as unset if it is empty.
fn filled(part: &str, what: &str) -> Result<Option<String>> {
    decoded(part, what).map(|text| Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_url_are_used() {
        let parts = parse("redis://us%40er:p%3Ass@example.org:7000/3?protocol=resp3").unwrap();
        assert_eq!(parts.endpoint.to_string(), "example.org:7000");
        assert_eq!(parts.username.as_deref(), Some("us@er"));
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("p:ss"));
        assert_eq!((parts.db, parts.protocol), (Some(3), Some(Protocol::Resp3)));

        let parts = parse("redis://localhost").unwrap();
        assert_eq!(parts.endpoint.to_string(), "localhost:6379");
        assert!(parts.db.is_none() && parts.username.is_none() && parts.password.is_none());

        let parts = parse("redis://:secret@[::1]:7001").unwrap();
        assert_eq!(parts.endpoint.to_string(), "[::1]:7001");
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("secret"));

        let parts = parse(" redis://h:1/\n").unwrap();
        assert_eq!(parts.endpoint.to_string(), "h:1");

        let parts = parse("redis+unix:///run/redis.sock?db=4&pass=x").unwrap();
        assert_eq!(parts.endpoint.to_string(), "/run/redis.sock");
        assert_eq!(parts.db, Some(4));
    }

    #[test]
    fn the_nodes_of_a_cluster_are_listed() {
        let parts = parse("redis://us:p,w@a:7000,b,[0:0::1]:7002,h%6Fst/0?cluster=true").unwrap();
        assert_eq!(parts.endpoint.to_string(), "a:7000");
        let nodes = [("b", 6379), ("::1", 7002), ("host", 6379)];
        assert_eq!(parts.nodes, nodes.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("p,w"));
        assert_eq!((parts.db, parts.cluster), (Some(0), Some(true)));
        for (url, cluster) in [("valkey://[::1]:1,h", None), ("redis://h,i?cluster=false", Some(false))] {
            let parts = parse(url).unwrap();
            assert_eq!((parts.nodes.len(), parts.cluster), (1, cluster));
        }
        // A comma in the path is no list.
        assert_eq!(parse("unix:///a,b").unwrap().endpoint.to_string(), "/a,b");
        assert!(
            parse("redis://u:a,b@h?pass=c,d").is_err_and(|error| error.to_string().contains("`pass` twice"))
        );
    }

    #[cfg(feature = "tls")]
    #[test]
    fn the_scheme_switches_tls_on() {
        for url in ["rediss://u:hunter2@h:6380/1", "valkeys://h", "rediss://h,i"] {
            assert!(parse(url).unwrap().tls);
        }
        for url in ["redis://h", "valkey://h", "unix:///s"] {
            assert!(!parse(url).unwrap().tls);
        }
        // The driver's way to switch verification off.
        let error = parse("rediss://u:hunter2@h/#insecure").unwrap_err().to_string();
        assert!(error.contains('#') && !error.contains("hunter2"), "{error}");
        for parameter in ["insecure=true", "verify=false", "ssl_cert_reqs=none"] {
            let error = parse(&format!("rediss://h?{parameter}")).unwrap_err().to_string();
            assert!(error.contains("unknown parameter"), "{error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_needs_its_feature() {
        let error = parse("rediss://u:hunter2@h").unwrap_err().to_string();
        assert!(error.contains("feature `tls`") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn all_parts_are_decoded_in_the_same_way() {
        let parts = parse("redis://a%2Bb+c:d%2Be+f@h%6Fst/%33").unwrap();
        assert_eq!(parts.username.as_deref(), Some("a+b+c"));
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("d+e+f"));
        assert_eq!((parts.endpoint.to_string().as_str(), parts.db), ("host:6379", Some(3)));
        let parts =
            parse("unix:///r%75n/a%20b+c?user=a%2Bb+c&pass=d%2Be%26+f%23&%64b=%34&login=plain").unwrap();
        assert_eq!(parts.endpoint.to_string(), "/run/a b+c");
        assert_eq!(parts.username.as_deref(), Some("a+b+c"));
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("d+e&+f#"));
        assert_eq!((parts.db, parts.login), (Some(4), Some(LoginMode::Plain)));
        let parts = parse("redis://h?user=&pass=").unwrap();
        assert!(parts.username.is_none() && parts.password.is_none());
        parse("redis://h?pass=%FF").unwrap_err();
    }

    #[test]
    fn an_invalid_url_is_rejected_without_repeating_the_password() {
        for (url, problem) in [
            ("localhost:6379", "scheme"),
            ("http://u:hunter2@h", "scheme"),
            ("redis://u:hunter2@h/x", "database"),
            ("redis://u:hunter2@h/70000", "database"),
            ("redis://u:hunter2@h:99999", "port"),
            ("redis://u:hunter2@h/1?db=2", "twice"),
            ("redis://u:hunter2@h?timeout=5", "parameter"),
            ("redis://u:hunter2@h?protocol=4", "protocol"),
            ("redis+unix://?pass=hunter2", "socket"),
            ("redis://u:hunter2%FF@h", "UTF-8"),
            ("redis://u:hunter2#x@h", "%23"),
            ("redis://:12#hunter2@h:6379", "%23"),
            ("redis://h:6379/0#hunter2", "%23"),
            ("redis+unix:///s#hunter2", "%23"),
            ("redis://u:hunter2%@h", "%25"),
            ("redis://u:hunter2%4@h", "%25"),
            ("redis://u:hunter2%zz@h", "%25"),
            ("redis://u:hunter2@h?pass=x&pass=y", "twice"),
            ("redis://u:hunter2@h?protocol=2&protocol=2", "twice"),
            ("redis://u:hunter2@h?login=hunter2", "login"),
            ("redis://u:hun/ter2@h", "port"),
            ("redis://u:hun?ter2@h", "port"),
            ("redis://u:hunter2@h%0A", "not a host name"),
            ("redis://u:hunter 2@h", "white space"),
            ("redis://u:hunter2@h\n/1", "white space"),
            ("redis://u:hunter2@h\t1", "control"),
            ("\"redis://u:hunter2@h\"", "quotes"),
            ("redis://u:hunter2@h1,", "remove the extra comma"),
            ("redis://u:hunter2@,h1", "remove the extra comma"),
            ("redis://u:hunter2@h1,,h2/0", "remove the extra comma"),
            ("redis://u:hunter2@h1,:2", "several hosts, and one of them"),
            ("redis://u:hunter2@h1,h2:99999", "several hosts, and one of them"),
            ("redis://u:hunter2@h1,h2:0", "port 0"),
            ("redis://u:hunter2@h1:0,h2", "port 0"),
            ("redis://u:hunter2@h1,[::1", "several hosts, and one of them"),
            ("redis://u:hunter2@h1,h2%0A", "not a host name"),
            ("redis://u:hunter2@h1,10.0.0", "IPv4"),
            ("redis://u:hunter2@h1,h2%40", "`@`"),
            ("redis://u:hunter2@h1:6379,H1", "lists a host twice"),
            ("redis://[::1]:1,h,[0:0::1]:1?pass=hunter2", "lists a host twice"),
            ("redis://u:hun,ter2/x@h", "can't be parsed"),
            ("unix://u:hunter2@h1,h2/s", "three slashes"),
            ("redis://u:hunter2@h1,h2?cluster=hunter2", "neither true nor false"),
            ("redis://u:hunter2@h?cluster=true&cluster=true", "twice"),
            ("redis+sentinel://u:hunter2@h1:1,h2:2/0", "Sentinel"),
            ("redis-cluster://u:hunter2@h", "Cluster"),
            ("rediss-cluster://u:hunter2@h1,h2", "Cluster"),
            ("redis:///0", "no host"),
            ("redis://u:hunter2@h/1/", "database"),
            ("redis://u:hunter2@h/1/2", "database"),
            ("redis://u:hunter2@h/+3", "database"),
            ("redis://u:hunter2@h//3", "database"),
            ("redis://u:hunter2@h:0", "port 0"),
            ("redis:hunter2", "`//`"),
            ("redis:6", "`//`"),
            ("redis://hunter2%40x:1", "`@`"),
            ("redis://b%C3%BCcher", "not a host name"),
            ("redis://10.0.0", "IPv4"),
            ("unix://run/hunter2.sock", "three slashes"),
            ("unix://u:hunter2@h/s", "three slashes"),
            ("redis+unix://h:1/s", "three slashes"),
            ("redis+unix:s", "`//`"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.is_configuration());
            let text = format!("{error} {error:?}");
            assert!(text.contains(problem), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
            if !["Sentinel", "Cluster"].contains(&problem) {
                assert!(
                    text.contains("redis://user:password@host:6379/0"),
                    "it shows how to write one: {text}"
                );
            }
        }
    }
}
