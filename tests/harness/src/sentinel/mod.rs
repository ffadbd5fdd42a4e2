//! Real sentinels, and the master and the replicas that they watch.

mod links;
mod start;
mod state;
mod switches;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};

pub use links::Party;
pub use start::RealSentinelsBuilder;
pub use state::Promotion;
pub use switches::{Switch, Switches};

use crate::RealServer;
use crate::resp::Reply;
use crate::wait::until;

/// A master, its replicas and the sentinels that watch them, each a [`RealServer`] on loopback
/// ports.
///
/// Nodes (the master and the replicas) have indexes, and sentinels have others, both in the order
/// of their start. They keep them for life, also when roles change. A server is *live* while it
/// runs and is not paused.
///
/// Kill, pause, resume and restart the servers directly, by [`node`](Self::node) and
/// [`sentinel`](Self::sentinel). A restarted server keeps its configuration, as it was last
/// rewritten, but no data. All servers end when this is dropped.
#[derive(Debug)]
pub struct RealSentinels {
    nodes: Vec<RealServer>,
    sentinels: Vec<RealServer>,
    tls: bool,
    links: Option<links::Links>,
}

impl RealSentinels {
    /// The name of the master.
    pub const MASTER: &str = "mymaster";

    /// Starts a master, two replicas and three sentinels. Node 0 is the master.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Returns a builder, to set options before the start.
    pub fn builder() -> RealSentinelsBuilder {
        RealSentinelsBuilder::default()
    }

    /// Returns a node, the master or a replica.
    pub fn node(&self, node: usize) -> &RealServer {
        &self.nodes[node]
    }

    /// Returns a sentinel.
    pub fn sentinel(&self, sentinel: usize) -> &RealServer {
        &self.sentinels[sentinel]
    }

    /// Returns the number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the number of sentinels.
    pub fn sentinel_count(&self) -> usize {
        self.sentinels.len()
    }

    /// Returns the indexes of the nodes that run and are not paused.
    pub fn live_nodes(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].is_running()).collect()
    }

    /// Returns the indexes of the sentinels that run and are not paused.
    pub fn live_sentinels(&self) -> Vec<usize> {
        (0..self.sentinels.len()).filter(|sentinel| self.sentinels[*sentinel].is_running()).collect()
    }

    /// Returns the address of a node, as the sentinels know it: its port with TLS, if it has one,
    /// or the port of its [link](RealSentinelsBuilder::links).
    pub fn node_address(&self, node: usize) -> SocketAddr {
        self.address(Party::Node(node), &self.nodes[node])
    }

    /// Returns the address of a sentinel, as the other sentinels know it: its port with TLS, if it
    /// has one, or the port of its [link](RealSentinelsBuilder::links).
    pub fn sentinel_address(&self, sentinel: usize) -> SocketAddr {
        self.address(Party::Sentinel(sentinel), &self.sentinels[sentinel])
    }

    /// Returns the addresses of all sentinels.
    pub fn sentinel_addresses(&self) -> Vec<SocketAddr> {
        (0..self.sentinels.len()).map(|sentinel| self.sentinel_address(sentinel)).collect()
    }

    /// Returns `redis+sentinel://127.0.0.1:port,127.0.0.1:port,../mymaster` with all sentinels.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.sentinel_addresses().iter().map(SocketAddr::to_string).collect();
        format!("redis+sentinel://{}/{}", addresses.join(","), Self::MASTER)
    }

    /// Returns the address of the master that a sentinel names.
    pub fn address_according_to(&self, sentinel: usize) -> SocketAddr {
        let named = self.order(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER]);
        match named {
            Reply::Array(parts) if parts.len() == 2 => {
                parts.iter().map(Reply::to_string).collect::<Vec<_>>().join(":").parse().expect("an address")
            }
            other => panic!("sentinel {sentinel} names no master: {other}"),
        }
    }

    /// Returns the index of the master that a sentinel names. It may be down.
    pub fn master_according_to(&self, sentinel: usize) -> usize {
        let address = self.address_according_to(sentinel);
        self.index(address.port()).unwrap_or_else(|| panic!("no node has the address {address}"))
    }

    /// Has a sentinel replace the master (SENTINEL FAILOVER), without asking the others. Returns
    /// when the failover has begun; [`promoted`](Self::promoted) waits for the new master, and
    /// [`Switches`] tell when the sentinels name it. The old master stays a master for about ten
    /// seconds more.
    pub fn failover(&self, sentinel: usize) {
        until("the sentinel begins a failover", || {
            match self.ask(&self.sentinels[sentinel], &["SENTINEL", "FAILOVER", Self::MASTER])? {
                Reply::Status(_) => Ok(()),
                other => Err(format!("sentinel {sentinel}: {other}")),
            }
        });
    }

    /// The address under which other servers know this one.
    fn address(&self, party: Party, server: &RealServer) -> SocketAddr {
        let address = || if self.tls { server.tls_address() } else { server.address() };
        self.links.as_ref().map_or_else(address, |links| (Ipv4Addr::LOCALHOST, links.port(party)).into())
    }

    fn index(&self, port: u16) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.node_address(*node).port() == port)
    }

    /// Asks a server, without a TCP connection.
    fn ask<A: AsRef<[u8]>>(&self, server: &RealServer, command: &[A]) -> Result<Reply, String> {
        server.control().and_then(|mut client| client.call(command)).map_err(|error| error.to_string())
    }

    fn order(&self, sentinel: usize, command: &[&str]) -> Reply {
        match self.ask(&self.sentinels[sentinel], command) {
            Ok(Reply::Error(error)) | Err(error) => panic!("sentinel {sentinel}: {}: {error}", command[1]),
            Ok(reply) => reply,
        }
    }
}
