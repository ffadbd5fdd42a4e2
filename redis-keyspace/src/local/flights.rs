//! Loads under way in this process, so that callers who miss the same key at once share one.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, watch};

/// Why a load failed. Only its leader and its followers know the type.
pub(crate) type Cause = Arc<dyn Any + Send + Sync>;

/// How far a load is.
#[derive(Clone)]
pub(crate) enum LoadStage {
    /// The right to load is not taken yet: whatever has been written, the load comes after it.
    Beginning,
    /// The loader runs, under the lease of this token; without one when Redis is away.
    Loading {
        token: Option<Arc<str>>,
        /// What may be given to who does not want to wait.
        stale: Option<Arc<[u8]>>,
    },
    /// Without it: this value was there when the right to load was asked for, or it was known that there is none.
    Found(Option<Arc<[u8]>>),
    /// It has brought this value, encoded, or that there is none.
    Done {
        value: Option<Arc<[u8]>>,
        /// Without Redis.
        degraded: bool,
    },
    /// The load has failed, and why, if that can be told to others.
    Failed(Option<Cause>),
}

/// The loads under way, by the name of their key on the server.
#[derive(Default)]
pub(crate) struct Flights {
    shared: Arc<FlightTable>,
}

#[derive(Default)]
struct FlightTable {
    under_way: Mutex<HashMap<String, Flight>>,
    /// How many have been begun.
    begun: AtomicU64,
}

struct Flight {
    number: u64,
    stage: watch::Receiver<LoadStage>,
    /// The keys whose loads this one waits for.
    awaits: Vec<String>,
}

/// What becomes of a caller who has found nothing.
pub(crate) enum LoadRole {
    Leader(Leader),
    /// The load was begun after the caller came.
    Follower(Follower),
    /// It was begun before, so what it loads may have been written since.
    Latecomer(Follower),
}

/// The one who loads. Without an outcome, because it failed, panicked or was dropped, another one is to.
pub(crate) struct Leader {
    shared: Arc<FlightTable>,
    key: String,
    number: u64,
    stage: watch::Sender<LoadStage>,
}

/// One who waits for it.
pub(crate) struct Follower {
    number: u64,
    stage: watch::Receiver<LoadStage>,
    /// It came while the right to load was being asked for: what was found by that may have been written before it came.
    pub(crate) is_late: bool,
    /// While it waits, if it is part of a load itself.
    waiting: Option<Waiting>,
}

/// Loads that wait for another one, until this is dropped.
struct Waiting {
    shared: Arc<FlightTable>,
    /// The keys of the loads that wait.
    leading: Vec<String>,
    awaited: String,
}

impl Flights {
    /// The moment, as far as loads are concerned.
    pub(crate) fn now(&self) -> u64 {
        self.shared.begun.load(Ordering::Acquire)
    }

    /// Joins the load of a key, which is begun by the first. `came` is the moment at which the caller came.
    pub(crate) fn join(&self, key: &str, came: u64) -> LoadRole {
        let mut under_way = self.shared.lock();
        match under_way.get(key) {
            Some(entry) => {
                let follower = Follower::of(entry);
                if entry.number > came { LoadRole::Follower(follower) } else { LoadRole::Latecomer(follower) }
            }
            None => LoadRole::Leader(self.begin(&mut under_way, key)),
        }
    }

    /// Leads a new load that replaces an old one. Follows one that began after the old one.
    pub(crate) fn supersede(&self, key: &str, old: &Follower) -> LoadRole {
        let mut under_way = self.shared.lock();
        match under_way.get(key) {
            Some(entry) if entry.number != old.number => LoadRole::Follower(Follower::of(entry)),
            _ => LoadRole::Leader(self.begin(&mut under_way, key)),
        }
    }

    /// Registers that the loads of the keys `leading` wait for the load of `key`, which `follower` follows. Returns false if
    /// that load waits for one of them: then waiting would deadlock.
    pub(crate) fn wait_for(&self, leading: Vec<String>, key: &str, follower: &mut Follower) -> bool {
        if leading.is_empty() {
            return true;
        }
        let mut in_flight = self.shared.lock();
        let (mut next, mut seen) = (vec![key], HashSet::new());
        while let Some(awaited) = next.pop() {
            if leading.iter().any(|leading| leading == awaited) {
                return false;
            }
            if let Some(flight) = in_flight.get(awaited)
                && seen.insert(awaited)
            {
                next.extend(flight.awaits.iter().map(String::as_str));
            }
        }
        for leading in &leading {
            if let Some(flight) = in_flight.get_mut(leading) {
                flight.awaits.push(key.to_owned());
            }
        }
        drop(in_flight);
        let shared = Arc::clone(&self.shared);
        follower.waiting = Some(Waiting { shared, leading, awaited: key.to_owned() });
        true
    }

