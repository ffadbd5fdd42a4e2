//! The connections of one configuration on one runtime: lanes for stateless commands, exclusives for the rest.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bb8_redis::bb8;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::{Instant, timeout_at};

use super::exclusive::{ExclusiveManager, RawConnection};
use super::external::External;
use super::lane::{Lane, Replies, Submitted};
use super::login::Server;
use super::manager::{Attempt, LaneManager, Origin};
use super::settings::{Endpoint, Fingerprint, Settings};
use crate::command::Request;
use crate::deadline::Deadline;
use crate::error::{Budget, Error};
use crate::run::jittered;

/// bb8's own limit on waiting. It must never be the one that runs out: every wait has a deadline of ours.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// The longest pause between two attempts to connect a lane: whoever asks right after the server came back waits so long.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Exclusive connections that nobody used for this long are closed.
const IDLE: Duration = Duration::from_secs(300);

pub(crate) struct Pool {
    pub(crate) settings: Arc<Settings>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) health: Arc<Health>,
    /// How many keyspaces use it.
    pub(crate) refs: AtomicUsize,
    kind: Kind,
    /// Set when the runtime that drives the connections is gone.
    orphaned: Arc<AtomicBool>,
    _alive: oneshot::Sender<()>,
}

enum Kind {
    Own {
        lanes: bb8::Pool<LaneManager>,
        slots: Box<[Slot]>,
        next: AtomicUsize,
        exclusives: bb8::Pool<ExclusiveManager>,
    },
    External(External),
}

/// A place for a lane. It keeps the lane checked out, so that bb8 hands every slot one of its own, and asks for
/// another when that one has broken.
struct Slot {
    lane: ArcSwapOption<Held>,
    /// Held while connecting, so that a thousand waiting commands make one attempt.
    connecting: AsyncMutex<Option<Failure>>,
}

/// How the last attempt to connect ended.
struct Failure {
    at: Instant,
    error: Error,
}

struct Held {
    lane: Lane,
    _checked_out: bb8::PooledConnection<'static, LaneManager>,
}

/// What is known about the server from trying.
#[derive(Default)]
pub(crate) struct Health {
    last_error: Mutex<Option<String>>,
    failing: AtomicBool,
    /// Whether the server was a node of a cluster when a lane was connected last.
    cluster: AtomicBool,
    /// The run of the server that a lane was connected to last, by the name that it gives itself.
    run_id: Mutex<Option<String>>,
    /// How often it was another one than before.
    incarnation: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) failed_connects: AtomicU64,
}

impl Health {
    pub(crate) fn note(&self, error: Option<&Error>) {
        self.failing.store(error.is_some(), Ordering::Relaxed);
        match error {
            None => {
                self.connects.fetch_add(1, Ordering::Relaxed);
            }
            Some(error) => {
                self.failed_connects.fetch_add(1, Ordering::Relaxed);
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                observe!(warn, error = %error, "can't connect to Redis");
            }
        }
    }

    /// Notes whom a lane was connected to. A server that does not say who it is may be another one each time.
    pub(crate) fn note_server(&self, server: &Server) {
        self.cluster.store(server.is_cluster, Ordering::Relaxed);
        let mut run_id = self.run_id.lock().unwrap_or_else(PoisonError::into_inner);
        if server.run_id.is_none() || *run_id != server.run_id {
            run_id.clone_from(&server.run_id);
            self.incarnation.fetch_add(1, Ordering::Release);
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Pool {
    /// Must be called within a runtime; connects nothing yet.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let fingerprint = Fingerprint::of(&settings);
        let health = Arc::new(Health::default());
        #[cfg(feature = "embedded")]
        if let Endpoint::Embedded(_) = &settings.endpoint {
            observe!(
                info,
                "running on the embedded server: it is for quick starts and tests, and persists nothing"
            );
        }
        let kind = match &settings.endpoint {
            Endpoint::Pool(external) => Kind::External(external.clone()),
            _ => {
                let origin = Origin { settings: Arc::clone(&settings), health: Arc::clone(&health) };
                Kind::own(&settings, origin)
            }
        };
        let orphaned = Arc::new(AtomicBool::new(false));
        let (alive, pool_is_gone) = oneshot::channel();
        tokio::spawn(watch_runtime(Arc::clone(&orphaned), pool_is_gone));
        Self { settings, fingerprint, health, refs: AtomicUsize::new(0), kind, orphaned, _alive: alive }
    }

    /// Whether the runtime that drives the connections has ended.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::Acquire)
    }

    /// Queues a request on an open lane, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        if let Kind::Own { slots, next, .. } = &self.kind
            && let Some(slot) = pick(slots, next)
            && let Some(held) = &*slot.lane.load()
            && held.lane.is_open()
        {
            if let Err(error) = self.check_slots(request, namespace) {
                return Submitted::Refused(error);
            }
            held.lane.submit(request, namespace, deadline)
        } else {
            Submitted::NoLane
        }
    }

