//! The connections that this crate opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use bb8_redis::bb8;
use tokio::time::timeout_at;

use super::atomicity::SendPlan;
use super::attempt::{Attempt, Origin};
use super::callers::{ConnectQueue, WaitingCaller, WaitingCallers};
use super::exclusive::ExclusiveManager;
use super::facts::ServerRun;
use super::lane::{Lane, Submitted};
use super::manager::LaneManager;
use super::raw::RawConnection;
use super::slot::{Reviving, Slot, fresh, to_connect};
use crate::error::{Budget, Error};
use crate::protocol::{Merged, RefusedCommands, Replies, Reply, Request};
use crate::sync::ClosedFlag;
use crate::task::spawn;
use crate::time::Deadline;

/// The wait limit of bb8. It is never reached, because every wait has a deadline.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Exclusive connections that were idle for this long are closed.
const IDLE: Duration = Duration::from_secs(300);
/// A larger request uses a separate lane, so that small requests do not wait behind it.
const BIG: usize = 64 * 1024;

/// Shared connections (lanes) for stateless commands, and exclusive connections for everything
/// else.
///
/// Any number of tasks use a lane at the same time; see [`lane`](super::lane).
pub(crate) struct Own {
    origin: Origin,
    /// Removed when the pool is closed: a lane that no caller waits for any more ends with it.
    lanes: ArcSwapOption<bb8::Pool<LaneManager>>,
    slots: Arc<[Slot]>,
    /// The number of requests that could wait, which take turns.
    next: AtomicUsize,
    /// The requests that wait for a connection.
    queued: ConnectQueue,
    /// The slot for large requests. The first of them connects it.
    big: Slot,
    /// Removed when the pool is closed, so that idle connections end with the last one in use.
    exclusives: ArcSwapOption<bb8::Pool<ExclusiveManager>>,
    waiting: WaitingCallers,
}

/// Creates a pool of exclusive connections.
fn exclusive_pool(origin: &Origin) -> bb8::Pool<ExclusiveManager> {
    // The task that closes idle connections belongs to the runtime of the connections.
    let _entered = origin.runtime().enter();
    bb8::Pool::builder()
        .max_size(u32::from(origin.settings.exclusive_connections.max(1)))
        .connection_timeout(NEVER)
        // Our manager sends a PING only if the connection was idle for long.
        .test_on_check_out(true)
        .idle_timeout(IDLE)
        // The connection that was used last is the least likely to be broken.
        .queue_strategy(bb8::QueueStrategy::Lifo)
        .build_unchecked(ExclusiveManager::new(origin.clone()))
}

impl Own {
    pub(crate) fn new(origin: Origin) -> Self {
        let lanes = origin.settings.shared_connections(false);
        let pool = bb8::Pool::builder()
            .max_size(u32::try_from(lanes).unwrap_or(u32::MAX).saturating_add(1))
            .connection_timeout(NEVER)
            .test_on_check_out(false)
            // Lanes are always checked out, and notice when they break.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(LaneManager { origin: origin.clone() });
        Self {
            exclusives: ArcSwapOption::from_pointee(exclusive_pool(&origin)),
            origin,
            lanes: ArcSwapOption::from_pointee(pool),
            slots: (0..lanes).map(|_| Slot::default()).collect(),
            next: AtomicUsize::new(0),
            queued: ConnectQueue::default(),
            big: Slot::default(),
            waiting: WaitingCallers::default(),
        }
    }

    /// What connections to the server are opened from.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Queues a request on the open lane with the fewest requests, without waiting.
    ///
    /// With `stops_at_cluster`, queues nothing if the server is known to be a node of a cluster.
    #[inline]
    pub(crate) fn submit(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        stops_at_cluster: bool,
    ) -> Submitted {
        if request.is_longer_than(BIG) {
            return match self.big.held().as_ref().filter(|held| held.lane.is_open()) {
                Some(held) => self.submit_on(&held.lane, request, namespace, deadline, stops_at_cluster),
                None => Submitted::NoLane,
            };
        }
        let mut is_missing = false;
        let mut least: Option<(usize, Guard<_>)> = None;
        for slot in self.used() {
            let held = slot.held();
            let Some(lane) = held.as_ref().map(|held| &held.lane).filter(|lane| lane.is_open()) else {
                is_missing = true;
                continue;
            };
            // Callers whose replies arrived together find that lane empty, so they use it again and
            // share its next write. Meanwhile the server answers the other lanes.
            let in_flight = lane.in_flight();
            if least.as_ref().is_none_or(|&(least, _)| in_flight < least) {
                least = Some((in_flight, held));
            }
        }
        let Some(held) = least.as_ref().and_then(|(_, held)| held.as_ref()) else {
            return Submitted::NoLane;
        };
        if is_missing {
            self.revive(stops_at_cluster);
        }
        self.submit_on(&held.lane, request, namespace, deadline, stops_at_cluster)
    }

