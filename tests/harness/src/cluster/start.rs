//! Starting a cluster.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::{MOST_NODES, Node, RealCluster};
use crate::resp::Reply;
use crate::wait::until;
use crate::{RealServer, TlsFiles};

/// The number of slots of a cluster.
const SLOTS: usize = 16_384;
/// How long an introduction may take before it is repeated. A node gives up after its node timeout.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// The options of a [`RealCluster`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct RealClusterBuilder {
    masters: usize,
    replicas: usize,
    node_timeout: u64,
    tls: Option<TlsFiles>,
    arguments: Vec<OsString>,
    shared: bool,
}

impl Default for RealClusterBuilder {
    fn default() -> Self {
        Self { masters: 3, replicas: 1, node_timeout: 1000, tls: None, arguments: Vec::new(), shared: false }
    }
}

impl RealClusterBuilder {
    /// Sets the number of masters, 3 by default. Each has the same number of slots. Fewer than
    /// three cannot agree that one of them failed.
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// Sets the number of replicas of each master, 1 by default. The first masters' replicas follow
    /// all masters, then the second ones: of three masters, nodes 3 and 6 replicate node 0.
    pub fn replicas(mut self, per_master: usize) -> Self {
        self.replicas = per_master;
        self
    }

    /// Sets the time after which a silent node counts as failed, in milliseconds, 1000 by default.
    pub fn node_timeout(mut self, milliseconds: u64) -> Self {
        self.node_timeout = milliseconds;
        self
    }

    /// Makes all nodes listen with TLS only, for clients and for each other. All present the same
    /// certificate, which must be valid for servers and for clients. Client certificates are not
    /// required of clients.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Adds an argument to the command line of every node, where `--name` starts a setting.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the cluster and waits until it works: each node serves all slots, all nodes agree,
    /// and all replicas receive writes.
    pub fn start(self) -> RealCluster {
        assert!(self.masters > 0, "a cluster needs a master");
        let timeout = self.node_timeout.to_string();
        // Without the second setting, a replica waits for five seconds before it has the data.
        let settings = ["--cluster-node-timeout", &timeout, "--repl-diskless-sync-delay", "0"];
        let cluster = RealCluster {
            places: (0..MOST_NODES).map(|_| OnceLock::new()).collect(),
            arguments: settings.iter().map(OsString::from).chain(self.arguments).collect(),
            tls: self.tls,
            shared: self.shared,
        };
        let count = self.masters * (1 + self.replicas);
        thread::scope(|scope| {
            let nodes: Vec<_> = (0..count).map(|_| scope.spawn(|| cluster.start_node())).collect();
            for node in nodes {
                cluster.place_node(node.join().expect("the node starts"));
            }
        });
        for node in 0..count {
            // Distinct epochs from the start save the nodes from resolving collisions.
            cluster.order(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(node + 1).to_string()]);
        }
        for master in 0..self.masters {
            let first = SLOTS * master / self.masters;
            let end = SLOTS * (master + 1) / self.masters;
            cluster.assign(master, first, end - 1);
        }
        cluster.introduce();
        for replica in self.masters..count {
            let master = cluster.id(replica % self.masters);
            cluster.order(replica, &["CLUSTER", "REPLICATE", &master]);
        }
        cluster.settled();
        cluster
    }
}

impl RealCluster {
    /// Starts a node that knows no other.
    fn start_node(&self) -> Node {
        let builder = self
            .arguments
            .iter()
            .fold(RealServer::builder().node(), |builder, argument| builder.arg(argument));
        let builder = match &self.tls {
            Some(files) => builder.tls_only(files.clone()),
            None => builder,
        };
        let server = if self.shared { builder.shared() } else { builder }.start();
        let id = server.redis_cli(&["CLUSTER", "MYID"]);
        Node { server, id, removed: AtomicBool::new(false) }
    }

    fn place_node(&self, mut node: Node) -> usize {
        for (index, place) in self.places.iter().enumerate() {
            match place.set(node) {
                Ok(()) => return index,
                Err(back) => node = back,
            }
        }
        panic!("a cluster can have {MOST_NODES} nodes in its life");
    }

    /// Adds a node without slots.
    pub(super) fn add_node(&self) -> usize {
        self.place_node(self.start_node())
    }

    fn assign(&self, node: usize, first: usize, last: usize) {
        let (first_word, last_word) = (first.to_string(), last.to_string());
        let range = self.ask(node, &["CLUSTER", "ADDSLOTSRANGE", &first_word, &last_word]);
        if let Ok(Reply::Error(_)) = range {
            // Version 6.2 lacks the command.
            let words = ["CLUSTER", "ADDSLOTS"].map(str::to_owned).into_iter();
            self.order(node, &words.chain((first..=last).map(|slot| slot.to_string())).collect::<Vec<_>>());
        } else {
            assert_eq!(range, Ok(Reply::Status("OK".to_owned())), "node {node}: CLUSTER ADDSLOTSRANGE");
        }
    }

    /// Makes all live nodes know the addresses of each other.
    ///
    /// Each node meets each other, because gossip from one node takes seconds.
    pub(super) fn introduce(&self) {
        let mut last: Option<Instant> = None;
        until("all nodes know each other", || {
            let live = self.live();
            let mut strangers = Vec::new();
            for view in self.views()? {
                for &other in live.iter().filter(|other| **other != view.node) {
                    let port = self.node(other).port();
                    if !view
                        .line(&self.id(other))
                        .is_some_and(|line| line.port == port && line.is_reachable())
                    {
                        strangers.push((view.node, port));
                    }
                }
            }
            if last.is_none_or(|last| last.elapsed() > INTRODUCTION) {
                last = Some(Instant::now());
                for (node, port) in &strangers {
                    self.order(*node, &["CLUSTER", "MEET", "127.0.0.1", &port.to_string()]);
                }
            }
            if strangers.is_empty() { Ok(()) } else { Err(format!("strangers (node, port): {strangers:?}")) }
        });
    }
}

/// Returns the shared cluster of this test process, which is started on first use. Tests isolate
/// themselves with [`unique_namespace`](crate::unique_namespace). Nothing that disturbs other tests
/// is possible on it: its nodes cannot be killed, and its slots and roles cannot be changed.
pub fn shared_cluster() -> &'static RealCluster {
    static CLUSTER: OnceLock<RealCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| RealClusterBuilder { shared: true, ..RealClusterBuilder::default() }.start())
}
