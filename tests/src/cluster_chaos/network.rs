//! How the handle reaches the nodes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Proxy, RealCluster};

/// Resolves the names of the nodes, which stay the same when a node gets another port, and leads
/// through proxies if the fault needs them.
pub struct Network {
    cluster: Arc<RealCluster>,
    /// By the port of the node.
    proxies: HashMap<u16, Proxy>,
}

impl Network {
    pub fn new(cluster: &Arc<RealCluster>, with_proxies: bool) -> Self {
        let nodes = if with_proxies { cluster.members() } else { Vec::new() };
        let servers = nodes.into_iter().map(|node| cluster.node(node));
        let proxies = servers.map(|server| (server.port(), Proxy::start(server.address()))).collect();
        Self { cluster: Arc::clone(cluster), proxies }
    }

    /// The URL with the names of all nodes.
    pub fn url(&self) -> String {
        let names = self.cluster.members().into_iter().map(|node| format!("node-{node}:6379"));
        format!("redis://{}", names.collect::<Vec<_>>().join(","))
    }

    /// Returns the address behind a configured name or an announced address.
    pub fn translate(&self, host: &str, port: u16) -> (String, u16) {
        let named = host.strip_prefix("node-").and_then(|node| node.parse().ok());
        let (host, port) = match named {
            Some(node) => ("127.0.0.1", self.cluster.node(node).port()),
            None => (host, port),
        };
        (host.to_owned(), self.proxies.get(&port).map_or(port, Proxy::port))
    }

    /// The proxy in front of a node.
    pub fn proxy(&self, node: usize) -> &Proxy {
        &self.proxies[&self.cluster.node(node).port()]
    }
}