    #[inline]
    fn submit_on(
        &self,
        lane: &Lane,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        stops_at_cluster: bool,
    ) -> Submitted {
        // Asked only now: the login of this lane may have found it out.
        if stops_at_cluster && self.is_cluster() {
            return Submitted::NoLane;
        }
        match self.check(request, namespace) {
            Ok(()) => lane.submit(request, namespace, deadline),
            Err(error) => Submitted::Refused(error),
        }
    }

    fn is_cluster(&self) -> bool {
        self.origin.facts.is_cluster()
    }

    /// Connects a lane in the background, for later commands. With `stops_at_cluster`, connects
    /// none if the server is known to be a node of a cluster.
    fn revive(&self, stops_at_cluster: bool) {
        if self.origin.facts.breaker.admit().is_err() {
            return;
        }
        let Some(nth) = to_connect(self.used()) else { return };
        let Some(reviving) = Reviving::start(&self.slots, nth) else { return };
        let Some(lanes) = self.lanes.load_full() else { return };
        let origin = self.origin.clone();
        // The runtime of the caller may end earlier.
        spawn(self.origin.runtime(), async move {
            let deadline = Deadline::after(origin.settings.timeout);
            let stops = stops_at_cluster && origin.facts.is_cluster();
            if let Some(slot) = reviving.slot().filter(|_| !stops) {
                // Later commands see whether it succeeded.
                let _ = slot.lane(&lanes, &origin, deadline).await;
                if nth >= origin.shared_connections() {
                    slot.end();
                }
            }
        });
    }