    /// Stops callers from joining the load of a key, because the key was written.
    pub(crate) fn end(&self, key: &str) {
        self.shared.lock().remove(key);
    }

    /// Stops callers from joining any load in flight.
    pub(crate) fn end_all(&self) {
        self.shared.lock().clear();
    }

    /// The leader of a load that nobody joins.
    pub(crate) fn alone(key: &str) -> Leader {
        let flights = Self::default();
        let mut under_way = flights.shared.lock();
        flights.begin(&mut under_way, key)
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.lock().is_empty()
    }

    fn begin(&self, under_way: &mut HashMap<String, Flight>, key: &str) -> Leader {
        let number = self.shared.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let (stage, receiver) = watch::channel(LoadStage::Beginning);
        under_way.insert(key.to_owned(), Flight { number, stage: receiver, awaits: Vec::new() });
        Leader { shared: Arc::clone(&self.shared), key: key.to_owned(), number, stage }
    }
}

impl FlightTable {
    // Not `crate::sync::lock`: under test, this mutex belongs to a scheduler.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader {
    /// Says that the loader runs.
    pub(crate) fn loads(&self, token: Option<Arc<str>>, stale: Option<Arc<[u8]>>) {
        self.stage.send_replace(LoadStage::Loading { token, stale });
    }

    /// Says what there is, before it leaves.
    pub(crate) fn tell(&self, stage: LoadStage) {
        self.leave();
        self.stage.send_replace(stage);
    }

    /// Hands the outcome to those who wait, if anybody does: it is encoded for them only. Without one, they are on their own.
    pub(crate) fn finish(self, encode: impl FnOnce() -> Option<LoadStage>) {
        // From here on, nobody joins.
        self.leave();
        if self.stage.receiver_count() > 0
            && let Some(outcome) = encode()
        {
            self.stage.send_replace(outcome);
        }
    }

    /// Whether anyone waits for this load.
    pub(crate) fn is_followed(&self) -> bool {
        let in_flight = self.shared.lock();
        let is_listed = in_flight.get(&self.key).is_some_and(|entry| entry.number == self.number);
        self.stage.receiver_count() > usize::from(is_listed)
    }

    /// A follower of this load, for who has given the leading of it away.
    pub(crate) fn follower(&self) -> Follower {
        Follower { number: self.number, stage: self.stage.subscribe(), is_late: false, waiting: None }
    }

    fn leave(&self) {
        let mut under_way = self.shared.lock();
        // The place may be another one's already.
        if under_way.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            under_way.remove(&self.key);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Follower {
    fn of(entry: &Flight) -> Self {
        Self { number: entry.number, stage: entry.stage.clone(), is_late: false, waiting: None }
    }

    pub(crate) fn stage(&self) -> LoadStage {
        self.stage.borrow().clone()
    }

    /// Waits for what is to be told: the outcome, or with `impatience` that there is something stale; `None` when the leader
    /// has gone without, or all that it has is of before this one came.
    pub(crate) async fn wait(&mut self, impatience: bool) -> Option<LoadStage> {
        let tells = |stage: &LoadStage| match stage {
            LoadStage::Done { .. } | LoadStage::Found(_) | LoadStage::Failed(_) => true,
            LoadStage::Loading { stale, .. } => impatience && stale.is_some(),
            LoadStage::Beginning => false,
        };
        let told = self.stage.wait_for(tells).await.ok().map(|stage| stage.clone());
        self.waiting = None;
        told.filter(|stage| !self.is_late || matches!(stage, LoadStage::Done { .. } | LoadStage::Failed(_)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut in_flight = self.shared.lock();
        for leading in &self.leading {
            if let Some(flight) = in_flight.get_mut(leading)
                && let Some(place) = flight.awaits.iter().position(|awaited| *awaited == self.awaited)
            {
                flight.awaits.swap_remove(place);
            }
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}
