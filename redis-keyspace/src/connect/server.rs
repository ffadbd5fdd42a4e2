//! The server of a pool: the node that the configuration names, the nodes of its cluster, and
//! replicas.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::join_all;

use super::attempt::Origin;
use super::cluster::Cluster;
use super::facts::ServerFacts;
use super::node::Node;
use super::replicas::{ReplicaGroup, Replicas, choose};
use super::sentinel::SentinelWatch;
use super::sentinel::board::SentinelBoard;
use super::subscription::{Hub, SubscriptionNodes};
use crate::config::{Address, Endpoint, SentinelAccess, Settings};

/// The server of a pool, and its cluster if it is a node of one.
pub(super) struct Server {
    /// The server that the configuration names.
    pub(super) home: Arc<Node>,
    pub(super) cluster: OnceLock<Cluster>,
    /// Set if sentinels name the server.
    pub(super) sentinels: Option<Arc<SentinelBoard>>,
    /// The tasks that ask the sentinels, until the pool is closed.
    pub(super) watch: ArcSwapOption<SentinelWatch>,
    pub(super) replicas: Replicas,
    /// The replicas of `home`. A cluster knows its own.
    pub(super) replica_nodes: ArcSwap<Vec<Arc<Node>>>,
    pub(super) subscriptions: Arc<Hub>,
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
    /// What connections to the home server are opened from.
    fn origin(&self) -> &Origin {
        self.home.own.origin()
    }

    /// Starts to use the nodes of the cluster, if the server is known to be one of them.
    pub(super) fn follow_cluster(&self) -> Option<&Cluster> {
        self.follows_cluster().then(|| self.cluster.get_or_init(|| Cluster::start(Arc::clone(&self.home))))
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
        self.replicas.want(self.origin().runtime(), || {
            if let Some(sentinels) = &self.sentinels {
                sentinels.want_replicas();
            }
            let server = Arc::downgrade(self);
            Box::new(move || {
                let server = server.upgrade().filter(|server| !server.origin().closed().is_set());
                server.map(|server| server.replica_groups())
            })
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
                self.origin().trouble().notify_one();
            }
            return groups;
        }
        let addresses = match &self.sentinels {
            Some(sentinels) => sentinels.replicas(),
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
        let _runtime = self.origin().runtime().enter();
        let settings = Settings {
            endpoint: Endpoint::Tcp { host, port },
            replicas: Vec::new(),
            sentinel: SentinelAccess::default(),
            cluster: Some(false),
            ..Settings::clone(&self.home.settings)
        };
        let facts = Arc::new(ServerFacts::new(&settings));
        Arc::new(Node::replica(self.origin().of_other(settings, facts)))
    }

    /// Stops accepting commands, because the pool is closed. The future waits until the commands in
    /// flight are answered, or their deadlines pass.
    pub(super) fn close(&self) -> impl Future<Output = ()> + use<> {
        self.subscriptions.close();
        self.watch.store(None);
        let replicas: Vec<_> = self.replica_nodes.load().iter().map(|node| node.own.close()).collect();
        let (home, cluster) = (self.home.own.close(), self.cluster.get().map(Cluster::close));
        async move {
            home.await;
            join_all(replicas).await;
            if let Some(nodes) = cluster {
                nodes.await;
            }
        }
    }
}
