//! Replies of a cluster that name the node to send a command to.

/// Where a cluster redirects a command to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) slot: u16,
    /// Empty if the node is on the host that replied.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the slot has moved there for good (`MOVED`). Otherwise only this command belongs
    /// there (`ASK`).
    pub(crate) has_moved: bool,
}

/// How a node writes the host of another one that has not announced its name.
const UNKNOWN: &str = "?";

impl Redirect {
    /// Parses `MOVED 8579 127.0.0.1:7001` or the same with `ASK`. Returns `None` for other error
    /// replies.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let has_moved = match words.next()? {
            "MOVED" => true,
            "ASK" => false,
            _ => return None,
        };
        let slot = words.next()?.parse().ok().filter(|&slot| slot < 16_384)?;
        // IPv6 addresses have no brackets here.
        let (host, port) = words.next()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host == UNKNOWN { return None } else { host.to_owned() };
        Some(Self { slot, host, port: port.parse().ok()?, has_moved })
    }

    /// Whether a redirection names no host, because the node does not know it yet.
    pub(super) fn is_without_host(text: &str) -> bool {
        let address = text.split(' ').nth(2).and_then(|address| address.rsplit_once(':'));
        address.is_some_and(|(host, _)| host == UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::Redirect;

    #[test]
    fn redirections_are_parsed() {
        let parsed = |text| Redirect::parse(text).map(|to| (to.slot, to.host, to.port, to.has_moved));
        assert_eq!(parsed("MOVED 8579 127.0.0.1:7001"), Some((8579, "127.0.0.1".to_owned(), 7001, true)));
        assert_eq!(parsed("ASK 1 h.example:7001"), Some((1, "h.example".to_owned(), 7001, false)));
        assert_eq!(parsed("MOVED 0 2001:db8::1:7001"), Some((0, "2001:db8::1".to_owned(), 7001, true)));
        assert_eq!(parsed("MOVED 5 :7001"), Some((5, String::new(), 7001, true)), "on the same host");
        for other in
            ["MOVED", "MOVED x h:1", "MOVED 16384 h:1", "MOVED 1 h", "MOVED 1 ?:1", "ERR no", "MOVED 1 h:x"]
        {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