    /// Runs a request once, connecting first where needed. Nothing is sent once `closed` is set.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &AtomicBool,
    ) -> Result<Replies, Error> {
        let (slots, lanes, next) = match &self.kind {
            Kind::External(external) => {
                return external.run(request, namespace, self.settings.db, deadline, closed).await;
            }
            Kind::Own { slots, lanes, next, .. } => (slots, lanes, next),
        };
        loop {
            let Some(slot) = to_connect(slots).or_else(|| pick(slots, next)) else {
                return Err(Error::configuration("a pool needs at least one lane"));
            };
            let lane = slot.lane(lanes, self.settings.retry_delay, deadline).await?;
            if closed.load(Ordering::Acquire) {
                return Err(Error::closed());
            }
            self.check_slots(request, namespace)?;
            match lane.submit(request, namespace, deadline) {
                Submitted::Waiting(receiver) => {
                    return receiver
                        .await
                        .unwrap_or_else(|_| Err(Error::connection_lost("its driver has ended")));
                }
                Submitted::Refused(error) => return Err(error),
                // It closed since then and took nothing: the next turn of the loop makes another.
                Submitted::NoLane => {}
            }
        }
    }

    /// Whether the server is a node of a cluster; known once a lane was connected, or a page of a scan was read.
    pub(crate) fn is_cluster(&self) -> bool {
        match &self.kind {
            Kind::Own { .. } => self.health.cluster.load(Ordering::Relaxed),
            Kind::External(external) => external.is_cluster(),
        }
    }

    /// Counts the runs of the server as far as they are known: 0 before the first connection, and for a pool of the
    /// application's.
    pub(crate) fn incarnation(&self) -> u64 {
        self.health.incarnation.load(Ordering::Acquire)
    }

    /// Refuses what a cluster would refuse in part, after having done the rest.
    fn check_slots(&self, request: &Request, namespace: &str) -> Result<(), Error> {
        if self.is_cluster() { request.across_slots(namespace).map_or(Ok(()), Err) } else { Ok(()) }
    }

    /// Checks a connection out for one user alone.
    pub(crate) async fn exclusive(&self) -> Result<RawConnection, Error> {
        let deadline = Deadline::after(self.settings.timeout);
        let exclusives = match &self.kind {
            Kind::External(external) => return external.exclusive(self.settings.db, deadline).await,
            Kind::Own { exclusives, .. } => exclusives,
        };
        let asked = Instant::now();
        match timeout_at(deadline.at(), fresh(exclusives, asked)).await {
            Ok(Ok(connection)) => match &*connection {
                Attempt::Connected(_) => Ok(RawConnection::pooled(connection)),
                Attempt::Failed(error, _) => Err(error.clone()),
            },
            Ok(Err(_)) | Err(_) => {
                let state = exclusives.state();
                let busy = state.connections.saturating_sub(state.idle_connections);
                // With room for more, nobody holds us up: it is the server that does not answer.
                let has_room = busy < u32::from(self.settings.exclusives);
                Err(deadline.passed(if has_room { Budget::Connect } else { Budget::Checkout }))
            }
        }
    }

    /// Connects every lane that is not, so that the first commands find them open.
    pub(crate) async fn connect(&self) -> Result<(), Error> {
        let deadline = Deadline::after(self.settings.timeout);
        match &self.kind {
            Kind::External(external) => external.connect(self.settings.db, deadline).await,
            Kind::Own { slots, lanes, .. } => {
                for slot in slots {
                    slot.lane(lanes, self.settings.retry_delay, deadline).await?;
                }
                Ok(())
            }
        }
    }

    /// Takes no more commands. What it gives waits until those under way are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        let open: Vec<_> = match &self.kind {
            Kind::Own { slots, .. } => slots.iter().filter_map(|slot| slot.lane.swap(None)).collect(),
            Kind::External(_) => Vec::new(),
        };
        for held in &open {
            held.lane.close();
        }
        async move {
            for held in &open {
                held.lane.ended().await;
            }
        }
    }

    /// How many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        let Kind::Own { slots, .. } = &self.kind else { return (0, 0) };
        let open = slots.iter().filter_map(|slot| slot.lane.load_full()).filter(|held| held.lane.is_open());
        open.fold((0, 0), |(lanes, waiting), held| (lanes + 1, waiting + held.lane.in_flight()))
    }

    /// How many exclusive connections there are, and how many of them are idle.
    pub(crate) fn exclusives(&self) -> (u32, u32) {
        let state = match &self.kind {
            Kind::Own { exclusives, .. } => exclusives.state(),
            Kind::External(external) => external.state(),
        };
        (state.connections, state.idle_connections)
    }

    pub(crate) fn is_external(&self) -> bool {
        matches!(self.kind, Kind::External(_))
    }
}

