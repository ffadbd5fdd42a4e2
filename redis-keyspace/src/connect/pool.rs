//! The connections of one configuration on one runtime: our own, or those of a pool of the application's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bb8_redis::bb8;
use tokio::sync::oneshot;

use super::exclusive::RawConnection;
use super::external::External;
use super::health::{Health, ServerRun};
use super::lane::{Replies, Submitted};
use super::manager::Origin;
use super::own::Own;
use super::settings::{Endpoint, Fingerprint, Settings};
use crate::cache::{Copies, Flights};
use crate::command::{Request, Wire};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::group::Generations;
use crate::lock::Streak;
use crate::update::Turns;

pub(crate) struct Pool {
    pub(crate) settings: Arc<Settings>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) health: Arc<Health>,
    /// How many keyspaces use it.
    pub(crate) refs: AtomicUsize,
    /// Who updates which key.
    pub(crate) updates: Turns,
    /// Who holds or waits for which lock.
    pub(crate) locks: Turns<Streak>,
    /// The generations of groups that are remembered.
    pub(crate) generations: Generations,
    /// What is being loaded.
    pub(crate) flights: Flights,
    /// What has been seen of values that may be given when they are stale.
    pub(crate) copies: Copies,
    kind: Kind,
    /// Set when the runtime that drives the connections is gone.
    orphaned: Arc<AtomicBool>,
    _alive: oneshot::Sender<()>,
}

enum Kind {
    Own(Own),
    External(External),
}

impl Pool {
    /// Must be called within a runtime; connects nothing yet.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let fingerprint = Fingerprint::of(&settings);
        let health = Arc::new(Health::new(settings.breaker));
        #[cfg(feature = "embedded")]
        if let Endpoint::Embedded(_) = &settings.endpoint {
            observe!(
                info,
                "running on the embedded server: it is for quick starts and tests, and persists nothing"
            );
        }
        let kind = match &settings.endpoint {
            Endpoint::Pool(external) => Kind::External(external.clone()),
            _ => Kind::Own(Own::new(Origin::new(Arc::clone(&settings), Arc::clone(&health)))),
        };
        let orphaned = Arc::new(AtomicBool::new(false));
        let (alive, pool_is_gone) = oneshot::channel();
        tokio::spawn(watch_runtime(Arc::clone(&orphaned), pool_is_gone));
        Self {
            settings,
            fingerprint,
            health,
            refs: AtomicUsize::new(0),
            updates: Turns::default(),
            locks: Turns::default(),
            generations: Generations::default(),
            flights: Flights::default(),
            copies: Copies::default(),
            kind,
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
        if self.copies.is_used() && self.forget_written(request, namespace) {
            // `run` sees to it that what is read meanwhile is forgotten too.
            return Submitted::NoLane;
        }
        match &self.kind {
            Kind::Own(own) => own.submit(request, namespace, deadline),
            Kind::External(_) => Submitted::NoLane,
        }
    }

