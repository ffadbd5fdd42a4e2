//! Who serves each slot, and which slots are being moved, as the masters themselves report it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::base::Cluster;
use super::report::{MigratingSlot, NodeReport, ReportedAddress, ReportedMaster};
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SLOTS;
use crate::protocol::{Keys, Packet, Request, read};
use crate::sync::ClosedFlag;
use crate::time::{Backoff, Deadline};

/// Stands for a node that is not known.
const UNKNOWN: usize = usize::MAX;
/// How often nodes are asked that only the nodes before have named.
const MOST_HOPS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The master of each slot at one moment, with the slots that are being moved. A command that reads
/// all keys compares two of these.
#[derive(Debug)]
pub(crate) struct ClusterLayout<N = Node> {
    masters: Vec<Arc<N>>,
    reports: Vec<NodeReport>,
    /// For each slot, the index of its master.
    owners: Vec<Option<usize>>,
    /// The slots that are being moved, with the indices of the masters that they are moved to.
    moving: HashMap<u16, Vec<usize>>,
}

impl Cluster {
    /// Asks all masters for the slots that they serve. Tries again until the deadline, because a
    /// master may have to be replaced first.
    pub(crate) async fn layout(&self, deadline: Deadline) -> Result<ClusterLayout> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            self.ready(deadline).await?;
            let error = match self
                .reports(deadline)
                .await
                .map(|(nodes, reports)| ClusterLayout::new(nodes, reports))
            {
                Ok(layout) => match (layout.unserved(), layout.disputed()) {
                    (None, None) => return Ok(layout),
                    (None, Some(slot)) => Error::new(
                        ErrorKind::Unavailable,
                        format!(
                            "the nodes of the cluster disagree about who serves the slot {slot}, and the latest master of it \
                             can't be found, so not all keys can be read"
                        ),
                    ),
                    (Some(slot), _) => Error::new(
                        ErrorKind::Unavailable,
                        format!("no node of the cluster serves the slot {slot}, so not all keys can be read"),
                    ),
                },
                Err(error) => error,
            };
            self.shared.origin().trouble().notify_one();
            let pause = pauses.pause();
            if Instant::now() + pause >= deadline.at() {
                return Err(error);
            }
            let changed = self.changed();
            tokio::select! {
                () = sleep(pause) => {}
                () = changed => {}
            }
        }
    }
}

impl Cluster {
    /// Returns how many slots have no master. Asks all masters; if one of them does not answer, it
    /// is as the map says.
    pub(crate) async fn unserved(&self, deadline: Deadline) -> usize {
        match self.reports(deadline).await {
            Ok((nodes, reports)) => {
                ClusterLayout::new(nodes, reports).owners.iter().filter(|owner| owner.is_none()).count()
            }
            Err(_) => self.shared.map.load().unserved(),
        }
    }

    /// Asks all masters, and the other nodes that those name: the ones that slots are being moved
    /// to, and those that have replaced a master that does not know it yet.
    async fn reports(&self, deadline: Deadline) -> Result<(Vec<Arc<Node>>, Vec<NodeReport>)> {
        let mut nodes = self.masters();
        // `CLUSTER NODES` always contains addresses, but they need not be reachable, and TLS
        // certificates need not contain them.
        // The configured name may stand in for hosts that the cluster does not name.
        let own = self.shared.home.address().map(|(host, _)| host);
        let is_name = |node: &Arc<Node>| {
            node.address().is_some_and(|(host, _)| Some(host) != own && host.parse::<IpAddr>().is_err())
        };
        let uses_names = nodes.iter().any(is_name);
        let mut reports = ask_all(&nodes, deadline).await?;
        for _ in 0..MOST_HOPS {
            let mut others: Vec<Arc<Node>> = Vec::new();
            for NamedNode { id, address } in named(&reports) {
                let node = self.shared.node_of_id(&id).or_else(|| {
                    let (host, port) = address.as_ref()?.host_and_port(uses_names);
                    Some(self.shared.joining_node(host, port))
                });
                // A node may have another name, by which it has reported already.
                others.extend(
                    node.filter(|node| !nodes.iter().chain(&others).any(|known| Arc::ptr_eq(known, node))),
                );
            }
            if others.is_empty() {
                break;
            }
            for (node, report) in others.iter().zip(ask_all(&others, deadline).await?) {
                if !reports.iter().any(|known| known.id == report.id) {
                    nodes.push(Arc::clone(node));
                    reports.push(report);
                }
            }
            // The map is outdated, or will be soon.
            self.shared.origin().trouble().notify_one();
        }
        Ok((nodes, reports))
    }
}