impl Kind {
    fn own(settings: &Settings, origin: Origin) -> Self {
        let lanes = bb8::Pool::builder()
            .max_size(u32::from(settings.lanes.max(1)))
            .connection_timeout(NEVER)
            .test_on_check_out(false)
            // Lanes are always checked out and notice by themselves when they break.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(LaneManager { origin: origin.clone() });
        let slots = (0..settings.lanes.max(1))
            .map(|_| Slot { lane: ArcSwapOption::empty(), connecting: AsyncMutex::new(None) })
            .collect();
        let exclusives = bb8::Pool::builder()
            .max_size(u32::from(settings.exclusives.max(1)))
            .connection_timeout(NEVER)
            // Asks our manager, which sends a PING only to a connection that was idle long.
            .test_on_check_out(true)
            .idle_timeout(IDLE)
            // The one used last is the one least likely to have been cut.
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .build_unchecked(ExclusiveManager { origin });
        Self::Own { lanes, slots, next: AtomicUsize::new(0), exclusives }
    }
}

/// The slot that a command should connect, if any: one without a lane that nobody is connecting yet. While somebody is,
/// another lane that is open will do, and without one the choice is free.
fn to_connect(slots: &[Slot]) -> Option<&Slot> {
    let is_open = |slot: &&Slot| slot.open().is_some();
    let is_idle = |slot: &&Slot| slot.connecting.try_lock().is_ok();
    slots.iter().filter(|slot| !is_open(slot)).find(is_idle).or_else(|| slots.iter().find(is_open))
}

fn pick<'s>(slots: &'s [Slot], next: &AtomicUsize) -> Option<&'s Slot> {
    match slots {
        [only] => Some(only),
        slots => slots.get(next.fetch_add(1, Ordering::Relaxed) % slots.len().max(1)),
    }
}

/// A connection, or the failure of an attempt that was made since `asked`.
async fn fresh<M, C>(
    pool: &bb8::Pool<M>,
    asked: Instant,
) -> Result<bb8::PooledConnection<'static, M>, bb8::RunError<M::Error>>
where
    M: bb8::ManageConnection<Connection = Attempt<C>>,
{
    loop {
        let checked_out = pool.get_owned().await?;
        if !matches!(&*checked_out, Attempt::Failed(_, at) if *at < asked) {
            return Ok(checked_out);
        }
    }
}

impl Slot {
    fn open(&self) -> Option<Lane> {
        self.lane.load().as_ref().map(|held| &held.lane).filter(|lane| lane.is_open()).cloned()
    }

    /// The slot's lane, connected if it is not. After a failed attempt the next is made after a pause of about
    /// `retry_delay`, however many want one.
    async fn lane(
        &self,
        lanes: &bb8::Pool<LaneManager>,
        retry_delay: Duration,
        deadline: Deadline,
    ) -> Result<Lane, Error> {
        if let Some(lane) = self.open() {
            return Ok(lane);
        }
        let arrived = Instant::now();
        let mut last_failure = deadline.bound(Budget::Connect, self.connecting.lock()).await?;
        if let Some(lane) = self.open() {
            return Ok(lane);
        }
        if let Some(failure) = &*last_failure {
            let again = failure.at + jittered(retry_delay.min(LONGEST_PAUSE));
            // Somebody tried while we waited: their answer is as good as ours would be. So it is if there is no time
            // left for another.
            if failure.at > arrived || again >= deadline.at() {
                return Err(failure.error.clone());
            }
            tokio::time::sleep_until(again).await;
        }
        // The broken lane goes back to bb8 first, or there would be no room for a new one.
        self.lane.store(None);
        let asked = Instant::now();
        let Ok(checked_out) = deadline.bound(Budget::Connect, fresh(lanes, asked)).await? else {
            return Err(deadline.passed(Budget::Connect));
        };
        let lane = match &*checked_out {
            Attempt::Connected(lane) => lane.clone(),
            Attempt::Failed(error, _) => {
                *last_failure = Some(Failure { at: Instant::now(), error: error.clone() });
                return Err(error.clone());
            }
        };
        self.lane.store(Some(Arc::new(Held { lane: lane.clone(), _checked_out: checked_out })));
        *last_failure = None;
        Ok(lane)
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
