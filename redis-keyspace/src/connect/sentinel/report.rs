//! What a sentinel reports about a master.

use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Keys, Packet, Reply, read};

/// The report of one sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentinelReport {
    /// The address of the master.
    pub(super) master: Address,
    /// How often the master was replaced, as far as the sentinel knows. `None` if the user may not
    /// ask. The report with the highest number is the newest.
    pub(super) epoch: Option<u64>,
    /// How many sentinels watch the master, this one included. `None` if the user may not ask.
    pub(super) sentinels: Option<usize>,
}

/// Another sentinel, as one of them reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportedSentinel {
    pub(super) id: String,
    pub(super) address: Address,
}

/// Returns the commands whose replies [`read_report`] reads.
///
/// The epoch comes first: the sentinel that leads a failover reports the new epoch with the old
/// address in the reply to `SENTINEL MASTER`, until it has reconfigured all replicas. Only
/// `GET-MASTER-ADDR-BY-NAME` returns the new address from then on.
pub(super) fn report_commands(master: &str) -> [Packet; 2] {
    ["MASTER", "GET-MASTER-ADDR-BY-NAME"].map(|subcommand| sentinel(subcommand, Some(master)))
}

/// Returns the command whose reply is the id of the sentinel.
pub(super) fn id_command() -> Packet {
    sentinel("MYID", None)
}

/// Returns the command whose reply [`read_sentinels`] reads.
pub(super) fn sentinels_command(master: &str) -> Packet {
    sentinel("SENTINELS", Some(master))
}

fn sentinel(subcommand: &'static str, master: Option<&str>) -> Packet {
    let mut packet = Packet::new("SENTINEL", Keys::None);
    packet.args.push(subcommand.as_bytes());
    if let Some(master) = master {
        packet.args.push(master.as_bytes());
    }
    packet
}

/// Reads the replies to [`report_commands`].
pub(super) fn read_report(name: &str, details: Reply, address: Reply) -> Result<SentinelReport> {
    let unknown = || {
        Error::configuration(format!(
            "the sentinel does not know a master named {name:?}; set the name that is in its `sentinel monitor`"
        ))
    };
    let master = match read::checked(address)? {
        Reply::Nil => return Err(unknown()),
        Reply::Array(parts) => {
            let [host, port] = <[Reply; 2]>::try_from(parts).map_err(|_| unexpected())?;
            (text(&host).ok_or_else(unexpected)?.to_owned(), port_of(&port).ok_or_else(unexpected)?)
        }
        _ => return Err(unexpected()),
    };
    let fields = EntryFields::of(&details);
    let number = |name| fields.as_ref().and_then(|fields| fields.get(name)?.parse::<u64>().ok());
    let others = number("num-other-sentinels").and_then(|others| usize::try_from(others).ok());
    Ok(SentinelReport {
        master,
        epoch: number("config-epoch"),
        sentinels: others.map(|others| others.saturating_add(1)),
    })
}

/// Reads the reply to [`sentinels_command`]. An entry without a usable address is left out.
pub(super) fn read_sentinels(reply: Reply) -> Result<Vec<ReportedSentinel>> {
    let Reply::Array(entries) = read::checked(reply)? else { return Err(unexpected()) };
    let sentinels = entries.iter().filter_map(|entry| {
        let fields = EntryFields::of(entry)?;
        let host = fields.get("ip").filter(|host| !host.is_empty())?.to_owned();
        let port = fields.get("port")?.parse().ok().filter(|&port| port > 0)?;
        let id = fields.get("runid").unwrap_or_default().to_owned();
        Some(ReportedSentinel { id, address: (host, port) })
    });
    Ok(sentinels.collect())
}

/// Returns the command whose reply [`read_replicas`] reads.
pub(super) fn replicas_command(master: &str) -> Packet {
    sentinel("REPLICAS", Some(master))
}

/// Reads the reply to [`replicas_command`]. Leaves out replicas that are down or not to be
/// announced.
pub(super) fn read_replicas(reply: Reply) -> Result<Vec<Address>> {
    let Reply::Array(entries) = read::checked(reply)? else { return Err(unexpected()) };
    let replicas = entries.iter().filter_map(|entry| {
        let fields = EntryFields::of(entry)?;
        let is_down = |flag| matches!(flag, "s_down" | "o_down" | "disconnected");
        let is_usable = !fields.get("flags").unwrap_or_default().split(',').any(is_down)
            && fields.get("replica-announced") != Some("0");
        let host = fields.get("ip").filter(|host| !host.is_empty())?.to_owned();
        let port = fields.get("port")?.parse().ok().filter(|&port| port > 0)?;
        is_usable.then_some((host, port))
    });
    Ok(replicas.collect())
}

