//! What a node reports about the cluster: the reply to `CLUSTER NODES`.

use crate::error::{Error, Result};
use crate::key::SLOTS;
use crate::protocol::Reply;

/// What a master reports about itself and about the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NodeReport {
    pub(super) id: String,
    /// Grows when the node takes slots from another one.
    pub(super) epoch: u64,
    pub(super) slots: Vec<(u16, u16)>,
    /// Slots that it is giving away.
    pub(super) migrating: Vec<MigratingSlot>,
    /// Slots that it is taking over.
    pub(super) importing: Vec<u16>,
    /// The slots of other masters, as this one sees them.
    pub(super) others: Vec<ReportedMaster>,
}

/// A slot that is being moved to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MigratingSlot {
    pub(super) slot: u16,
    /// The id of the other node.
    pub(super) to: String,
    /// Its address, if the reporting node knows it.
    pub(super) address: Option<ReportedAddress>,
}

/// The address of a node, as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportedAddress {
    ip: String,
    /// The name that the node announces; empty if it announces none.
    name: String,
    port: u16,
}

impl ReportedAddress {
    /// Reads `127.0.0.1:7000@17000,hostname,shard-id=5d9a`. An IPv6 address has no brackets, and
    /// the name may be empty or missing.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, rest) = text.split_once('@').unwrap_or((text, ""));
        let (ip, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let name = rest.split(',').nth(1).filter(|name| !name.contains('=')).unwrap_or_default();
        (!ip.is_empty()).then(|| Self { ip: ip.to_owned(), name: name.to_owned(), port })
    }

    /// The host and the port. The host is the name if there is one and the cluster uses names.
    pub(super) fn host_and_port(&self, uses_names: bool) -> (&str, u16) {
        let host = if uses_names && !self.name.is_empty() { &self.name } else { &self.ip };
        (host, self.port)
    }
}

/// A master, as another node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportedMaster {
    pub(super) id: String,
    pub(super) epoch: u64,
    pub(super) slots: Vec<(u16, u16)>,
    /// Its address, if the reporting node knows it.
    pub(super) address: Option<ReportedAddress>,
}

impl NodeReport {
    /// Reads the reply to `CLUSTER NODES`.
    pub(super) fn read(reply: &Reply) -> Result<Self> {
        let unexpected = || Error::protocol("CLUSTER NODES did not return a list of nodes");
        let Reply::Bulk(text) = reply else { return Err(unexpected()) };
        let text = str::from_utf8(text).map_err(|_| unexpected())?;
        let text = text.strip_prefix("txt:").unwrap_or(text);
        let mut own = None;
        let mut others = Vec::new();
        for line in text.lines() {
            let is_own =
                line.split(' ').nth(2).is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"));
            if is_own {
                own = Some(line);
            } else if let Some(other) = other(line).ok_or_else(unexpected)? {
                others.push(other);
            }
        }
        let mut fields = own.ok_or_else(unexpected)?.split(' ');
        let id = fields.next().unwrap_or_default().to_owned();
        let epoch = fields.nth(5).and_then(|epoch| epoch.parse().ok()).ok_or_else(unexpected)?;
        let mut report = Self { id, epoch, others, ..Self::default() };
        for slots in fields.skip(1).filter(|slots| !slots.is_empty()) {
            report.add(slots).ok_or_else(unexpected)?;
        }
        for moving in &mut report.migrating {
            let mut lines = text.lines().map(|line| line.split(' '));
            let fields = lines.find_map(|mut fields| (fields.next() == Some(&moving.to)).then_some(fields));
            moving.address = fields.and_then(|mut fields| ReportedAddress::read(fields.next()?));
        }
        Ok(report)
    }

