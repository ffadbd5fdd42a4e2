//! The server of a pool: the node that the configuration names, the nodes of its cluster, and
//! replicas.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::attempt::Origin;
use super::cluster::Cluster;
use super::facts::ServerFacts;
use super::node::Node;
use super::replicas::{ReplicaGroup, Replicas, choose};
use super::sentinel::SentinelWatch;
use super::subscription::{Hub, SubscriptionNodes};
use crate::config::{Address, Endpoint, SentinelAccess, Settings};

/// The server of a pool, and its cluster if it is a node of one.
pub(super) struct Server {
    /// The server that the configuration names.
    pub(super) home: Arc<Node>,
    pub(super) cluster: OnceLock<Cluster>,
    /// Set if sentinels name the server.
    pub(super) sentinels: Option<Arc<SentinelWatch>>,
    /// Wakes the task that looks after the cluster.
    pub(super) trouble: Arc<Notify>,
    pub(super) replicas: Replicas,
    /// The replicas of `home`. A cluster knows its own.
    pub(super) replica_nodes: ArcSwap<Vec<Arc<Node>>>,
    pub(super) subscriptions: Arc<Hub>,
    pub(super) runtime: Handle,
}

impl SubscriptionNodes for Server {
    fn home(&self) -> &Arc<Node> {
        &self.home
    }

    fn cluster(&self) -> Option<&Cluster> {
        self.follow_cluster()
    }
}

impl Server {
    /// Starts to use the nodes of the cluster, if the server is known to be one of them.
    pub(super) fn follow_cluster(&self) -> Option<&Cluster> {
        self.follows_cluster().then(|| {
            self.cluster.get_or_init(|| {
                let (settings, home) = (Arc::clone(&self.home.settings), Arc::clone(&self.home));
                Cluster::start(settings, home, Arc::clone(&self.trouble), self.runtime.clone())
            })
        })
    }

    /// Whether commands go to the nodes of a cluster.
    #[inline]
    fn follows_cluster(&self) -> bool {
        self.may_follow_cluster() && self.home.facts.is_cluster()
    }

    /// Whether commands would go to the nodes of a cluster if the server were one of them.
    #[inline]
    pub(super) fn may_follow_cluster(&self) -> bool {
        self.home.settings.cluster != Some(false) && self.sentinels.is_none()
    }

    /// Whether reads can use replicas.
    pub(super) fn has_replicas(&self) -> bool {
        self.sentinels.is_some() || self.follows_cluster() || !self.home.settings.replicas.is_empty()
    }

    /// Returns the replica for a read of keys of this slot. The first call starts to look for
    /// replicas.
    pub(super) fn replica(self: &Arc<Self>, slot: Option<u16>) -> Option<Arc<Node>> {
        if !self.has_replicas() {
            return None;
        }
        self.replicas.want(&self.runtime, || {
            if let Some(sentinels) = &self.sentinels {
                sentinels.board().want_replicas();
            }
            let server = Arc::downgrade(self);
            Box::new(move || server.upgrade().map(|server| server.replica_groups()))
        });
        match self.cluster.get() {
            Some(cluster) => cluster.replica(slot?),
            None => choose(self.replica_nodes.load().iter()).cloned(),
        }
    }

    fn replica_groups(&self) -> Vec<ReplicaGroup> {
        if let Some(cluster) = self.cluster.get() {
            let groups = cluster.replica_groups();
            if groups.iter().any(|group| group.replicas.is_empty()) {
                // A node does not report a new replica before it knows how much data it has.
                self.trouble.notify_one();
            }
            return groups;
        }
        let addresses = match &self.sentinels {
            Some(sentinels) => sentinels.board().replicas(),
            None => self.home.settings.replicas.clone(),
        };
        let before = self.replica_nodes.load();
        let node_at = |(host, port): Address| {
            let known = before.iter().find(|node| node.is_at(&host, port)).cloned();
            known.unwrap_or_else(|| self.new_replica(host, port))
        };
        let replicas: Vec<_> = addresses.into_iter().map(node_at).collect();
        self.replica_nodes.store(Arc::new(replicas.clone()));
        vec![ReplicaGroup { master: Arc::clone(&self.home), replicas }]
    }

    fn new_replica(&self, host: String, port: u16) -> Arc<Node> {
        // The pools of a node start tasks, which must not end with the runtime of a caller.
        let _runtime = self.runtime.enter();
        let settings = Settings {
            endpoint: Endpoint::Tcp { host, port },
            replicas: Vec::new(),
            sentinel: SentinelAccess::default(),
            cluster: Some(false),
            ..Settings::clone(&self.home.settings)
        };
        let facts = Arc::new(ServerFacts::new(&settings));
        let (runtime, trouble) = (self.runtime.clone(), Arc::clone(&self.trouble));
        Arc::new(Node::replica(Origin::new(Arc::new(settings), facts, runtime, trouble)))
    }
}
