//! The nodes of a cluster, and the requests that run on them.

use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::left::NodeTotals;
use super::map::SlotMap;
use super::refresh::keep_up_to_date;
use super::route::Route;
use super::shared::ClusterShared;
use crate::connect::lane::Submitted;
use crate::connect::node::Node;
use crate::connect::replicas::{ReplicaGroup, choose};
use crate::error::{Budget, Error, ErrorKind};
use crate::protocol::Request;
use crate::sync::lock;
use crate::task::spawn;
use crate::time::Deadline;

/// A cluster that a pool is connected to.
pub(crate) struct Cluster {
    pub(super) shared: Arc<ClusterShared>,
    /// The task that keeps the map up to date.
    task: AbortHandle,
}

/// Which map of a cluster was read. It keeps no node alive.
pub(in crate::connect) struct MapStamp(Weak<SlotMap<Node>>);

impl PartialEq for MapStamp {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    /// Starts to ask for the nodes.
    pub(crate) fn start(home: Arc<Node>) -> Self {
        let shared = Arc::new(ClusterShared::new(home));
        shared.origin().trouble().notify_one();
        let task = spawn(shared.origin().runtime(), keep_up_to_date(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Queues a request on an open lane of the node that serves its keys, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        let map = self.shared.map.load();
        let node = match request.slot(namespace) {
            Ok(Some(slot)) => map.owner(slot),
            Ok(None) => map.masters().find(|node| node.own.is_open()),
            // The request is divided before it is sent.
            Err(_) => None,
        };
        node.map_or(Submitted::NoLane, |node| node.submit(request, namespace, deadline))
    }

    /// Returns the node for a request on keys of this slot. Waits for the first map.
    pub(crate) async fn node(
        &self,
        slot: Option<u16>,
        route: &Route,
        deadline: Deadline,
    ) -> Result<Arc<Node>, Error> {
        if let Route::Asking(node) = route {
            return Ok(Arc::clone(node));
        }
        self.ready(deadline).await?;
        let map = self.shared.map.load();
        match slot {
            Some(slot) => map.owner(slot).cloned().ok_or_else(|| {
                self.refresh();
                Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "no node of the cluster of {} serves the slot {slot} now",
                        self.shared.home.settings.endpoint
                    ),
                )
            }),
            None => {
                let open = map.masters().find(|node| node.own.is_open());
                open.or_else(|| map.masters().next()).cloned().ok_or_else(|| {
                    Error::new(ErrorKind::Unavailable, "no node of the cluster serves any slot")
                })
            }
        }
    }

    /// Waits until the first map is known. Fails when the cluster is closed meanwhile.
    pub(crate) async fn ready(&self, deadline: Deadline) -> Result<(), Error> {
        if !self.shared.map.load().is_empty() {
            return Ok(());
        }
        let (mut changes, mut failures) = (self.shared.changes.subscribe(), self.shared.failures.subscribe());
        let closed = self.shared.origin().closed();
        let mut is_first = true;
        while self.shared.map.load().is_empty() {
            if let Some(failure) = lock(&self.shared.state).failure.clone().filter(|_| !is_first) {
                return Err(failure);
            }
            if closed.is_set() {
                return Err(Error::closed());
            }
            is_first = false;
            self.refresh();
            let news = async {
                tokio::select! {
                    _ = changes.changed() => {}
                    _ = failures.changed() => {}
                    () = closed.closed() => {}
                }
            };
            if timeout_at(deadline.at(), news).await.is_err() {
                let late = deadline.passed(Budget::Connect);
                let failure = lock(&self.shared.state).failure.clone();
                return Err(failure
                    .map_or(late.clone(), |failure| late.explained(&format!("the last error: {failure}"))));
            }
        }
        Ok(())
    }

    /// Returns the masters of these slots now, to compare them later.
    pub(crate) fn owners(&self, slots: impl Iterator<Item = u16>) -> Vec<Option<Arc<Node>>> {
        let map = self.shared.map.load();
        slots.map(|slot| map.owner(slot).cloned()).collect()
    }

    /// Has the nodes asked for their slots.
    pub(in crate::connect) fn refresh(&self) {
        self.shared.origin().trouble().notify_one();
    }

    /// Returns which map is used now, to compare it later.
    pub(in crate::connect) fn map_stamp(&self) -> MapStamp {
        MapStamp(Arc::downgrade(&self.shared.map.load_full()))
    }

    /// Waits until the map changes.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + use<> {
        let mut changes = self.shared.changes.subscribe();
        async move {
            // An error means that the cluster is gone; then the caller's own limit applies.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns the replica for a read of keys of a slot.
    pub(in crate::connect) fn replica(&self, slot: u16) -> Option<Arc<Node>> {
        let map = self.shared.map.load();
        choose(map.replicas(slot).filter_map(|node| node.reader.get())).cloned()
    }

    /// Returns each master with its replicas, whose connections may read.
    pub(in crate::connect) fn replica_groups(&self) -> Vec<ReplicaGroup> {
        let map = self.shared.map.load();
        let reader = |node: &Arc<Node>| Arc::clone(self.shared.reader_of(node));
        map.groups()
            .map(|(master, replicas)| ReplicaGroup {
                master: Arc::clone(master),
                replicas: replicas.into_iter().map(reader).collect(),
            })
            .collect()
    }

    /// The nodes that serve slots.
    pub(crate) fn masters(&self) -> Vec<Arc<Node>> {
        self.shared.map.load().masters().cloned().collect()
    }

    /// All nodes, each with the number of slots that it serves.
    pub(crate) fn nodes(&self) -> Vec<(Arc<Node>, usize)> {
        let map = self.shared.map.load();
        let counts = map.slot_counts().iter().copied();
        let nodes = map.nodes().iter().map(|entry| &entry.node).zip(counts);
        // A replica that is read from has its connections there.
        nodes
            .map(|(node, count)| match node.reader.get().filter(|_| count == 0) {
                Some(reader) => (Arc::clone(reader), count),
                None => (Arc::clone(node), count),
            })
            .collect()
    }

    /// What the nodes that left the cluster have counted.
    pub(crate) fn totals_of_left(&self) -> NodeTotals {
        let state = lock(&self.shared.state);
        let map = self.shared.map.load();
        state.left.totals(|node| map.nodes().iter().any(|entry| Arc::ptr_eq(&entry.node, node)))
    }

    /// Connects all masters.
    pub(crate) async fn connect(&self, deadline: Deadline) -> Result<(), Error> {
        self.ready(deadline).await?;
        let masters = self.masters();
        let outcomes = join_all(masters.iter().map(|node| node.own.connect(deadline, false))).await;
        outcomes.into_iter().collect()
    }

    /// Stops accepting commands, because the pool is closed. The future waits until the commands in
    /// flight are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        self.task.abort();
        let state = lock(&self.shared.state);
        let map = self.shared.map.load();
        let nodes = map.nodes().iter().map(|entry| &entry.node).chain(&state.joining);
        // The configured node may have left.
        let nodes = nodes.chain([&self.shared.home]);
        let closing: Vec<_> = nodes
            .flat_map(|node| [Some(node), node.reader.get()])
            .flatten()
            .map(|node| node.own.close())
            .collect();
        drop(state);
        async move {
            join_all(closing).await;
        }
    }
}