    /// Runs a request once, connecting first where needed, and says which server has answered, where that is known: the
    /// preferred one if possible. Nothing is sent once `closed` is set.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &AtomicBool,
        preferred: Option<ServerRun>,
    ) -> Result<(Replies, Option<ServerRun>), Error> {
        // What is read while it is under way may be of before it.
        let forgets = self.copies.is_used() && self.forget_written(request, namespace);
        let _forgetting = forgets.then(|| Forgetting { pool: self, request, namespace });
        match &self.kind {
            Kind::Own(own) => {
                let (replies, server) = own.run(request, namespace, deadline, closed, preferred).await?;
                Ok((replies, Some(server)))
            }
            Kind::External(external) => {
                request.check_size(self.settings.max_value)?;
                let run = external.run(request, namespace, self.settings.db, deadline, closed);
                Ok((self.guarded(run).await?, None))
            }
        }
    }

    /// What is written is not to be given as stale any more. Gives whether anything is.
    fn forget_written(&self, request: &Request, namespace: &str) -> bool {
        let mut writes = false;
        request.visit(&mut |wire| {
            if let Wire::Packet(packet) = wire
                && packet.aside
            {
                writes = true;
                packet.keys.as_slice().iter().for_each(|key| {
                    self.copies.forget(&format!("{namespace}{}", key.as_str()));
                });
            }
        });
        writes
    }

    /// Work on connections of the application's, which tell the breaker nothing by themselves.
    async fn guarded<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let breaker = &self.health.breaker;
        breaker.admit()?;
        let outcome = work.await;
        let opened = match &outcome {
            Ok(_) => {
                breaker.succeeded();
                false
            }
            Err(error) if error.is_connection_lost() => breaker.lost(error),
            Err(error) if error.kind() == ErrorKind::Unavailable => breaker.failed(error),
            Err(_) => false,
        };
        if opened {
            Origin::new(Arc::clone(&self.settings), Arc::clone(&self.health)).probe();
        }
        outcome
    }

    /// Whether the server is a node of a cluster; known once a lane was connected, or a page of a scan was read.
    pub(crate) fn is_cluster(&self) -> bool {
        match &self.kind {
            Kind::Own(_) => self.health.is_cluster(),
            Kind::External(external) => external.is_cluster(),
        }
    }

    /// The server has said that it is one.
    pub(crate) fn learn_cluster(&self) {
        if let Kind::External(external) = &self.kind {
            external.learn_cluster();
        }
    }

    /// Has the connections made anew: the server is not what it was.
    pub(crate) fn renew(&self) {
        if let Kind::Own(own) = &self.kind {
            own.renew();
        }
    }

    /// Checks a connection out for one user alone.
    pub(crate) async fn exclusive(&self) -> Result<RawConnection, Error> {
        let deadline = Deadline::after(self.settings.timeout);
        match &self.kind {
            Kind::Own(own) => own.exclusive(deadline).await,
            Kind::External(external) => self.guarded(external.exclusive(self.settings.db, deadline)).await,
        }
    }

    /// Connects every lane that is not, so that the first commands find them open.
    pub(crate) async fn connect(&self) -> Result<(), Error> {
        let deadline = Deadline::after(self.settings.timeout);
        match &self.kind {
            Kind::Own(own) => own.connect(deadline).await,
            Kind::External(external) => self.guarded(external.connect(self.settings.db, deadline)).await,
        }
    }

    /// Takes no more commands. What it gives waits until those under way are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        let closed = match &self.kind {
            Kind::Own(own) => Some(own.close()),
            Kind::External(_) => None,
        };
        async move {
            if let Some(closed) = closed {
                closed.await;
            }
        }
    }

    /// How many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Own(own) => own.lanes(),
            Kind::External(_) => (0, 0),
        }
    }

    /// What bb8 says of the connections that are checked out one by one.
    pub(crate) fn checked_out(&self) -> bb8::State {
        match &self.kind {
            Kind::Own(own) => own.exclusives(),
            Kind::External(external) => external.state(),
        }
    }

    /// How many requests wait for a lane.
    pub(crate) fn queued(&self) -> usize {
        match &self.kind {
            Kind::Own(own) => own.queued(),
            Kind::External(_) => 0,
        }
    }

    /// How many wait for an exclusive connection of ours.
    pub(crate) fn waiting(&self) -> usize {
        match &self.kind {
            Kind::Own(own) => own.waiting(),
            Kind::External(_) => 0,
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        matches!(self.kind, Kind::External(_))
    }
}

/// Marks the pool when the runtime drops its tasks; ends with the pool.
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

/// A request that writes, under way: once it is over, or given up, what was read meanwhile is forgotten.
struct Forgetting<'r> {
    pool: &'r Pool,
    request: &'r Request,
    namespace: &'r str,
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.pool.forget_written(self.request, self.namespace);
    }
}
