//! The connections of one configuration on one runtime: opened by this crate, or those of a pool of
//! the application.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use bb8_redis::bb8;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::attempt::Origin;
use super::cluster::Cluster;
use super::facts::{ServerFacts, ServerRun};
use super::lane::Submitted;
use super::node::Node;
use super::raw::RawConnection;
use super::replicas::Replicas;
use super::sentinel::{SentinelStatus, SentinelWatch};
use super::server::Server;
use super::subscription::{Hub, Listener, SubscriptionNodes, SubscriptionStatus, Topic, subscribe};
use crate::config::{Endpoint, ExternalPool, Fingerprint, Settings};
use crate::error::{Error, ErrorKind};
use crate::local::{DatabaseReads, Local};
use crate::protocol::{Replies, Request};
use crate::sync::ClosedFlag;
use crate::task::spawn_here;
use crate::time::Deadline;

pub(crate) struct Pool {
    pub(crate) settings: Arc<Settings>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) facts: Arc<ServerFacts>,
    /// How many references to the pool are counted.
    pub(crate) refs: AtomicUsize,
    /// How many of the references belong to keyspaces.
    pub(crate) keyspaces: AtomicUsize,
    /// The state that higher layers keep for this pool. Connections do not use it.
    pub(crate) local: Local,
    origin: Origin,
    connections: Connections,
    /// Set when the runtime that drives the connections has ended.
    orphaned: Arc<AtomicBool>,
    _alive: oneshot::Sender<()>,
}

enum Connections {
    Own(Arc<Server>),
    External(ExternalPool),
}

impl Pool {
    /// Creates a pool without connecting it. Must be called within a runtime.
    pub(crate) fn new(settings: Arc<Settings>, reads: Arc<DatabaseReads>) -> Self {
        let fingerprint = Fingerprint::of(&settings);
        let facts = Arc::new(ServerFacts::new(&settings));
        if settings.cluster == Some(true) {
            facts.learn_cluster();
        }
        #[cfg(feature = "embedded")]
        if let Endpoint::Embedded(_) = &settings.endpoint {
            event!(info, "using the embedded server: it is for quick starts and tests, and persists nothing");
        }
        let origin = Origin::new(Arc::clone(&settings), Arc::clone(&facts), Handle::current());
        let connections = match &settings.endpoint {
            Endpoint::Pool(external) => Connections::External(external.clone()),
            endpoint => {
                let watch = match endpoint {
                    Endpoint::Sentinel(master) => {
                        Some(SentinelWatch::obtain(&settings, master, origin.runtime()))
                    }
                    _ => None,
                };
                let home = Arc::new(Node::new(origin.clone()));
                let sentinels = watch.as_ref().map(|watch| Arc::clone(watch.board()));
                if let Some(board) = &sentinels {
                    home.follow_master(board);
                }
                Connections::Own(Arc::new(Server {
                    home,
                    cluster: OnceLock::new(),
                    sentinels,
                    watch: ArcSwapOption::new(watch),
                    replicas: Replicas::default(),
                    replica_nodes: ArcSwap::default(),
                    subscriptions: Arc::new(Hub::new(origin.runtime().clone())),
                }))
            }
        };
        let orphaned = Arc::new(AtomicBool::new(false));
        let (alive, pool_is_gone) = oneshot::channel();
        spawn_here(watch_runtime(Arc::clone(&orphaned), pool_is_gone));
        Self {
            settings,
            fingerprint,
            facts,
            refs: AtomicUsize::new(0),
            keyspaces: AtomicUsize::new(0),
            local: Local::new(reads),
            origin,
            connections,
            orphaned,
            _alive: alive,
        }
    }

