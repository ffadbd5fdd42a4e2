//! The connections that we make ourselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use tokio::time::{Instant, timeout_at};

use super::exclusive::{ExclusiveManager, RawConnection};
use super::health::ServerRun;
use super::lane::{Lane, Replies, Submitted};
use super::manager::{Attempt, LaneManager, Origin};
use super::settings::Settings;
use super::slot::{Slot, fresh, to_connect};
use crate::command::Request;
use crate::deadline::Deadline;
use crate::error::{Budget, Error};

/// bb8's own limit on waiting. It must never be the one that runs out: every wait has a deadline of ours.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Exclusive connections that nobody used for this long are closed.
const IDLE: Duration = Duration::from_secs(300);
/// A request of more bytes goes by a lane of its own, so that small ones do not wait behind it.
const BIG: usize = 64 * 1024;

/// Lanes for stateless commands, exclusives for the rest.
pub(crate) struct Own {
    origin: Origin,
    lanes: bb8::Pool<LaneManager>,
    slots: Arc<[Slot]>,
    next: AtomicUsize,
    /// The same for requests that can wait, or the two would take turns at each other's lanes.
    next_patient: AtomicUsize,
    /// The requests that wait for a connection.
    queued: Queued,
    /// For big requests; connected when there is the first.
    big: Slot,
    exclusives: bb8::Pool<ExclusiveManager>,
    /// How many wait for an exclusive.
    waiting: AtomicUsize,
}

impl Own {
    pub(crate) fn new(origin: Origin) -> Self {
        let Settings { lanes, exclusives, .. } = *origin.settings;
        let lanes = lanes.max(1);
        let pool = bb8::Pool::builder()
            .max_size(u32::from(lanes) + 1)
            .connection_timeout(NEVER)
            .test_on_check_out(false)
            // Lanes are always checked out and notice by themselves when they break.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(LaneManager { origin: origin.clone() });
        let exclusives = bb8::Pool::builder()
            .max_size(u32::from(exclusives.max(1)))
            .connection_timeout(NEVER)
            // Asks our manager, which sends a PING only to a connection that was idle long.
            .test_on_check_out(true)
            .idle_timeout(IDLE)
            // The one used last is the one least likely to have been cut.
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .build_unchecked(ExclusiveManager { origin: origin.clone() });
        Self {
            origin,
            lanes: pool,
            slots: (0..lanes).map(|_| Slot::default()).collect(),
            next: AtomicUsize::new(0),
            next_patient: AtomicUsize::new(0),
            queued: Queued::default(),
            big: Slot::default(),
            exclusives,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Queues a request on an open lane, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        let is_big = request.is_longer_than(BIG);
        let slot = if is_big { Some(&self.big) } else { self.pick() };
        if let Some(slot) = slot
            && let Some(held) = &*slot.held()
            && held.lane.is_open()
        {
            return self.submit_on(&held.lane, request, namespace, deadline);
        }
        // Another lane does as well, while that one is connected.
        if !is_big && let Some(lane) = self.slots.iter().find_map(Slot::open) {
            self.revive();
            return self.submit_on(&lane, request, namespace, deadline);
        }
        Submitted::NoLane
    }

    #[inline]
    fn submit_on(&self, lane: &Lane, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        match self.check(request, namespace) {
            Ok(()) => lane.submit(request, namespace, deadline),
            Err(error) => Submitted::Refused(error),
        }
    }

    /// Connects a lane that is not, for those to come.
    fn revive(&self) {
        if self.origin.health.breaker.admit().is_err() {
            return;
        }
        let Some(nth) = to_connect(&self.slots) else { return };
        let Some(slot) = self.slots.get(nth) else { return };
        if slot.is_being_revived() {
            return;
        }
        let (slots, lanes, origin) = (Arc::clone(&self.slots), self.lanes.clone(), self.origin.clone());
        tokio::spawn(async move {
            if let Some(slot) = slots.get(nth) {
                let deadline = Deadline::after(origin.settings.timeout);
                // Whether it succeeds shows when somebody wants it.
                let _ = slot.lane(&lanes, &origin, deadline).await;
                slot.is_revived();
            }
        });
    }

    /// Runs a request once, connecting first where needed, and says which server has answered: the preferred one where that
    /// is possible. Nothing is sent once `closed` is set.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &AtomicBool,
        preferred: Option<ServerRun>,
    ) -> Result<(Replies, ServerRun), Error> {
        loop {
            let waiting = self.queued.enter(request, &self.origin.settings)?;
            let slot = if request.is_longer_than(BIG) { Some(&self.big) } else { self.choose(preferred) };
            let slot = slot.ok_or_else(|| Error::configuration("a pool needs at least one lane"))?;
            let lane = match self.connected(slot, deadline).await {
                Ok(lane) => lane,
                // A server that takes no more connections still answers on those that there are.
                Err(error) => self.slots.iter().find_map(Slot::open).ok_or(error)?,
            };
            drop(waiting);
            if closed.load(Ordering::Acquire) {
                return Err(Error::closed());
            }
            self.check(request, namespace)?;
            match lane.submit(request, namespace, deadline) {
                Submitted::Waiting(receiver) => {
                    let lost = |_| Err(Error::connection_lost("its driver has ended"));
                    return Ok((receiver.await.unwrap_or_else(lost)?, lane.server()));
                }
                Submitted::Refused(error) => return Err(error),
                // It closed since then and took nothing: the next turn of the loop makes another.
                Submitted::NoLane => {}
            }
        }
    }

