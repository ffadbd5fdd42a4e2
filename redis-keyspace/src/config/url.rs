//! Redis URLs. No message repeats any part of one: in a malformed URL the password may be anywhere.

use percent_encoding::percent_decode_str;
use url::Url;

use super::endpoint::Endpoint;
use super::settings::{Protocol, Secret};
use super::validate::check_host;
use crate::error::{Error, Result};

/// The parts of a URL.
#[derive(Debug)]
pub(crate) struct UrlParts {
    pub(crate) endpoint: Endpoint,
    pub(crate) db: Option<u16>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) protocol: Option<Protocol>,
}

const FORM: &str = "it is of the form redis://user:password@host:6379/0 or redis+unix:///path/to/socket?db=0, and special \
                    characters in its parts are percent-encoded, such as `#` as %23, `/` as %2F and `@` as %40";

fn wrong(problem: &str) -> Error {
    Error::configuration(format!("the Redis URL {problem}; {FORM}"))
}

/// A part of a URL without its percent-encoding; `None` if it is empty.
fn decoded(text: &str, what: &str) -> Result<Option<String>> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.into_owned())),
        Err(_) => Err(wrong(&format!("has a {what} that is not UTF-8"))),
    }
}

fn number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| wrong("has a database that is not a number from 0 to 65535"))
}

/// `redis://[user[:password]@]host[:port][/db]` or `redis+unix:///path?db=..&user=..&pass=..`. Every part is used, or an error.
pub(crate) fn parse(text: &str) -> Result<UrlParts> {
    let text = text.trim();
    // The URL parser would silently drop some of them.
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err(wrong("contains white space or a control character"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&format!("can't be parsed ({error})")))?;
    let is_unix = match url.scheme() {
        "redis" | "valkey" => false,
        "unix" | "redis+unix" | "valkey+unix" => true,
        "rediss" | "valkeys" => {
            return Err(Error::configuration(
                "the Redis URL asks for TLS, which this version does not speak; \
                 make a bb8_redis pool with TLS and hand it to Redis::from_pool",
            ));
        }
        _ => return Err(wrong("has an unknown scheme")),
    };
    if url.fragment().is_some() {
        return Err(wrong("contains a `#`; write it as %23"));
    }
    let mut parts = UrlParts {
        endpoint: if is_unix { socket(&url)? } else { address(&url)? },
        db: None,
        username: decoded(url.username(), "user name")?,
        password: decoded(url.password().unwrap_or_default(), "password")?.map(Secret::new),
        protocol: None,
    };
    if !is_unix {
        match url.path().strip_prefix('/').unwrap_or_default() {
            "" => {}
            db => parts.db = Some(number(db)?),
        }
    }
    // Not as forms are read, where a `+` would be a space.
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value, "parameter")?.unwrap_or_default();
        match name {
            "db" if parts.db.is_none() => parts.db = Some(number(&value)?),
            "user" if parts.username.is_none() => parts.username = Some(value),
            "pass" if parts.password.is_none() => parts.password = Some(Secret::new(value)),
            "protocol" if parts.protocol.is_none() => {
                parts.protocol = Some(match &*value {
                    "2" | "resp2" => Protocol::Resp2,
                    "3" | "resp3" => Protocol::Resp3,
                    _ => return Err(wrong("has a `protocol` that is neither resp2 nor resp3")),
                });
            }
            "db" | "user" | "pass" | "protocol" => return Err(wrong(&format!("sets `{name}` twice"))),
            _ => return Err(wrong("has an unknown parameter; known are db, user, pass and protocol")),
        }
    }
    Ok(parts)
}

fn socket(url: &Url) -> Result<Endpoint> {
    if url.host_str().is_some_and(|host| !host.is_empty()) || url.port().is_some() {
        return Err(wrong(
            "has a host, but a unix socket has only a path; write three slashes before the path",
        ));
    }
    let path = decoded(url.path(), "path")?.unwrap_or_default();
    if path.len() < 2 {
        return Err(wrong("names no socket"));
    }
    Ok(Endpoint::Unix(path.into()))
}

fn address(url: &Url) -> Result<Endpoint> {
    let host = match url.host() {
        None => "localhost".to_owned(),
        Some(url::Host::Ipv6(address)) => address.to_string(),
        // The URL parser leaves the names of unknown schemes encoded.
        Some(host) => decoded(&host.to_string(), "host")?.unwrap_or_default(),
    };
    check_host(&host).map_err(|problem| wrong(&format!("has a host that {problem}")))?;
    Ok(Endpoint::Tcp { host, port: url.port().unwrap_or(6379) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_states_what_it_states() {
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

        let parts = parse("redis://h?user=a%2Bb&pass=a+b%25").unwrap();
        assert_eq!(parts.username.as_deref(), Some("a+b"));
        assert_eq!(parts.password.as_ref().map(Secret::expose), Some("a+b%"));

        let parts = parse("redis+unix:///run/redis.sock?db=4&pass=x").unwrap();
        assert_eq!(parts.endpoint.to_string(), "/run/redis.sock");
        assert_eq!(parts.db, Some(4));
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_the_password() {
        for (url, problem) in [
            ("localhost:6379", "scheme"),
            ("http://u:hunter2@h", "scheme"),
            ("redis://u:hunter2@h/x", "database"),
            ("redis://u:hunter2@h/70000", "database"),
            ("redis://u:hunter2@h:99999", "port"),
            ("redis://u:hunter2@h/1?db=2", "twice"),
            ("redis://u:hunter2@h?timeout=5", "parameter"),
            ("redis://u:hunter2@h?protocol=4", "protocol"),
            ("rediss://u:hunter2@h", "TLS"),
            ("redis+unix://?pass=hunter2", "socket"),
            ("redis://u:hunter2%FF@h", "UTF-8"),
            ("redis://u:hun#ter2@h", "`#`"),
            ("redis://h/0#hunter2", "`#`"),
            ("redis://u:hun/ter2@h", "port"),
            ("redis://u:hun?ter2@h", "port"),
            ("redis://u:hunter2@h/1/", "database"),
            ("redis://u:hunter2@h//1", "database"),
            ("redis://u:hunter2@h?protocol=2&protocol=3", "twice"),
            ("redis://u:hunter2@a,b", "several"),
            ("redis://u:hunter2@a:1,b:2", "port"),
            ("redis://u:hunter2@h%0A", "not a host name"),
            ("redis://u:hunter 2@h", "white space"),
            ("redis://u:hunter2@h\n/1", "white space"),
            ("redis+unix://hunter2/run/redis.sock", "host"),
            ("redis+unix://u:hunter2@h:1/run/redis.sock", "host"),
            ("redis+unix:///run/redis.sock#hunter2", "`#`"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.is_configuration());
            let text = format!("{error} {error:?}");
            assert!(text.contains(problem), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