/// A node that others name, and that has not reported itself.
#[derive(Debug, PartialEq, Eq)]
struct NamedNode {
    id: String,
    address: Option<ReportedAddress>,
}

/// Returns the nodes to ask in addition: the targets of slots that are being moved, and masters
/// with a later claim to a slot than those that reported.
fn named(reports: &[NodeReport]) -> Vec<NamedNode> {
    let epochs = claims(reports);
    let targets = reports.iter().flat_map(|report| &report.migrating);
    let targets = targets.map(|moving| (&moving.to, &moving.address));
    let masters = reports.iter().flat_map(|report| &report.others);
    let masters = masters.filter(|master| disputed_by(master, &epochs).is_some());
    let mut named: Vec<NamedNode> = Vec::new();
    for (id, address) in targets.chain(masters.map(|master| (&master.id, &master.address))) {
        let is_known = reports.iter().any(|report| report.id == *id);
        match named.iter_mut().find(|known| known.id == *id) {
            _ if is_known => {}
            Some(known) => known.address = known.address.take().or_else(|| address.clone()),
            None => named.push(NamedNode { id: id.clone(), address: address.clone() }),
        }
    }
    named
}

/// Returns the latest epoch with which a master itself claims each slot.
fn claims(reports: &[NodeReport]) -> Vec<Option<u64>> {
    let mut epochs: Vec<Option<u64>> = vec![None; SLOTS.into()];
    for report in reports {
        for &(first, last) in &report.slots {
            for epoch in epochs.get_mut(first.into()..=last.into()).into_iter().flatten() {
                *epoch = (*epoch).max(Some(report.epoch));
            }
        }
    }
    epochs
}

/// Returns a slot to which this master has a later claim than those that claim it themselves.
fn disputed_by(master: &ReportedMaster, epochs: &[Option<u64>]) -> Option<u16> {
    let mut slots = master.slots.iter().flat_map(|&(first, last)| first..=last);
    slots.find(|slot| epochs.get(usize::from(*slot)).is_some_and(|epoch| *epoch < Some(master.epoch)))
}

async fn ask_all(nodes: &[Arc<Node>], deadline: Deadline) -> Result<Vec<NodeReport>> {
    join_all(nodes.iter().map(|node| ask(node, deadline))).await.into_iter().collect()
}

async fn ask(node: &Node, deadline: Deadline) -> Result<NodeReport> {
    let mut packet = Packet::new("CLUSTER", Keys::None);
    packet.args.push(b"NODES");
    // A silent node may be replaced before the deadline.
    let limit = node.settings.connect_timeout.min(deadline.at() - Instant::now());
    let (request, closed) = (Request::One(packet), ClosedFlag::default());
    let (replies, _) = node.run(&request, "", Deadline::after(limit), &closed, None).await?;
    NodeReport::read(&read::one(replies)?)
}

impl<N> ClusterLayout<N> {
    fn new(masters: Vec<Arc<N>>, reports: Vec<NodeReport>) -> Self {
        let mut owners: Vec<Option<usize>> = vec![None; SLOTS.into()];
        for (nth, report) in reports.iter().enumerate() {
            for &(first, last) in &report.slots {
                for owner in owners.get_mut(first.into()..=last.into()).into_iter().flatten() {
                    // A master that was replaced may not know yet.
                    let is_newer = owner
                        .and_then(|other| reports.get(other))
                        .is_none_or(|other| other.epoch < report.epoch);
                    if is_newer {
                        *owner = Some(nth);
                    }
                }
            }
        }
        let mut moving: HashMap<u16, Vec<usize>> = HashMap::new();
        for (nth, report) in reports.iter().enumerate() {
            for MigratingSlot { slot, to, .. } in &report.migrating {
                let target = reports.iter().position(|other| other.id == *to);
                // Without its next master, the slot can't be read completely.
                moving.entry(*slot).or_default().push(target.unwrap_or(UNKNOWN));
            }
            for slot in &report.importing {
                moving.entry(*slot).or_default().push(nth);
            }
        }
        for targets in moving.values_mut() {
            targets.sort_unstable();
            targets.dedup();
        }
        Self { masters, reports, owners, moving }
    }

