//! What the nodes say about the cluster.

use std::io;
use std::ops::RangeInclusive;

use super::RealCluster;
use crate::ports::BUS_OFFSET;
use crate::resp::{Client, Reply};
use crate::wait::until;

/// A line of CLUSTER NODES or of `nodes.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) port: u16,
    /// `master`, `slave`, `fail?`, .., without `myself`.
    flags: Vec<String>,
    pub(super) myself: bool,
    /// The id of the master of a replica.
    pub(super) master: Option<String>,
    pub(super) epoch: u64,
    connected: bool,
    pub(super) slots: Vec<RangeInclusive<u16>>,
    /// Slots that this node imports or migrates. Only a node itself reports them.
    pub(super) open: Vec<u16>,
}

impl Line {
    /// Returns `None` for a line that describes no node.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let id = words.next().filter(|id| id.len() == 40)?.to_owned();
        let address = words.next()?;
        let (address, bus) = address.split_once('@')?;
        let mut port = address.rsplit_once(':')?.1.parse().ok()?;
        if port == 0 {
            // Asked without TLS, newer servers do not report the port of a node with TLS only.
            port = bus.split(',').next()?.parse::<u16>().ok()?.checked_sub(BUS_OFFSET)?;
        }
        let mut flags: Vec<String> = words.next()?.split(',').map(str::to_owned).collect();
        let myself = flags.iter().any(|flag| flag == "myself");
        flags.retain(|flag| flag != "myself");
        let master = Some(words.next()?).filter(|master| *master != "-").map(str::to_owned);
        let epoch = words.nth(2)?.parse().ok()?;
        let connected = words.next()? == "connected";
        let (mut slots, mut open) = (Vec::new(), Vec::new());
        for word in words {
            if let Some(mark) = word.strip_prefix('[') {
                open.push(mark.split_once('-')?.0.parse().ok()?);
            } else {
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                slots.push(first.parse().ok()?..=last.parse().ok()?);
            }
        }
        Some(Self { id, port, flags, myself, master, epoch, connected, slots, open })
    }

    pub(super) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    pub(super) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    pub(super) fn slot_count(&self) -> usize {
        self.slots.iter().map(ExactSizeIterator::len).sum()
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.connected && !["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| self.is(flag))
    }

    /// The facts that all nodes must agree on.
    fn facts(&self) -> (&str, u16, bool, &Option<String>, u64, &[RangeInclusive<u16>]) {
        (&self.id, self.port, self.is("master"), &self.master, self.epoch, &self.slots)
    }
}

/// The cluster as one node sees it.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The index of the node.
    pub(super) node: usize,
    epoch: u64,
    is_ok: bool,
    pub(super) lines: Vec<Line>,
}

impl View {
    pub(super) fn line(&self, id: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub(super) fn myself(&self) -> &Line {
        self.lines.iter().find(|line| line.myself).expect("a node lists itself")
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Line> {
        self.lines.iter().find(|line| line.owns(slot))
    }

    /// Returns the lines of the nodes that replicate a master.
    pub(super) fn replicas_of<'a>(&'a self, master: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.master.as_deref() == Some(master))
    }

    /// Orders views of different nodes. A promoted replica knows of its promotion first, and only
    /// its config epoch shows that.
    fn freshness(&self) -> (u64, u64) {
        (self.epoch, self.lines.iter().map(|line| line.epoch).max().unwrap_or_default())
    }
}

/// Returns the line of the node that wrote this `nodes.conf`.
pub(super) fn own_line(file: &str) -> Line {
    file.lines().filter_map(Line::parse).find(|line| line.myself).expect("nodes.conf has a line `myself`")
}

impl RealCluster {
    /// Asks one node.
    pub(super) fn view_of(&self, node: usize) -> Result<View, String> {
        let ask = || -> io::Result<(String, String)> {
            let mut client = self.node(node).control()?;
            client.send_all(&[&["CLUSTER", "INFO"], &["CLUSTER", "NODES"]])?;
            Ok((text(&mut client)?, text(&mut client)?))
        };
        let (info, nodes) = ask().map_err(|error| format!("node {node}: {error}"))?;
        let lines = nodes
            .lines()
            .map(|line| {
                Line::parse(line).ok_or_else(|| format!("node {node} answered CLUSTER NODES with {line}"))
            })
            .collect::<Result<_, _>>()?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(View {
            node,
            epoch: field("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default(),
            is_ok: field("cluster_state") == Some("ok") && field("cluster_slots_ok") == Some("16384"),
            lines,
        })
    }

    /// Asks all live nodes.
    pub(super) fn views(&self) -> Result<Vec<View>, String> {
        self.live().into_iter().map(|node| self.view_of(node)).collect()
    }

    /// Returns the view of the live node that knows most.
    pub(super) fn view(&self) -> View {
        until("the live nodes describe the cluster", || {
            self.views()?.into_iter().max_by_key(View::freshness).ok_or_else(|| "no node is alive".to_owned())
        })
    }

    /// Waits until all live nodes agree, and returns their common view.
    pub(super) fn agreed(&self) -> View {
        until("the live nodes agree", || self.agreement())
    }

    /// Returns the common view, or why the live nodes do not agree on a cluster that works.
    pub(super) fn agreement(&self) -> Result<View, String> {
        let views = self.views()?;
        let members = self.members();
        for view in &views {
            let error = |why: &str| Err(format!("node {} {why}; it reports {:#?}", view.node, view.lines));
            if !view.is_ok {
                return error("does not serve all slots");
            }
            if view.lines.len() != members.len() {
                return error("does not know exactly the members");
            }
            for &member in &members {
                let Some(line) = view.line(&self.id(member)) else {
                    return error(&format!("does not know node {member}"));
                };
                let server = self.node(member);
                if !server.is_running() {
                    if !line.slots.is_empty() {
                        return error(&format!("routes slots to node {member}, which is down"));
                    }
                } else if !line.is_reachable() || line.port != server.port() {
                    return error(&format!("does not reach node {member}"));
                }
            }
        }
        let facts = |view: &View| {
            let ids: Vec<String> = self.live().into_iter().map(|node| self.id(node)).collect();
            let facts = ids.iter().filter_map(|id| view.line(id)).map(|line| format!("{:?}", line.facts()));
            facts.collect::<Vec<_>>().join("\n")
        };
        if let [first, others @ ..] = &views[..]
            && let Some(other) = others.iter().find(|other| facts(other) != facts(first))
        {
            return Err(format!(
                "nodes {} and {} disagree:\n{}\n{}",
                first.node,
                other.node,
                facts(first),
                facts(other)
            ));
        }
        views.into_iter().max_by_key(View::freshness).ok_or_else(|| "no node is alive".to_owned())
    }
}

fn text(client: &mut Client) -> io::Result<String> {
    match client.receive()? {
        Reply::Error(error) => Err(io::Error::other(error)),
        reply => Ok(reply.to_string()),
    }
}
