//! Parses the addresses of the nodes of a cluster. Messages never repeat an address: it may be a
//! misplaced password.

use std::net::Ipv6Addr;

use super::address::Address;
use super::validate::{check_host, decimal, has_duplicates};

/// Parses a list of addresses. The problem is the end of a sentence that starts with the name of
/// the list.
pub(super) fn parse_nodes<'a>(
    list: impl IntoIterator<Item = &'a str>,
    default_port: u16,
) -> Result<Vec<Address>, String> {
    let mut nodes = Vec::new();
    for (text, number) in list.into_iter().zip(1_usize..) {
        let node = parse_node(text, default_port)
            .map_err(|problem| format!("is invalid: address {number} of the list {problem}"))?;
        nodes.push(node);
    }
    if nodes.is_empty() {
        return Err("lists no address; set at least one, such as redis-1:6379".to_owned());
    }
    if has_duplicates(&nodes) {
        return Err("lists an address twice; list each node once".to_owned());
    }
    Ok(nodes)
}

fn parse_node(text: &str, default_port: u16) -> Result<Address, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a `[` without a `]`")?;
            host.split('%')
                .next()
                .and_then(|address| address.parse::<Ipv6Addr>().ok())
                .ok_or("has brackets around something that is not an IPv6 address; remove the brackets")?;
            let port = port.strip_prefix(':').map(Some).or(port.is_empty().then_some(None));
            (host, port.ok_or("has text between its `]` and its port; write [::1]:6379")?)
        }
        None if text.parse::<Ipv6Addr>().is_ok() => {
            return Err("is an IPv6 address without brackets; write it as in [::1]:6379");
        }
        // A user name or a URL would otherwise count as a wrong port.
        None if text.contains('@') || text.contains("://") => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    check_host(host)?;
    match port.map_or(Some(default_port), decimal) {
        Some(port) if port > 0 => Ok((normalized(host), port)),
        _ => Err("has a port that is not a number from 1 to 65535"),
    }
}

/// Returns the canonical form of an IPv6 address, as the URL parser does. Other hosts stay as they
/// are.
fn normalized(host: &str) -> String {
    host.parse::<Ipv6Addr>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_an_optional_port() {
        let nodes =
            parse_nodes(["redis-1:7000", "redis-2", "[::1]:7001", "[0:0::2]", "[fe80::1%eth0]:1"], 6379);
        let expected =
            [("redis-1", 7000), ("redis-2", 6379), ("::1", 7001), ("::2", 6379), ("fe80::1%eth0", 1)];
        assert_eq!(nodes, Ok(expected.map(|(host, port)| (host.to_owned(), port)).into()));
    }

    #[test]
    fn an_invalid_address_is_rejected_by_its_number() {
        for (text, problem) in [
            ("", "is empty"),
            (":7000", "is empty"),
            ("hunter2:", "port that is not a number"),
            ("hunter2:0", "port that is not a number"),
            ("hunter2:65536", "port that is not a number"),
            ("hunter2:+1", "port that is not a number"),
            ("h:hunter2", "port that is not a number"),
            ("::1", "without brackets"),
            ("[::1", "without a `]`"),
            ("[hunter2]:1", "not an IPv6 address"),
            ("[::1]hunter2", "between its `]` and its port"),
            ("u:hunter2@h:1", "`@`"),
            ("redis://hunter2", "URL"),
            ("hunter2/1", "`/`"),
            ("h1,hunter2", "several hosts"),
            ("hunter2 ", "not a host name"),
            ("10.0.0:1", "IPv4"),
        ] {
            let message = parse_nodes(["a:1", text], 6379).unwrap_err();
            assert!(message.contains(problem), "{text}: {message}");
            assert!(message.starts_with("is invalid: address 2 of the list"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_list_has_addresses_and_no_duplicates() {
        assert!(parse_nodes([], 6379).unwrap_err().contains("no address"));
        for list in [["hunter2", "HUNTER2:6379"], ["[::1]:1", "[0::1]:1"]] {
            let message = parse_nodes(list, 6379).unwrap_err();
            assert!(message.contains("twice") && !message.to_lowercase().contains("hunter2"), "{message}");
        }
        parse_nodes(["a:1", "a:2"], 6379).unwrap();
    }
}