    async fn connected(&self, slot: &Slot, deadline: Deadline) -> Result<Lane, Error> {
        slot.lane(&self.lanes, &self.origin, deadline).await
    }

    /// Refuses what a cluster would refuse in part, after having done the rest.
    fn check(&self, request: &Request, namespace: &str) -> Result<(), Error> {
        request.check_size(self.origin.settings.max_value)?;
        if self.origin.health.is_cluster() {
            request.across_slots(namespace).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Checks a connection out for one user alone.
    pub(crate) async fn exclusive(&self, deadline: Deadline) -> Result<RawConnection, Error> {
        self.origin.health.breaker.admit()?;
        let most = usize::try_from(self.origin.settings.max_in_flight).unwrap_or(usize::MAX);
        let before = self.waiting.load(Ordering::Relaxed);
        if before >= most {
            return Err(Error::overloaded(before, 0));
        }
        let asked = Instant::now();
        let waiting = Waiting::new(&self.waiting);
        match timeout_at(deadline.at(), fresh(&self.exclusives, asked)).await {
            Ok(Ok(connection)) => match &*connection {
                Attempt::Connected(_) => Ok(RawConnection::pooled(connection)),
                Attempt::Failed(error, _) => Err(error.clone()),
            },
            Ok(Err(_)) | Err(_) => {
                drop(waiting);
                Err(self.busy(deadline))
            }
        }
    }

    /// Why no exclusive connection was to be had in time.
    fn busy(&self, deadline: Deadline) -> Error {
        let state = self.exclusives.state();
        let busy = state.connections.saturating_sub(state.idle_connections);
        let most = self.origin.settings.exclusives;
        if busy < u32::from(most) {
            // With room for more, nobody holds us up: it is the server that does not answer.
            return deadline.passed(Budget::Connect);
        }
        let waiting = self.waiting.load(Ordering::Relaxed);
        let mut message = format!(
            "all {most} exclusive connections stayed busy, and {waiting} more callers wait for one; raise `exclusives` or \
             hold them for less time"
        );
        if let Some(error) = self.origin.health.last_error() {
            message.push_str("; the last error of the pool's connections: ");
            message.push_str(&error);
        }
        deadline.passed(Budget::Checkout).reworded(&message)
    }

    /// Connects every lane that is not, so that the first commands find them open.
    pub(crate) async fn connect(&self, deadline: Deadline) -> Result<(), Error> {
        for slot in self.slots.iter() {
            self.connected(slot, deadline).await?;
        }
        Ok(())
    }

    /// Has the connections made anew by the commands to come: the name of the server may stand for another one now.
    pub(crate) fn renew(&self) {
        self.origin.health.new_generation();
        for slot in self.slots() {
            slot.renew();
        }
    }

    /// Takes no more commands. What it gives waits until those under way are answered, or their deadlines pass.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<> {
        let open: Vec<_> = self.slots().filter_map(Slot::take).collect();
        for lane in &open {
            lane.close();
        }
        async move {
            for lane in &open {
                lane.ended().await;
            }
        }
    }

    /// How many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        let open = self.slots().filter_map(Slot::open);
        open.fold((0, 0), |(lanes, waiting), lane| (lanes + 1, waiting + lane.in_flight()))
    }

    pub(crate) fn exclusives(&self) -> bb8::State {
        self.exclusives.state()
    }

    /// How many wait for an exclusive.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many requests wait for a lane.
    pub(crate) fn queued(&self) -> usize {
        self.queued.count.load(Ordering::Relaxed)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain([&self.big])
    }

    /// The slot for a request that can wait for a connection: one of the preferred server, else an open one, while the others
    /// are connected; else one that nobody is connecting yet.
    fn choose(&self, preferred: Option<ServerRun>) -> Option<&Slot> {
        let first = self.next_patient.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..self.slots.len()).map(|nth| (first.wrapping_add(nth)) % self.slots.len());
        let slots = || in_turn().filter_map(|nth| self.slots.get(nth));
        let is_preferred = |slot: &&Slot| slot.open().is_some_and(|lane| preferred == Some(lane.server()));
        if let Some(slot) = slots().find(is_preferred).or_else(|| slots().find(|slot| slot.open().is_some()))
        {
            self.revive();
            return Some(slot);
        }
        to_connect(&self.slots).and_then(|nth| self.slots.get(nth)).or_else(|| slots().next())
    }

    fn pick(&self) -> Option<&Slot> {
        match &*self.slots {
            [only] => Some(only),
            slots => slots.get(self.next.fetch_add(1, Ordering::Relaxed) % slots.len().max(1)),
        }
    }
}

/// The requests that wait for a connection: as bounded as those on one.
#[derive(Default)]
struct Queued {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// One of them, for as long as it lives.
struct Place<'q> {
    queued: &'q Queued,
    bytes: usize,
}

impl Queued {
    fn enter(&self, request: &Request, settings: &Settings) -> Result<Place<'_>, Error> {
        let bytes = request.length();
        let place = Place { queued: self, bytes };
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let most = usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX);
        if count >= most || waiting > settings.max_queued_bytes {
            return Err(Error::overloaded(count, waiting));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queued.count.fetch_sub(1, Ordering::Relaxed);
        self.queued.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Counts one who waits, for as long as it lives.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
