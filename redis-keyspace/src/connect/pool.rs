//! The connections of one configuration on one runtime: opened by this crate, or those of a pool of
//! the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bb8_redis::bb8;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::attempt::Origin;
use super::facts::{ServerFacts, ServerRun};
use super::lane::Submitted;
use super::own::Own;
use super::raw::RawConnection;
use crate::config::{Endpoint, ExternalPool, Fingerprint, Settings};
use crate::error::{Error, ErrorKind};
use crate::local::{DatabaseReads, Local};
use crate::protocol::{Replies, Request};
use crate::sync::ClosedFlag;
use crate::time::Deadline;

pub(crate) struct Pool {
    pub(crate) settings: Arc<Settings>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) facts: Arc<ServerFacts>,
    /// How many references to the pool exist.
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
    Own(Own),
    External(ExternalPool),
}

impl Pool {
    /// Creates a pool without connecting it. Must be called within a runtime.
    pub(crate) fn new(settings: Arc<Settings>, reads: Arc<DatabaseReads>) -> Self {
        let fingerprint = Fingerprint::of(&settings);
        let facts = Arc::new(ServerFacts::new(settings.breaker));
        #[cfg(feature = "embedded")]
        if let Endpoint::Embedded(_) = &settings.endpoint {
            event!(info, "using the embedded server: it is for quick starts and tests, and persists nothing");
        }
        let origin = Origin::new(Arc::clone(&settings), Arc::clone(&facts), Handle::current());
        let connections = match &settings.endpoint {
            Endpoint::Pool(external) => Connections::External(external.clone()),
            _ => Connections::Own(Own::new(origin.clone())),
        };
        let orphaned = Arc::new(AtomicBool::new(false));
        let (alive, pool_is_gone) = oneshot::channel();
        tokio::spawn(watch_runtime(Arc::clone(&orphaned), pool_is_gone));
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

    /// Queues a request on an open lane, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        match &self.connections {
            Connections::Own(own) => own.submit(request, namespace, deadline),
            Connections::External(_) => Submitted::NoLane,
        }
    }

    /// Runs a request once, and connects first if necessary. Returns which run of the server
    /// answered, if that is known. Uses a connection to the preferred run if possible. Sends
    /// nothing once `closed` is set.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &ClosedFlag,
        preferred: Option<ServerRun>,
    ) -> Result<(Replies, Option<ServerRun>), Error> {
        match &self.connections {
            Connections::Own(own) => {
                let (replies, server) = own.run(request, namespace, deadline, closed, preferred).await?;
                Ok((replies, Some(server)))
            }
            Connections::External(external) => {
                request.check_size(self.settings.sizes())?;
                let run = external.run(request, namespace, self.settings.db, deadline, closed, &self.facts);
                // Boxed, because it is large, and requests on own connections contain it, too.
                Ok((Box::pin(self.guarded(run)).await?, None))
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

    /// Records that the server is a node of a cluster.
    pub(crate) fn learn_cluster(&self) {
        if let Connections::External(external) = &self.connections {
            external.learn_cluster();
        }
    }

    /// Replaces the connections, because the server changed its role.
    pub(crate) fn renew(&self) {
        if let Connections::Own(own) = &self.connections {
            own.renew();
        }
    }

    /// Checks out an exclusive connection.
    pub(crate) async fn exclusive(&self) -> Result<RawConnection, Error> {
        let deadline = Deadline::after(self.settings.timeout);
        match &self.connections {
            Connections::Own(own) => own.exclusive(deadline).await,
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
            Connections::Own(own) => own.connect(deadline).await,
            Connections::External(external) => {
                self.guarded(external.connect(self.settings.db, deadline)).await
            }
        }
    }

    /// Stops accepting commands. The future waits until the commands in flight are answered, or
    /// their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        let closed = match &self.connections {
            Connections::Own(own) => Some(own.close()),
            Connections::External(_) => None,
        };
        async move {
            if let Some(closed) = closed {
                closed.await;
            }
        }
    }

    /// Returns how many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        match &self.connections {
            Connections::Own(own) => own.lanes(),
            Connections::External(_) => (0, 0),
        }
    }

    /// Returns the state of the pool of exclusive connections.
    pub(crate) fn checked_out(&self) -> bb8::State {
        match &self.connections {
            Connections::Own(own) => own.exclusives(),
            Connections::External(external) => external.state(),
        }
    }

    /// Returns how many requests wait for a lane.
    pub(crate) fn queued(&self) -> usize {
        match &self.connections {
            Connections::Own(own) => own.queued(),
            Connections::External(_) => 0,
        }
    }

    /// Returns how many callers wait for an exclusive connection.
    pub(crate) fn waiting(&self) -> usize {
        match &self.connections {
            Connections::Own(own) => own.waiting(),
            Connections::External(_) => 0,
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
        self.facts.search.end();
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
