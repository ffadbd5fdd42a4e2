//! What sentinels and nodes report, and waiting until they agree.

use std::time::{Duration, Instant};

use super::RealSentinels;
use crate::resp::{Client, Reply};
use crate::wait::{PATIENCE, until};

/// The interval between two questions whether a replica was promoted.
const POLL: Duration = Duration::from_millis(2);
/// How long WAIT waits, in milliseconds, before the state is checked again.
const WAIT_LIMIT: &str = "1000";

/// A replica became a master.
#[derive(Clone, Copy, Debug)]
pub struct Promotion {
    /// Its index.
    pub node: usize,
    /// When it first reported the new role.
    pub at: Instant,
}

impl RealSentinels {
    /// Returns the index of the master, when all live sentinels agree on it.
    pub fn master(&self) -> usize {
        until("the sentinels agree on the master", || self.agreement())
    }

    /// Waits until another node than this one says that it is a master (ROLE). The sentinels name
    /// it about a second later.
    pub fn promoted(&self, old_master: usize) -> Promotion {
        let mut others: Vec<(usize, Option<Client>)> =
            (0..self.nodes.len()).filter(|node| *node != old_master).map(|node| (node, None)).collect();
        let start = Instant::now();
        loop {
            for (node, client) in &mut others {
                if !self.nodes[*node].is_running() {
                    *client = None;
                    continue;
                }
                // A promoted server closes its connections.
                let mut asked = client.take().or_else(|| self.nodes[*node].control().ok());
                let role = asked.as_mut().and_then(|client| client.call(&["ROLE"]).ok());
                match role {
                    Some(Reply::Array(role)) if role[0].to_string() == "master" => {
                        return Promotion { node: *node, at: Instant::now() };
                    }
                    Some(_) => *client = asked,
                    None => {}
                }
            }
            assert!(start.elapsed() < PATIENCE, "no replica of node {old_master} was promoted");
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the master streams its writes to all live replicas, so that a failover loses
    /// nothing that was written before.
    ///
    /// Replicas that report a link to their master may still not receive writes, so this writes to
    /// the master and waits for the acknowledgements.
    pub fn replicated(&self) {
        until("the replicas receive writes", || self.streams(self.agreement()?));
    }

    /// Waits until all live sentinels know all nodes and sentinels and agree on a live master, all
    /// other live nodes are its replicas, and they receive writes. An old master that runs becomes
    /// a replica about ten seconds after it was replaced.
    pub fn settled(&self) {
        until("the sentinels settle", || {
            let master = self.agreement()?;
            self.is_whole(master)?;
            self.streams(master)
        });
    }

    /// Returns the master that all live sentinels name.
    fn agreement(&self) -> Result<usize, String> {
        let mut agreed = None;
        for sentinel in self.live_sentinels() {
            let fields = self.master_fields(sentinel)?;
            let port = fields.get("port").parse().map_err(|_| "a master without a port")?;
            let master = self.index(port).ok_or_else(|| format!("sentinel {sentinel} names port {port}"))?;
            if *agreed.get_or_insert(master) != master {
                return Err(format!("sentinel {sentinel} names node {master}, others {agreed:?}"));
            }
        }
        agreed.ok_or_else(|| "no sentinel is live".to_owned())
    }

    fn is_whole(&self, master: usize) -> Result<(), String> {
        for sentinel in self.live_sentinels() {
            let fields = self.master_fields(sentinel)?;
            let expected = [
                ("flags", "master".to_owned()),
                ("num-slaves", (self.nodes.len() - 1).to_string()),
                ("num-other-sentinels", (self.sentinels.len() - 1).to_string()),
            ];
            for (name, expected) in expected {
                let found = fields.get(name);
                if found != expected {
                    return Err(format!("sentinel {sentinel}: {name} is {found:?}, not {expected:?}"));
                }
            }
            self.knows_live_servers(sentinel, master)?;
        }
        let port = self.node_address(master).port().to_string();
        for node in self.live_nodes() {
            let Reply::Array(role) = self.ask(&self.nodes[node], &["ROLE"])? else {
                return Err(format!("node {node} has no role"));
            };
            let role: Vec<String> = role.iter().map(Reply::to_string).collect();
            let is_expected = match role.as_slice() {
                [role, ..] if node == master => role == "master",
                [role, _, of, link, ..] => role == "slave" && *of == port && link == "connected",
                _ => false,
            };
            if !is_expected {
                return Err(format!("node {node} has the role {role:?}, and node {master} is the master"));
            }
        }
        Ok(())
    }

    /// Checks that a sentinel reaches all live replicas and sentinels.
    fn knows_live_servers(&self, sentinel: usize, master: usize) -> Result<(), String> {
        let others = self.live_sentinels().into_iter().filter(|other| *other != sentinel);
        let sentinels = others.map(|other| self.sentinel_address(other).port());
        let replicas = self.live_nodes().into_iter().filter(|node| *node != master);
        let replicas = replicas.map(|node| self.node_address(node).port());
        let lists: [(&str, &str, Vec<u16>); 2] =
            [("SENTINELS", "sentinel", sentinels.collect()), ("REPLICAS", "slave", replicas.collect())];
        for (list, role, ports) in lists {
            let Reply::Array(entries) =
                self.ask(&self.sentinels[sentinel], &["SENTINEL", list, Self::MASTER])?
            else {
                return Err(format!("sentinel {sentinel} has no {list}"));
            };
            let entries: Vec<Fields> = entries.into_iter().map(Fields::new).collect();
            for port in ports {
                let has = |entry: &Fields| {
                    entry.get("port") == port.to_string() && is_live(entry.get("flags"), role)
                };
                if !entries.iter().any(has) {
                    return Err(format!("sentinel {sentinel} does not reach port {port} of its {list}"));
                }
            }
        }
        Ok(())
    }

    fn master_fields(&self, sentinel: usize) -> Result<Fields, String> {
        match self.ask(&self.sentinels[sentinel], &["SENTINEL", "MASTER", Self::MASTER])? {
            reply @ Reply::Array(_) => Ok(Fields::new(reply)),
            other => Err(format!("sentinel {sentinel}: {other}")),
        }
    }

    /// Writes to a master and checks that all live replicas received it.
    fn streams(&self, master: usize) -> Result<(), String> {
        let replicas = self.live_nodes().into_iter().filter(|node| *node != master).count();
        let mut client = self.nodes[master].control().map_err(|error| error.to_string())?;
        let mut call = |command: &[&str]| client.call(command).map_err(|error| error.to_string());
        // The key is deleted at once: tests may count the keys.
        for command in [&["SET", "harness", ""][..], &["DEL", "harness"]] {
            if let Reply::Error(error) = call(command)? {
                return Err(format!("node {master}: {}: {error}", command[0]));
            }
        }
        match call(&["WAIT", &replicas.to_string(), WAIT_LIMIT])? {
            Reply::Integer(count) if usize::try_from(count).is_ok_and(|count| count >= replicas) => Ok(()),
            other => Err(format!("{other} of {replicas} replicas of node {master} received a write")),
        }
    }
}

/// Whether the flags of an entry of a sentinel say that it has this role and answers.
///
/// Other flags may remain: sentinels of Valkey 9.1 keep `master_down`, what another sentinel said
/// about the last master, when the next one is healthy.
fn is_live(flags: &str, role: &str) -> bool {
    let mut flags = flags.split(',');
    flags.next() == Some(role) && !flags.any(|flag| matches!(flag, "s_down" | "o_down" | "disconnected"))
}

/// A list of names and values.
struct Fields(Vec<String>);

impl Fields {
    fn new(reply: Reply) -> Self {
        let Reply::Array(words) = reply else { return Self(Vec::new()) };
        Self(words.iter().map(Reply::to_string).collect())
    }

    /// Returns the value of a name, empty if it is missing.
    fn get(&self, name: &str) -> &str {
        let pair = self.0.chunks_exact(2).find(|pair| pair[0] == name);
        pair.map(|pair| pair[1].as_str()).unwrap_or_default()
    }
}