    /// Runs a request once, and connects first if necessary. Returns which run of the server
    /// answered. Uses a lane to the preferred run if possible. Sends nothing once `closed` is set.
    ///
    /// With `stops_at_cluster`, sends nothing and returns `None` if the server turns out to be a
    /// node of a cluster.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &ClosedFlag,
        preferred: Option<ServerRun>,
        stops_at_cluster: bool,
    ) -> Result<Option<(Replies, ServerRun)>, Error> {
        loop {
            if stops_at_cluster && self.is_cluster() {
                return Ok(None);
            }
            let waiting = self.queued.enter(request, &self.origin.settings)?;
            let slot = self
                .slot_for(request, preferred, stops_at_cluster)
                .ok_or_else(|| Error::configuration("a pool needs at least one shared connection"))?;
            let lane = match self.connected(slot, deadline).await {
                Ok(lane) => lane,
                // A server that accepts no more connections still answers on open ones.
                Err(error) => self.slots.iter().find_map(Slot::open).ok_or(error)?,
            };
            drop(waiting);
            if closed.is_set() {
                return Err(Error::closed());
            }
            if stops_at_cluster && self.is_cluster() {
                return Ok(None);
            }
            self.check(request, namespace)?;
            let (script, merged) = match lane.plan(request) {
                SendPlan::AsScript => (Some(request.as_script(namespace)?), None),
                SendPlan::Unchanged => (None, request.merged(self.origin.facts.merges_one_key())),
                SendPlan::Rejected(_) => (None, None),
            };
            let sent = script.as_ref().or(merged.as_ref().map(|merged| &merged.request)).unwrap_or(request);
            match lane.submit(sent, namespace, deadline) {
                Submitted::Waiting(receiver) => {
                    let lost = |_| Err(Error::connection_lost("its driver has ended"));
                    let replies = receiver.await.unwrap_or_else(lost)?;
                    let replies = match &merged {
                        // Boxed, because it is rare, and the futures of all requests contain it.
                        Some(merged) if merged.is_refused(&replies) => {
                            Box::pin(self.resend(merged, request, replies, &lane, namespace, deadline)).await
                        }
                        Some(merged) => merged.separate(replies),
                        None if script.is_some() => request.replies_of_script(replies),
                        None => replies,
                    };
                    return Ok(Some((replies, lane.server())));
                }
                Submitted::Refused(error) => return Err(error),
                // The lane closed before it accepted the request. The next iteration connects
                // another one.
                Submitted::NoLane => {}
            }
        }
    }

    /// Sends the commands of refused scripts by themselves. Returns the replies to the batch as if
    /// it had not been merged.
    async fn resend(
        &self,
        merged: &Merged,
        batch: &Request,
        replies: Replies,
        lane: &Lane,
        namespace: &str,
        deadline: Deadline,
    ) -> Replies {
        self.origin.facts.note_refused_script();
        let refused = merged.refused(batch, &replies);
        let replies = merged.separate(replies);
        let Some(RefusedCommands { request, places }) = refused else { return replies };
        // Otherwise nothing is sent, and the commands have the error of the script.
        let Submitted::Waiting(receiver) = lane.submit(&request, namespace, deadline) else { return replies };
        let lost = |_| Err(Error::connection_lost("its driver has ended"));
        let again = receiver.await.unwrap_or_else(lost).unwrap_or_else(|error| {
            Replies::Many(places.iter().map(|_| Reply::failed(error.clone())).collect())
        });
        replies.with_replaced(&places, again)
    }

    async fn connected(&self, slot: &Slot, deadline: Deadline) -> Result<Lane, Error> {
        match slot.open() {
            Some(lane) => Ok(lane),
            // Boxed, because it is large and rare, and the futures of all requests contain it.
            None => {
                let lanes = self.lanes.load_full().ok_or_else(Error::closed)?;
                let lane = Box::pin(slot.lane(&lanes, &self.origin, deadline)).await?;
                let is = |other: &Slot| std::ptr::eq(other, slot);
                if !is(&self.big) && !self.used().iter().any(is) {
                    // Fewer connections are enough since this one was begun.
                    slot.end();
                }
                Ok(lane)
            }
        }
    }

    /// Rejects requests that the server would reject in part after running the rest.
    fn check(&self, request: &Request, namespace: &str) -> Result<(), Error> {
        request.check_size(self.origin.settings.sizes())?;
        // Otherwise each command of the request was divided by slot.
        if self.origin.settings.cluster == Some(false) && self.is_cluster() {
            request.across_slots(namespace).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Checks out an exclusive connection.
    pub(crate) async fn exclusive(&self, deadline: Deadline) -> Result<RawConnection, Error> {
        let exclusives = self.exclusives.load_full().ok_or_else(Error::closed)?;
        self.origin.facts.breaker.admit()?;
        let most = usize::try_from(self.origin.settings.max_in_flight).unwrap_or(usize::MAX);
        let before = self.waiting();
        if before >= most {
            return Err(Error::too_many_waiting(before));
        }
        let waiting = WaitingCaller::new(&self.waiting);
        let checkout = fresh(&exclusives, waiting.since, self.origin.runtime());
        match timeout_at(deadline.at(), checkout).await {
            Ok(Ok(connection)) => match &*connection {
                Attempt::Connected(_) => Ok(RawConnection::pooled(connection)),
                Attempt::Failed(error, _) => Err(error.clone()),
            },
            Ok(Err(_)) | Err(_) => {
                drop(waiting);
                Err(self.busy(exclusives.state(), deadline))
            }
        }
    }

    /// Returns why no exclusive connection was free in time.
    fn busy(&self, state: bb8::State, deadline: Deadline) -> Error {
        let busy = state.connections.saturating_sub(state.idle_connections);
        let most = self.origin.settings.exclusive_connections;
        if busy < u32::from(most) {
            // If more connections are allowed, the server did not answer in time.
            return self.origin.facts.explain_timeout(deadline.passed(Budget::Connect));
        }
        let waiting = self.waiting();
        let mut message = format!(
            "timed out waiting for an exclusive connection: all {most} are busy and {waiting} more callers wait; raise \
             `exclusive_connections` or release connections sooner"
        );
        if let Some(error) = self.origin.facts.last_error() {
            message.push_str("; the last connection error of the pool: ");
            message.push_str(&error);
        }
        deadline.passed(Budget::Checkout).reworded(&message)
    }

    /// Connects all lanes, so that the first commands do not have to. With `stops_at_cluster`,
    /// connects no more if the server turns out to be a node of a cluster.
    pub(crate) async fn connect(&self, deadline: Deadline, stops_at_cluster: bool) -> Result<(), Error> {
        for slot in self.used() {
            if stops_at_cluster && self.is_cluster() {
                break;
            }
            self.connected(slot, deadline).await?;
        }
        Ok(())
    }

    /// Replaces the connections when later commands need them, because the server became a replica,
    /// and its name may now resolve to another one.
    pub(crate) fn renew(&self) {
        self.origin.facts.note_demotion();
        for slot in self.slots() {
            slot.renew();
        }
    }

    /// Ends the connections, because another server is the master. Commands in flight get their
    /// replies only if the old one answers at once.
    pub(super) fn replace_master(&self) {
        self.origin.facts.replace_master();
        for slot in self.slots() {
            slot.retire();
        }
    }

    /// Stops accepting commands, because the pool is closed. The future waits until the commands in
    /// flight are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        self.exclusives.store(None);
        self.lanes.store(None);
        self.end_lanes()
    }

    /// Ends the connections, also those that are being opened, because other nodes are used
    /// instead. An exclusive connection in use ends when it is returned.
    pub(super) fn abandon(&self) {
        self.origin.facts.new_generation();
        drop(self.end_lanes());
        // Idle connections end with their pool. A closed pool stays closed.
        self.exclusives.rcu(|current| current.as_ref().map(|_| Arc::new(exclusive_pool(&self.origin))));
    }

    /// Ends the shared connections when no caller waits for a reply, which the future waits for.
    fn end_lanes(&self) -> impl Future<Output = ()> + use<> {
        let ending: Vec<_> = self.slots().filter_map(Slot::end).collect();
        async move {
            for lane in &ending {
                lane.ended().await;
            }
        }
    }

    /// The slots of the shared connections that are used.
    #[inline]
    fn used(&self) -> &[Slot] {
        self.slots.get(..self.origin.shared_connections()).unwrap_or(&self.slots)
    }

    /// Ends the shared connections that are not used any more.
    pub(super) fn end_unused(&self) {
        for slot in self.slots.iter().skip(self.used().len()) {
            slot.end();
        }
    }

    /// Whether a lane is open.
    pub(super) fn is_open(&self) -> bool {
        self.slots.iter().any(|slot| slot.held().as_ref().is_some_and(|held| held.lane.is_open()))
    }

    /// Whether there is a connection, of either kind.
    pub(super) fn has_connections(&self) -> bool {
        self.is_open() || self.exclusives().is_some_and(|state| state.connections > 0)
    }

    /// Returns how many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        let open = self.slots().filter_map(Slot::open);
        open.fold((0, 0), |(lanes, waiting), lane| (lanes + 1, waiting + lane.in_flight()))
    }

    pub(crate) fn exclusives(&self) -> Option<bb8::State> {
        Some(self.exclusives.load().as_ref()?.state())
    }

    /// Returns how many callers wait for an exclusive connection.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.count()
    }

    /// Returns how long callers have waited for exclusive connections in total, also in vain.
    pub(crate) fn waited(&self) -> Duration {
        self.waiting.waited()
    }

    /// Returns how many requests wait for a lane.
    pub(crate) fn queued(&self) -> usize {
        self.queued.count()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain([&self.big])
    }

    /// Returns the slot for a request. A long one has its own connection, except where that would
    /// change the run: without a run id, each connection counts as another run.
    fn slot_for(
        &self,
        request: &Request,
        preferred: Option<ServerRun>,
        stops_at_cluster: bool,
    ) -> Option<&Slot> {
        let is_preferred = |slot: &&Slot| is_open_to(slot, preferred);
        let slot = if request.is_longer_than(BIG) {
            Some(&self.big)
        } else {
            self.choose(preferred, stops_at_cluster)
        };
        if preferred.is_none() || slot.as_ref().is_some_and(is_preferred) {
            return slot;
        }
        self.slots().find(is_preferred).or(slot)
    }

    /// Returns the slot for a request that can wait for a connection: one of the preferred run,
    /// else the open one with the fewest requests, else one that no task is connecting.
    fn choose(&self, preferred: Option<ServerRun>, stops_at_cluster: bool) -> Option<&Slot> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let used = self.used();
        let in_turn = || (0..used.len()).map(|nth| (first.wrapping_add(nth)) % used.len());
        let slots = || in_turn().filter_map(|nth| used.get(nth));
        let is_preferred = |slot: &&Slot| is_open_to(slot, preferred);
        // As in `submit`: callers whose replies arrived together share the next write.
        let least = || used.iter().filter_map(|slot| Some((slot.open()?.in_flight(), slot)));
        let least = || least().min_by_key(|(in_flight, _)| *in_flight).map(|(_, slot)| slot);
        if let Some(slot) = slots().find(is_preferred).or_else(least) {
            self.revive(stops_at_cluster);
            return Some(slot);
        }
        to_connect(used).and_then(|nth| used.get(nth)).or_else(|| slots().next())
    }
}

/// Whether the slot has an open connection to this run of the server.
fn is_open_to(slot: &Slot, run: Option<ServerRun>) -> bool {
    slot.open().is_some_and(|lane| run == Some(lane.server()))
}
