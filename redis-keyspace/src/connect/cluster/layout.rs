//! Who serves each slot, and which slots are being moved, as the masters themselves report it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::base::Cluster;
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SLOTS;
use crate::protocol::{Keys, Packet, Reply, Request, read};
use crate::sync::ClosedFlag;
use crate::time::{Backoff, Deadline};

/// Stands for a node that is not known.
const UNKNOWN: usize = usize::MAX;
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

/// What a master reports about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct NodeReport {
    id: String,
    /// Grows when the node takes slots from another one.
    epoch: u64,
    slots: Vec<(u16, u16)>,
    /// Slots that it is giving away.
    migrating: Vec<MigratingSlot>,
    /// Slots that it is taking over.
    importing: Vec<u16>,
}

/// A slot that is being moved to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MigratingSlot {
    slot: u16,
    /// The id of the other node.
    to: String,
    /// Its address, if the reporting node knows it.
    address: Option<(String, u16)>,
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
                Ok(layout) => match layout.unserved() {
                    None => return Ok(layout),
                    Some(slot) => Error::new(
                        ErrorKind::Unavailable,
                        format!("no node of the cluster serves the slot {slot}, so not all keys can be read"),
                    ),
                },
                Err(error) => error,
            };
            self.shared.trouble.notify_one();
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
    /// Asks all masters, and the nodes that slots are being moved to. Those may serve no slot yet.
    async fn reports(&self, deadline: Deadline) -> Result<(Vec<Arc<Node>>, Vec<NodeReport>)> {
        let mut nodes = self.masters();
        let mut reports = ask_all(&nodes, deadline).await?;
        let is_known = |reports: &[NodeReport], id: &str| reports.iter().any(|report| report.id == id);
        let joining: Vec<_> = (reports.iter().flat_map(|report| &report.migrating))
            .filter(|moving| !is_known(&reports, &moving.to))
            .filter_map(|moving| moving.address.clone())
            .collect();
        let mut others: Vec<Arc<Node>> = Vec::new();
        for (host, port) in joining {
            let node = self.shared.joining_node(&host, port);
            if !nodes.iter().chain(&others).any(|known| Arc::ptr_eq(known, &node)) {
                others.push(node);
            }
        }
        for (node, report) in others.iter().zip(ask_all(&others, deadline).await?) {
            // Another name for a node that has reported already.
            if !is_known(&reports, &report.id) {
                nodes.push(Arc::clone(node));
                reports.push(report);
            }
        }
        Ok((nodes, reports))
    }
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

impl NodeReport {
    /// Reads what a node says of itself in the reply to `CLUSTER NODES`.
    fn read(reply: &Reply) -> Result<Self> {
        let unexpected = || Error::protocol("CLUSTER NODES did not return a list of nodes");
        let Reply::Bulk(text) = reply else { return Err(unexpected()) };
        let text = str::from_utf8(text).map_err(|_| unexpected())?;
        let text = text.strip_prefix("txt:").unwrap_or(text);
        let is_own = |line: &&str| {
            line.split(' ').nth(2).is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
        };
        let own = text.lines().find(is_own).ok_or_else(unexpected)?;
        let mut fields = own.split(' ');
        let id = fields.next().unwrap_or_default().to_owned();
        let epoch = fields.nth(5).and_then(|epoch| epoch.parse().ok()).ok_or_else(unexpected)?;
        let mut report = Self { id, epoch, ..Self::default() };
        for slots in fields.skip(1) {
            report.add(slots).ok_or_else(unexpected)?;
        }
        for moving in &mut report.migrating {
            let mut lines = text.lines().map(|line| line.split(' '));
            let fields = lines.find_map(|mut fields| (fields.next() == Some(&moving.to)).then_some(fields));
            moving.address = fields.and_then(|mut fields| address(fields.next()?));
        }
        Ok(report)
    }

    /// Reads a slot, a range of them, or a slot that is being moved.
    fn add(&mut self, slots: &str) -> Option<()> {
        let number = |text: &str| text.parse().ok().filter(|&slot: &u16| slot < SLOTS);
        if let Some(moving) = slots.strip_prefix('[').and_then(|slots| slots.strip_suffix(']')) {
            if let Some((slot, to)) = moving.split_once("->-") {
                let slot = number(slot)?;
                self.migrating.push(MigratingSlot { slot, to: to.to_owned(), address: None });
            } else {
                self.importing.push(number(moving.split_once("-<-")?.0)?);
            }
            return Some(());
        }
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        self.slots.push((number(first)?, number(last)?));
        Some(())
    }
}

/// Reads `127.0.0.1:7000@17000,hostname`, where the host may be an IPv6 address without brackets.
fn address(text: &str) -> Option<(String, u16)> {
    let text = text.split('@').next()?;
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?)).filter(|(host, port)| !host.is_empty() && *port != 0)
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
mod tests {
    use super::*;

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
    fn a_node_reports_its_slots_and_those_that_move() {
        let own = format!("{A} [5->-bbb] [7-<-ccc]");
        let expected = NodeReport {
            id: "aaa".to_owned(),
            epoch: 1,
            slots: vec![(0, 99), (200, 200)],
            migrating: vec![MigratingSlot { slot: 5, to: "bbb".to_owned(), address: None }],
            importing: vec![7],
        };
        assert_eq!(report(&own), expected);
        for invalid in
            ["", "aaa 127.0.0.1:1@1 master - 0 0 1 connected", "aaa h myself,master - 0 0 x connected"]
        {
            NodeReport::read(&Reply::Bulk(invalid.to_owned().into())).unwrap_err();
        }
    }

    #[test]
    fn the_next_master_of_a_slot_may_serve_none_yet() {
        let moving = report(&format!("{A} [5->-eee]"));
        let to = ("127.0.0.1".to_owned(), 7009);
        assert_eq!(moving.migrating[0].address, Some(to));
        let unknown = layout(&[&format!("{A} [5->-eee]"), B]);
        assert!(!unknown.agrees_with(&unknown, 5), "it can't be read completely");
        assert!(unknown.agrees_with(&unknown, 6));
        assert_eq!(address("2001:db8::1:7000@17000"), Some(("2001:db8::1".to_owned(), 7000)));
        assert_eq!(address(":0@0"), None);
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
}