    /// Returns a slot that no master serves.
    fn unserved(&self) -> Option<usize> {
        self.owners.iter().position(Option::is_none)
    }

    /// Returns a slot of which a master that did not report is said to have a later claim. A master
    /// that was cut off from the others still claims the slots that it has lost.
    fn disputed(&self) -> Option<u16> {
        let epochs = claims(&self.reports);
        // What a node reports about itself is newer than what others know about it.
        let has_reported = |id: &str| self.reports.iter().any(|report| report.id == id);
        let others = self.reports.iter().flat_map(|report| &report.others);
        others.filter(|master| !has_reported(&master.id)).find_map(|master| disputed_by(master, &epochs))
    }

    /// The masters that serve slots, and the nodes that slots are being moved to.
    pub(crate) fn serving(&self) -> impl Iterator<Item = &Arc<N>> {
        let targets = self.moving.values().flatten().copied();
        let serving: HashSet<usize> = self.owners.iter().copied().flatten().chain(targets).collect();
        self.masters.iter().enumerate().filter(move |(nth, _)| serving.contains(nth)).map(|(_, node)| node)
    }

    pub(crate) fn masters(&self) -> &[Arc<N>] {
        &self.masters
    }

    /// Returns the index of the master of a slot.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        self.owners.get(usize::from(slot)).copied().flatten()
    }

    /// Returns the indices of the masters that a slot is being moved to.
    pub(crate) fn targets(&self, slot: u16) -> &[usize] {
        self.moving.get(&slot).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the slot had the same master in both layouts, and was moved in the same way or not
    /// at all. A slot that moved away and back does not count, because its master has a later
    /// epoch.
    pub(crate) fn agrees_with(&self, other: &Self, slot: u16) -> bool {
        let owner = |layout: &Self| {
            let report = layout.reports.get(layout.owner(slot)?)?;
            Some((report.id.clone(), report.epoch))
        };
        let targets = |layout: &Self| -> Vec<String> {
            let targets = layout.targets(slot).iter().filter_map(|&target| layout.reports.get(target));
            let mut ids: Vec<_> = targets.map(|report| report.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let is_known = !self.targets(slot).contains(&UNKNOWN) && !other.targets(slot).contains(&UNKNOWN);
        owner(self).is_some() && is_known && owner(self) == owner(other) && targets(self) == targets(other)
    }
}

#[cfg(test)]
impl ClusterLayout {
    /// Two masters. The first one serves all slots, and one of them is being moved to the second.
    /// No server is used.
    pub(crate) fn moving(slot: u16) -> Self {
        let shared = super::shared::ClusterShared::for_tests();
        let masters = [7000, 7001].map(|port| shared.new_node("127.0.0.1", port)).into();
        let (owners, moving) = (vec![Some(0); SLOTS.into()], HashMap::from([(slot, vec![1])]));
        Self { masters, reports: Vec::new(), owners, moving }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Reply;

    fn report(own: &str) -> NodeReport {
        let text = format!(
            "eee 127.0.0.1:7009@17009,h slave,fail aaa 0 0 9 connected\n{own}\nfff :0@0 master,noaddr - 0 0 0 disconnected\n"
        );
        NodeReport::read(&Reply::Bulk(text.into())).unwrap()
    }

    fn layout(nodes: &[&str]) -> ClusterLayout<String> {
        let reports: Vec<_> = nodes.iter().map(|own| report(own)).collect();
        let masters = reports.iter().map(|report| Arc::new(report.id.clone())).collect();
        ClusterLayout::new(masters, reports)
    }

    const A: &str = "aaa 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99 200";
    const B: &str = "bbb 127.0.0.1:7001@17001,host myself,master - 0 0 2 connected 100-199 201-16383";

    #[test]
    fn the_next_master_of_a_slot_may_serve_none_yet() {
        let moving = report(&format!("{A} [5->-eee]"));
        let address = ReportedAddress::read("127.0.0.1:7009@17009,h");
        assert_eq!(moving.migrating[0].address, address);
        assert_eq!(named(&[moving]), [NamedNode { id: "eee".to_owned(), address }]);
        let unknown = layout(&[&format!("{A} [5->-eee]"), B]);
        assert!(!unknown.agrees_with(&unknown, 5), "it can't be read completely");
        assert!(unknown.agrees_with(&unknown, 6));
    }

    #[test]
    fn a_slot_belongs_to_the_master_with_the_latest_claim() {
        let layout = layout(&[A, B]);
        assert_eq!(
            [0, 99, 100, 200, 201].map(|slot| layout.owner(slot)),
            [Some(0), Some(0), Some(1), Some(0), Some(1)]
        );
        assert_eq!(layout.unserved(), None);
        let late = "ccc 127.0.0.1:7002@17002 myself,master - 0 0 3 connected 0-99";
        assert_eq!(self::layout(&[A, B, late]).owner(5), Some(2));
        assert_eq!(self::layout(&[late, A, B]).owner(5), Some(0));
        assert_eq!(self::layout(&[A]).unserved(), Some(100));
    }

    #[test]
    fn a_slot_that_moves_between_two_layouts_does_not_agree() {
        let before = layout(&[A, B]);
        assert!(before.agrees_with(&layout(&[B, A]), 5));
        let marked = layout(&[&format!("{A} [5->-bbb]"), B]);
        assert!(!before.agrees_with(&marked, 5) && before.agrees_with(&marked, 6));
        assert_eq!(marked.targets(5), [1]);
        assert!(marked.agrees_with(&layout(&[&format!("{A} [5->-bbb]"), &format!("{B} [5-<-aaa]")]), 5));
        let back = A.replace(" 1 connected", " 4 connected");
        assert!(!before.agrees_with(&layout(&[&back, B]), 5), "it moved away and back");
    }
    #[test]
    fn the_later_claim_of_a_node_that_did_not_report_is_not_ignored() {
        // The master A was cut off from the others, and does not know that C has replaced it.
        let c = "ccc 127.0.0.1:7002@17002 master - 0 0 3 connected 0-99 200";
        let b = format!("{B}\n{c}");
        let cut_off = layout(&[A, &b]);
        assert_eq!((cut_off.unserved(), cut_off.disputed()), (None, Some(0)));
        let address = ReportedAddress::read("127.0.0.1:7002");
        assert_eq!(named(&cut_off.reports), [NamedNode { id: "ccc".to_owned(), address }]);
        let found = layout(&[A, &b, &c.replace(" master", " myself,master")]);
        assert_eq!((found.owner(0), found.disputed()), (Some(2), None));
        assert!(found.serving().map(|id| id.as_str()).eq(["bbb", "ccc"]));
        assert!(named(&found.reports).is_empty());
        assert!(!cut_off.agrees_with(&found, 0));

        // An earlier claim is outdated.
        let late = format!("{B}\n{}", c.replace(" 3 ", " 0 "));
        assert_eq!(layout(&[A, &late]).disputed(), None);
        assert!(named(&layout(&[A, &late]).reports).is_empty());
        // A node knows best about itself: it has given the slot away meanwhile.
        let own = "ccc 127.0.0.1:7002@17002 myself,master - 0 0 3 connected 200";
        assert_eq!(layout(&[A, &b, own]).disputed(), None);
        // A slot that no asked node claims leads to the one that is said to serve it.
        let new = layout(&["aaa 127.0.0.1:7000@17000 myself,master - 0 0 1 connected", &b]);
        assert_eq!((new.unserved(), named(&new.reports).len()), (Some(0), 1));
    }
}