    /// Reads a slot, a range of them, or a slot that is being moved.
    fn add(&mut self, slots: &str) -> Option<()> {
        if let Some(moving) = slots.strip_prefix('[').and_then(|slots| slots.strip_suffix(']')) {
            if let Some((slot, to)) = moving.split_once("->-") {
                let slot = number(slot)?;
                self.migrating.push(MigratingSlot { slot, to: to.to_owned(), address: None });
            } else {
                self.importing.push(number(moving.split_once("-<-")?.0)?);
            }
            return Some(());
        }
        self.slots.push(range(slots)?);
        Some(())
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&slot| slot < SLOTS)
}

/// Reads `0-99` or `200`.
fn range(slots: &str) -> Option<(u16, u16)> {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    Some((number(first)?, number(last)?))
}

/// Reads the line of another node. The inner `None` is a node without slots, such as a replica.
#[expect(clippy::option_option, reason = "the outer one is an error")]
fn other(line: &str) -> Option<Option<ReportedMaster>> {
    let mut fields = line.split(' ');
    let (Some(id), Some(at)) = (fields.next(), fields.next()) else { return Some(None) };
    let epoch = fields.nth(4);
    let slots: Vec<_> = fields.skip(1).filter(|slots| !slots.is_empty() && !slots.starts_with('[')).collect();
    if slots.is_empty() {
        return Some(None);
    }
    let (epoch, slots) = (epoch?.parse().ok()?, slots.into_iter().map(range).collect::<Option<_>>()?);
    Some(Some(ReportedMaster { id: id.to_owned(), epoch, slots, address: ReportedAddress::read(at) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(own: &str) -> NodeReport {
        let text = format!(
            "eee 127.0.0.1:7009@17009,h slave,fail aaa 0 0 9 connected\n{own}\nfff :0@0 master,noaddr - 0 0 0 disconnected\n"
        );
        NodeReport::read(&Reply::Bulk(text.into())).unwrap()
    }

    const A: &str = "aaa 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99 200";

    #[test]
    fn a_node_reports_its_slots_and_those_that_move() {
        let own = format!("{A} [5->-bbb] [7-<-ccc]");
        let expected = NodeReport {
            id: "aaa".to_owned(),
            epoch: 1,
            slots: vec![(0, 99), (200, 200)],
            migrating: vec![MigratingSlot { slot: 5, to: "bbb".to_owned(), address: None }],
            importing: vec![7],
            others: vec![ReportedMaster {
                id: "ggg".to_owned(),
                epoch: 4,
                slots: vec![(300, 301), (400, 400)],
                address: ReportedAddress::read("127.0.0.1:7005"),
            }],
        };
        let other = "ggg 127.0.0.1:7005@17005 master - 0 0 4 connected 300-301 400";
        assert_eq!(report(&format!("{own}\n{other}")), expected);
        for invalid in [
            "",
            "aaa 127.0.0.1:1@1 master - 0 0 1 connected",
            "aaa h myself,master - 0 0 x connected",
            &format!("{A}\nbbb h:1@1 master - 0 0 x connected 5"),
        ] {
            NodeReport::read(&Reply::Bulk(invalid.to_owned().into())).unwrap_err();
        }
    }

    #[test]
    fn addresses_have_ports() {
        let read = |text, uses_names| {
            let address = ReportedAddress::read(text)?;
            let (host, port) = address.host_and_port(uses_names);
            Some(format!("{host} {port}"))
        };
        assert_eq!(read("2001:db8::1:7000@17000", true).as_deref(), Some("2001:db8::1 7000"));
        assert_eq!(read(":0@0", true), None);
        let named = "10.0.0.1:7000@17000,a.example,shard-id=5d9a";
        assert_eq!(read(named, true).as_deref(), Some("a.example 7000"));
        assert_eq!(read(named, false).as_deref(), Some("10.0.0.1 7000"), "the cluster announces addresses");
        for unnamed in ["10.0.0.1:7000@17000,,shard-id=5d9a", "10.0.0.1:7000@17000,shard-id=5d9a"] {
            assert_eq!(read(unnamed, true).as_deref(), Some("10.0.0.1 7000"));
        }
    }
}
