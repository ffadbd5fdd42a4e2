//! A real cluster without replicas, each node in a separate process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::{Error, Server};

/// How long a cluster may take to serve its slots. A node refuses keys for two seconds after its
/// start.
const PATIENCE: Duration = Duration::from_secs(20);
const SLOTS: usize = 16_384;

/// A cluster that persists nothing and stops when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts this many masters on loopback, pinned to `core` if given.
    pub fn start(masters: usize, core: Option<usize>) -> Result<Self, Error> {
        let start = |_| Server::start_with(core, &["--cluster-enabled", "yes"]);
        let nodes = (0..masters).map(start).collect::<Result<Vec<_>, _>>()?;
        for (nth, node) in nodes.iter().enumerate() {
            let (first, next) = (nth * SLOTS / masters, (nth + 1) * SLOTS / masters);
            ask(node, &format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1))?;
            ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", nth + 1))?;
        }
        for node in &nodes {
            for other in &nodes {
                ask(node, &format!("CLUSTER MEET 127.0.0.1 {}", other.port()))?;
            }
        }
        let started = Instant::now();
        let all = format!("cluster_known_nodes:{masters}");
        for node in &nodes {
            loop {
                let info = ask(node, "CLUSTER INFO")?;
                if info.contains("cluster_state:ok") && info.contains(&all) {
                    break;
                }
                if started.elapsed() > PATIENCE {
                    return Err("the cluster did not come up in time".into());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(Self { nodes })
    }

    /// Returns the URL of each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}

/// Sends one command and returns the reply as it is.
fn ask(node: &Server, command: &str) -> Result<String, Error> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    match reply.strip_prefix('-') {
        Some(error) => Err(format!("{command}: {error}").into()),
        None => Ok(reply),
    }
}
