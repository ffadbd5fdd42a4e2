//! Redis URLs. No message repeats any part of one: in a malformed URL the password may be anywhere.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

use super::endpoint::Endpoint;
use super::settings::{Protocol, Secret};
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

/// `redis://[user[:password]@]host[:port][/db]` or `redis+unix:///path?db=..&user=..&pass=..`.
pub(crate) fn parse(text: &str) -> Result<UrlParts> {
    let wrong = |problem: &str| {
        Error::configuration(format!(
            "the Redis URL {problem}; it is of the form redis://user:password@host:6379/0 or redis+unix:///path/to/socket?db=0"
        ))
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("can't be parsed ({error})")))?;
    let unix = match url.scheme() {
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
    let decoded = |text: &str, what: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.into_owned())),
        Err(_) => Err(wrong(&format!("has a {what} that is not UTF-8"))),
    };
    let number = |text: &str| {
        text.parse::<u16>().map_err(|_| wrong("has a database that is not a number from 0 to 65535"))
    };
    let mut parts = UrlParts {
        endpoint: if unix {
            let path = percent_decode_str(url.path())
                .decode_utf8()
                .map_err(|_| wrong("has a path that is not UTF-8"))?;
            if path.len() < 2 {
                return Err(wrong("names no socket"));
            }
            Endpoint::Unix(path.into_owned().into())
        } else {
            let host = match url.host() {
                None => "localhost".to_owned(),
                Some(url::Host::Ipv6(address)) => address.to_string(),
                // The URL parser leaves the names of unknown schemes encoded.
                Some(host) => percent_decode_str(&host.to_string())
                    .decode_utf8()
                    .map(Cow::into_owned)
                    .map_err(|_| wrong("has a host that is not UTF-8"))?,
            };
            Endpoint::Tcp { host, port: url.port().unwrap_or(6379) }
        },
        db: None,
        username: decoded(url.username(), "user name")?,
        password: decoded(url.password().unwrap_or_default(), "password")?.map(Secret::new),
        protocol: None,
    };
    if !unix {
        match url.path().trim_matches('/') {
            "" => {}
            db => parts.db = Some(number(db)?),
        }
    }
    for (name, value) in url.query_pairs() {
        match &*name {
            "db" if parts.db.is_none() => parts.db = Some(number(&value)?),
            "user" if parts.username.is_none() => parts.username = Some(value.into_owned()),
            "pass" if parts.password.is_none() => parts.password = Some(Secret::new(value)),
            "db" | "user" | "pass" => return Err(wrong(&format!("sets `{name}` twice"))),
            "protocol" => {
                parts.protocol = Some(match &*value {
                    "2" | "resp2" => Protocol::Resp2,
                    "3" | "resp3" => Protocol::Resp3,
                    _ => return Err(wrong("has a `protocol` that is neither resp2 nor resp3")),
                });
            }
            _ => return Err(wrong("has an unknown parameter; known are db, user, pass and protocol")),
        }
    }
    Ok(parts)
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
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.is_configuration());
            let text = format!("{error} {error:?}");
            assert!(text.contains(problem), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