/// The fields of an entry: a map in RESP3, a list of names and values in RESP2.
struct EntryFields<'r>(&'r [Reply]);

impl<'r> EntryFields<'r> {
    fn of(reply: &'r Reply) -> Option<Self> {
        match reply {
            Reply::Map(fields) | Reply::Array(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&'r str> {
        let mut fields = self.0.chunks_exact(2);
        fields.find_map(|field| match field {
            [key, value] if text(key) == Some(name) => text(value),
            _ => None,
        })
    }
}

pub(super) fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Bulk(bytes) => str::from_utf8(bytes).ok(),
        Reply::Status(text) => Some(text),
        _ => None,
    }
}

fn port_of(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::Int(port) => u16::try_from(*port).ok(),
        reply => text(reply)?.parse().ok(),
    }
    .filter(|&port| port > 0)
}

fn unexpected() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the reply to SENTINEL has an unexpected shape: is the address that of a sentinel?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<Reply> {
        pairs.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect()
    }

    const DETAILS: [(&str, &str); 4] =
        [("ip", "10.0.0.1"), ("port", "6379"), ("config-epoch", "7"), ("num-other-sentinels", "2")];

    #[test]
    fn the_address_of_a_leading_sentinel_is_the_new_one() {
        let address = Reply::Array(vec![bulk("10.0.0.2"), bulk("6380")]);
        let expected =
            SentinelReport { master: ("10.0.0.2".to_owned(), 6380), epoch: Some(7), sentinels: Some(3) };
        for details in [Reply::Map(fields(&DETAILS)), Reply::Array(fields(&DETAILS))] {
            assert_eq!(read_report("m", details, address.clone()).unwrap(), expected);
        }
        // A user without the right to ask for the epoch.
        let report = read_report("m", Reply::Error("NOPERM no".to_owned()), address).unwrap();
        assert_eq!((report.epoch, report.sentinels), (None, None));
    }

    #[test]
    fn an_unknown_master_and_another_kind_of_server_are_explained() {
        let unknown = || Reply::Error("ERR No such master with that name".to_owned());
        let error = read_report("cart", unknown(), Reply::Nil).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("\"cart\""), "{error}");
        let error = read_report("cart", unknown(), Reply::Ok).unwrap_err();
        assert!(error.to_string().contains("that of a sentinel"), "{error}");
        let not_a_sentinel = || Reply::Error("ERR unknown command 'SENTINEL'".to_owned());
        let error = read_report("cart", not_a_sentinel(), not_a_sentinel()).unwrap_err();
        assert!(error.to_string().contains("unknown command"), "{error}");
        for parts in [vec![], vec![bulk("h")], vec![bulk("h"), bulk("0")], vec![bulk("h"), bulk("x")]] {
            read_report("m", unknown(), Reply::Array(parts)).unwrap_err();
        }
    }

    #[test]
    fn replicas_that_are_down_are_left_out() {
        let replica = |port: &str, flags: &str, announced: &str| {
            Reply::Map(fields(&[
                ("ip", "10.0.0.5"),
                ("port", port),
                ("flags", flags),
                ("replica-announced", announced),
            ]))
        };
        let reply = Reply::Array(vec![
            replica("1", "slave", "1"),
            replica("2", "slave,s_down", "1"),
            replica("3", "slave,disconnected", "1"),
            replica("4", "slave", "0"),
        ]);
        assert_eq!(read_replicas(reply).unwrap(), [("10.0.0.5".to_owned(), 1)]);
        read_replicas(Reply::Error("NOPERM".to_owned())).unwrap_err();
    }

    #[test]
    fn other_sentinels_are_read_and_bad_entries_left_out() {
        let entry = |pairs: &[(&str, &str)]| Reply::Map(fields(pairs));
        let reply = Reply::Array(vec![
            entry(&[("name", "x"), ("ip", "10.0.0.5"), ("port", "26379"), ("runid", "abc")]),
            entry(&[("ip", ""), ("port", "26379"), ("runid", "d")]),
            entry(&[("ip", "10.0.0.6"), ("port", "0"), ("runid", "e")]),
            Reply::Nil,
        ]);
        let expected = ReportedSentinel { id: "abc".to_owned(), address: ("10.0.0.5".to_owned(), 26379) };
        assert_eq!(read_sentinels(reply).unwrap(), [expected]);
        read_sentinels(Reply::Error("NOPERM".to_owned())).unwrap_err();
    }
}
