//! What a node reports about the cluster: the reply to `CLUSTER SLOTS`.

use crate::error::{Error, Result};
use crate::key::SLOTS;
use crate::protocol::{Keys, Packet, Reply};

/// The slots of a cluster and their nodes, as one node sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ClusterView {
    pub(super) ranges: Vec<SlotRange>,
}

/// Slots that are next to each other and on the same nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotRange {
    pub(super) first: u16,
    pub(super) last: u16,
    /// `None` if the cluster does not know the address of the master.
    pub(super) master: Option<ViewedNode>,
    pub(super) replicas: Vec<ViewedNode>,
}

/// A node, as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ViewedNode {
    pub(super) id: String,
    /// Empty if it is the host of the node that was asked.
    pub(super) host: String,
    pub(super) port: u16,
}

impl ClusterView {
    pub(super) fn request() -> Packet {
        let mut packet = Packet::new("CLUSTER", Keys::None);
        packet.args.push(b"SLOTS");
        packet
    }

    /// Reads the reply to [`request`](Self::request). Servers before version 7 send fewer fields.
    pub(super) fn read(reply: Reply) -> Result<Self> {
        let ranges = list(reply)?.into_iter().map(|range| {
            let mut parts = list(range)?.into_iter();
            let (first, last) = (slot(parts.next())?, slot(parts.next())?);
            if first > last {
                return Err(unexpected());
            }
            let master = node(parts.next().ok_or_else(unexpected)?)?;
            let replicas = parts.map(node).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
            Ok(SlotRange { first, last, master, replicas })
        });
        ranges.collect::<Result<_>>().map(|ranges| Self { ranges })
    }

    /// Sets the hosts that are empty: they are the one of the node that was asked.
    pub(super) fn fill_hosts(&mut self, host: &str) {
        let nodes =
            self.ranges.iter_mut().flat_map(|range| range.master.iter_mut().chain(&mut range.replicas));
        for node in nodes.filter(|node| node.host.is_empty()) {
            host.clone_into(&mut node.host);
        }
    }

    /// How many slots have a master.
    pub(super) fn served(&self) -> usize {
        let served = self.ranges.iter().filter(|range| range.master.is_some());
        served.map(|range| usize::from(range.last - range.first) + 1).sum()
    }

    /// All nodes, some of them several times.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &ViewedNode> {
        self.ranges.iter().flat_map(|range| range.master.iter().chain(&range.replicas))
    }
}

fn unexpected() -> Error {
    Error::protocol("CLUSTER SLOTS did not return a list of slots and nodes")
}

fn list(reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(items) => Ok(items),
        _ => Err(unexpected()),
    }
}

fn slot(reply: Option<Reply>) -> Result<u16> {
    match reply {
        Some(Reply::Int(slot)) => {
            u16::try_from(slot).ok().filter(|&slot| slot < SLOTS).ok_or_else(unexpected)
        }
        _ => Err(unexpected()),
    }
}

/// Reads a node. Returns `None` if the cluster does not know its address.
fn node(reply: Reply) -> Result<Option<ViewedNode>> {
    let mut fields = list(reply)?.into_iter();
    let host = match fields.next() {
        Some(Reply::Nil) => String::new(),
        host => text(host)?,
    };
    let port = match fields.next() {
        Some(Reply::Int(port)) => u16::try_from(port).map_err(|_| unexpected())?,
        _ => return Err(unexpected()),
    };
    let id = text(fields.next())?;
    Ok((host != "?").then_some(ViewedNode { id, host, port }))
}

fn text(reply: Option<Reply>) -> Result<String> {
    match reply {
        Some(Reply::Bulk(bytes)) => String::from_utf8(bytes.into()).map_err(|_| unexpected()),
        Some(Reply::Status(text)) => Ok(text),
        _ => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    fn entry(host: Reply, port: i64, id: &str, meta: Option<Reply>) -> Reply {
        Reply::Array([host, Reply::Int(port), bulk(id)].into_iter().chain(meta).collect())
    }

    fn range(first: i64, last: i64, nodes: Vec<Reply>) -> Reply {
        Reply::Array([Reply::Int(first), Reply::Int(last)].into_iter().chain(nodes).collect())
    }

    #[test]
    fn the_nodes_of_slots_are_read_in_all_their_shapes() {
        let meta = Reply::Map(vec![bulk("hostname"), bulk("h")]);
        let view = ClusterView::read(Reply::Array(vec![
            range(
                0,
                100,
                vec![
                    entry(bulk("127.0.0.1"), 7000, "a", None),
                    entry(bulk("h"), 7001, "b", Some(meta)),
                    entry(bulk("?"), 7002, "c", Some(Reply::Array(vec![]))),
                ],
            ),
            range(101, 101, vec![entry(Reply::Nil, 7003, "d", None)]),
            range(102, 16_383, vec![entry(bulk("2001:db8::1"), 7004, "e", None)]),
        ]))
        .unwrap();
        let nodes: Vec<_> =
            view.nodes().map(|node| (node.host.as_str(), node.port, node.id.as_str())).collect();
        let expected =
            [("127.0.0.1", 7000, "a"), ("h", 7001, "b"), ("", 7003, "d"), ("2001:db8::1", 7004, "e")];
        assert_eq!(nodes, expected);
        assert_eq!(ClusterView::read(Reply::Array(vec![])).unwrap(), ClusterView::default());
    }

    #[test]
    fn other_replies_are_errors() {
        for reply in [
            Reply::Nil,
            Reply::Array(vec![Reply::Nil]),
            Reply::Array(vec![range(5, 4, vec![entry(bulk("h"), 1, "a", None)])]),
            Reply::Array(vec![range(0, 16_384, vec![entry(bulk("h"), 1, "a", None)])]),
            Reply::Array(vec![range(0, 1, vec![])]),
            Reply::Array(vec![range(0, 1, vec![entry(bulk("h"), 70_000, "a", None)])]),
        ] {
            ClusterView::read(reply).unwrap_err();
        }
    }
}
