//! The servers in a Redis URL.

use std::borrow::Cow;

use url::{Host, Url};

use super::address::Address;
use super::endpoint::Endpoint;
use super::url_part::{decoded, wrong};
use super::validate::{check_host, has_duplicates};
use crate::error::Result;

/// Returns the URL with only its first host, and the other hosts. The URL parser would read hosts
/// that are separated by commas as one name, or as an invalid port.
pub(super) fn split_hosts(text: &str) -> Result<(Cow<'_, str>, Vec<&str>)> {
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
/// There is at least one.
pub(super) fn addresses(url: &Url, others: &[&str], default_port: u16) -> Result<Vec<Address>> {
    let others = others.iter().map(|host| {
        let url = Url::parse(&format!("redis://{host}"));
        let url = url.map_err(|error| {
            wrong(&format!("lists several hosts, and one of them can't be parsed ({error})"))
        })?;
        tcp(&url, default_port)
    });
    let hosts = [tcp(url, default_port)].into_iter().chain(others).collect::<Result<Vec<_>>>()?;
    if has_duplicates(&hosts) {
        return Err(wrong("lists a host twice; list each one once"));
    }
    Ok(hosts)
}

pub(super) fn unix_socket(url: &Url) -> Result<Endpoint> {
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

fn tcp(url: &Url, default_port: u16) -> Result<Address> {
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
        port => Ok((host, port.unwrap_or(default_port))),
    }
}