    /// Whether the runtime that drives the connections has ended.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::Acquire)
    }

    /// Returns the cluster, once the pool sends commands to its nodes.
    #[inline]
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        match &self.connections {
            Connections::Own(server) => server.cluster.get(),
            Connections::External(_) => None,
        }
    }

    /// Starts to use the nodes of the cluster, if the server is known to be one of them.
    pub(crate) fn follow_cluster(&self) -> Option<&Cluster> {
        match &self.connections {
            Connections::Own(server) => server.follow_cluster(),
            Connections::External(_) => None,
        }
    }

    /// Subscribes to a topic. At most so many messages wait for their reader. The subscription is
    /// confirmed later.
    pub(crate) fn subscribe(&self, topic: Topic, most: usize) -> Result<Listener, Error> {
        match &self.connections {
            Connections::Own(server) => {
                let nodes: Arc<dyn SubscriptionNodes> = Arc::clone(server) as _;
                subscribe(&server.subscriptions, nodes, topic, most)
            }
            Connections::External(_) => Err(Error::configuration(
                "a subscription needs a connection of its own, which a pool of the application can't lend: configure a \
                 handle with an address, for example with `Redis::open(url)`, and subscribe on it",
            )),
        }
    }

    /// Returns how many subscriptions and connections for them there are.
    pub(crate) fn subscriptions(&self) -> SubscriptionStatus {
        match &self.connections {
            Connections::Own(server) => server.subscriptions.status(),
            Connections::External(_) => SubscriptionStatus::default(),
        }
    }

    /// Queues a request on an open lane, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        match &self.connections {
            Connections::Own(server) => match server.cluster.get() {
                Some(cluster) => cluster.submit(request, namespace, deadline),
                None => server.home.own.submit(request, namespace, deadline, server.may_follow_cluster()),
            },
            Connections::External(_) => Submitted::NoLane,
        }
    }

    /// Whether reads can use replicas. On a cluster that was not found yet, the answer is no.
    pub(crate) fn has_replicas(&self) -> bool {
        match &self.connections {
            Connections::Own(server) => server.has_replicas(),
            Connections::External(_) => false,
        }
    }

    /// Returns the replica for a read of keys of this slot, if one is known to be in sync.
    #[inline]
    pub(crate) fn replica(&self, slot: Option<u16>) -> Option<Arc<Node>> {
        match &self.connections {
            Connections::Own(server) => server.replica(slot),
            Connections::External(_) => None,
        }
    }

    /// Waits until a replica for keys of this slot is found, or was looked for in vain.
    pub(crate) async fn replicas_ready(&self, slot: Option<u16>, deadline: Deadline) {
        if let Connections::Own(server) = &self.connections {
            server.replicas.ready(deadline, || server.replica(slot).is_some()).await;
        }
    }

    /// Runs a request once, and connects first if necessary. Returns which run of the server
    /// answered, if that is known. Uses a connection to the preferred run if possible. Sends
    /// nothing once `closed` is set.
    ///
    /// If the server is a node of a cluster, sends nothing and returns `None`: the caller chooses
    /// the nodes.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &ClosedFlag,
        preferred: Option<ServerRun>,
    ) -> Result<Option<(Replies, Option<ServerRun>)>, Error> {
        match &self.connections {
            Connections::Own(server) => {
                if self.follow_cluster().is_some() {
                    return Ok(None);
                }
                let stops = server.may_follow_cluster();
                let own = &server.home.own;
                let outcome = own.run(request, namespace, deadline, closed, preferred, stops).await?;
                if outcome.is_none() {
                    self.follow_cluster();
                }
                Ok(outcome.map(|(replies, server)| (replies, Some(server))))
            }
            Connections::External(external) => {
                request.check_size(self.settings.sizes())?;
                let run = external.run(request, namespace, self.settings.db, deadline, closed, &self.facts);
                // Boxed, because it is large, and requests on own connections contain it, too.
                Ok(Some((Box::pin(self.guarded(run)).await?, None)))
            }
        }
    }

    /// Runs work on connections of the application, which do not report to the breaker themselves.
    async fn guarded<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let breaker = &self.facts.breaker;
        breaker.admit()?;
        let outcome = work.await;
        let is_lost = match &outcome {
            Ok(_) => {
                breaker.succeeded();
                false
            }
            Err(error) if error.is_connection_lost() => breaker.lost(error),
            Err(error) if error.kind() == ErrorKind::Unavailable => breaker.failed(error),
            Err(_) => false,
        };
        if is_lost {
            self.origin.search();
        }
        outcome
    }

    /// Whether the server is a node of a cluster. Known after the first login.
    pub(crate) fn is_cluster(&self) -> bool {
        match &self.connections {
            Connections::Own(_) => self.facts.is_cluster(),
            Connections::External(external) => external.is_cluster(),
        }
    }

    /// Records that the server is a node of a cluster. Returns whether commands go to the nodes of
    /// the cluster from now on.
    pub(crate) fn learn_cluster(&self) -> bool {
        match &self.connections {
            Connections::Own(server) => server.home.facts.learn_cluster(),
            Connections::External(external) => external.learn_cluster(),
        }
        self.follow_cluster().is_some()
    }

    /// Replaces the connections, because the server changed its role.
    pub(crate) fn renew(&self) {
        if let Connections::Own(server) = &self.connections {
            server.home.own.renew();
        }
    }

    /// Checks out an exclusive connection to the server. On a cluster, the caller chooses the node.
    pub(crate) async fn exclusive(&self, deadline: Deadline) -> Result<RawConnection, Error> {
        match &self.connections {
            Connections::Own(server) => server.home.own.exclusive(deadline).await,
            Connections::External(external) => {
                let work = self.guarded(external.exclusive(self.settings.db, deadline));
                let connection = Box::pin(work).await?;
                Ok(RawConnection::external(connection))
            }
        }
    }

    /// Connects all lanes, so that the first commands do not have to.
    pub(crate) async fn connect(&self) -> Result<(), Error> {
        let deadline = Deadline::after(self.settings.timeout);
        match &self.connections {
            Connections::Own(server) => {
                if self.follow_cluster().is_none() {
                    server.home.own.connect(deadline, server.may_follow_cluster()).await?;
                }
                match self.follow_cluster() {
                    Some(cluster) => cluster.connect(deadline).await,
                    None => Ok(()),
                }
            }
            Connections::External(external) => {
                self.guarded(external.connect(self.settings.db, deadline)).await
            }
        }
    }

    /// Stops accepting commands, and opens no more connections. The future waits until the commands
    /// in flight are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        // First: a connection that is opened meanwhile finds it.
        self.origin.closed().set();
        let closing = match &self.connections {
            Connections::Own(server) => Some(server.close()),
            Connections::External(_) => None,
        };
        async move {
            if let Some(closing) = closing {
                closing.await;
            }
        }
    }

    /// Returns the servers, each with the number of slots that it serves: one server and the
    /// replicas that are read from or, for a cluster, its nodes. Empty for a pool of the
    /// application.
    pub(crate) fn nodes(&self) -> Vec<(Arc<Node>, usize)> {
        match &self.connections {
            Connections::Own(server) => {
                let mut nodes = server.cluster.get().map(Cluster::nodes).unwrap_or_default();
                if !nodes.iter().any(|(node, _)| Arc::ptr_eq(node, &server.home)) {
                    // The connections that found the cluster count too.
                    nodes.push((Arc::clone(&server.home), 0));
                }
                nodes.extend(server.replica_nodes.load().iter().map(|node| (Arc::clone(node), 0)));
                nodes
            }
            Connections::External(_) => Vec::new(),
        }
    }

    /// Returns what is known about the sentinels, if they name the server.
    pub(crate) fn sentinels(&self) -> Option<SentinelStatus> {
        match &self.connections {
            Connections::Own(server) => server.sentinels.as_ref().map(|board| board.status()),
            Connections::External(_) => None,
        }
    }

    /// Returns the state of the application's pool.
    pub(crate) fn external_state(&self) -> Option<bb8::State> {
        match &self.connections {
            Connections::Own(_) => None,
            Connections::External(external) => Some(external.state()),
        }
    }

    /// Whether the pool has connected. Always true for a pool of the application.
    pub(crate) fn has_connected(&self) -> bool {
        self.is_external() || self.facts.connects.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is_external(&self) -> bool {
        matches!(self.connections, Connections::External(_))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The node of an own server ends its search itself, but it may outlive the pool.
        self.facts.search.end();
        if let Connections::Own(server) = &self.connections {
            // Their tasks hold the server.
            server.subscriptions.close();
        }
    }
}

/// Marks the pool when the runtime drops its tasks. Ends with the pool.
async fn watch_runtime(orphaned: Arc<AtomicBool>, pool_is_gone: oneshot::Receiver<()>) {
    struct Mark(Arc<AtomicBool>);
    impl Drop for Mark {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let _mark = Mark(orphaned);
    let _ = pool_is_gone.await;
}
