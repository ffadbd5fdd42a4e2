//! The loads in flight in this process. Callers that miss the same key at the same time share one
//! load.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, watch};

/// Why a load failed. Only its leader and its followers know the type.
pub(crate) type Cause = Arc<dyn Any + Send + Sync>;

/// The stage of a load.
#[derive(Clone)]
pub(crate) enum LoadStage {
    /// The lease is not acquired yet. Everything written so far precedes the load.
    Beginning,
    /// The loader runs under the lease with this token, or without a lease if Redis is unavailable.
    Loading {
        token: Option<Arc<str>>,
        /// The stale value for callers that do not wait.
        stale: Option<Arc<[u8]>>,
    },
    /// No load is needed. When the lease was requested, the key held this value, or was known not
    /// to exist (`None`).
    Found(Option<Arc<[u8]>>),
    /// The load returned this value, encoded, or no value.
    Done {
        value: Option<Arc<[u8]>>,
        /// Whether the load ran without Redis.
        degraded: bool,
    },
    /// The load failed. The cause is set if other callers may see it.
    Failed(Option<Cause>),
}

/// The loads in flight, by the name of their key on the server.
#[derive(Default)]
pub(crate) struct Flights {
    shared: Arc<FlightTable>,
}

#[derive(Default)]
struct FlightTable {
    in_flight: Mutex<HashMap<String, Flight>>,
    /// How many loads have started.
    started: AtomicU64,
}

struct Flight {
    number: u64,
    stage: watch::Receiver<LoadStage>,
    /// The keys whose loads this one waits for.
    awaits: Vec<String>,
}

/// The role of a caller that missed.
pub(crate) enum LoadRole {
    Leader(Leader),
    /// The load started after the caller arrived.
    Follower(Follower),
    /// The load started before the caller arrived, so the key may have been written since the value
    /// was loaded.
    Latecomer(Follower),
}

/// The caller that loads. If it ends without an outcome, because it failed, panicked or was
/// dropped, another caller must load.
pub(crate) struct Leader {
    shared: Arc<FlightTable>,
    key: String,
    number: u64,
    stage: watch::Sender<LoadStage>,
}

/// A caller that waits for a load.
pub(crate) struct Follower {
    number: u64,
    stage: watch::Receiver<LoadStage>,
    /// Set if the caller arrived while the lease was being requested. A value found by that request
    /// may be older than the caller.
    pub(crate) is_late: bool,
    /// Set while the caller waits, if it is part of another load.
    waiting: Option<Waiting>,
}

/// Loads that wait for another load, until this guard is dropped.
struct Waiting {
    shared: Arc<FlightTable>,
    /// The keys of the loads that wait.
    leading: Vec<String>,
    awaited: String,
}

impl Flights {
    /// Returns the current moment, as the number of loads that have started.
    pub(crate) fn now(&self) -> u64 {
        self.shared.started.load(Ordering::Acquire)
    }

    /// Joins the load of a key, or starts it. `arrived` is the moment at which the caller arrived;
    /// see [`now`](Self::now).
    pub(crate) fn join(&self, key: &str, arrived: u64) -> LoadRole {
        let mut in_flight = self.shared.lock();
        match in_flight.get(key) {
            Some(entry) => {
                let follower = Follower::of(entry);
                if entry.number > arrived {
                    LoadRole::Follower(follower)
                } else {
                    LoadRole::Latecomer(follower)
                }
            }
            None => LoadRole::Leader(self.begin(&mut in_flight, key)),
        }
    }

    /// Starts a new load that replaces an old one. Follows the current load instead if it is not
    /// the old one.
    pub(crate) fn supersede(&self, key: &str, old: &Follower) -> LoadRole {
        let mut in_flight = self.shared.lock();
        match in_flight.get(key) {
            Some(entry) if entry.number != old.number => LoadRole::Follower(Follower::of(entry)),
            _ => LoadRole::Leader(self.begin(&mut in_flight, key)),
        }
    }

    /// Registers that the loads of the keys `leading` wait for the load of `key`, which `follower`
    /// follows. Returns false if that load itself waits for one of them: waiting would deadlock.
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

    /// Stops callers from joining the loads with these names, because their keys were written.
    pub(crate) fn end(&self, is_written: impl Fn(&str) -> bool) {
        self.shared.lock().retain(|name, _| !is_written(name));
    }

    /// Stops callers from joining any load in flight.
    pub(crate) fn end_all(&self) {
        self.shared.lock().clear();
    }

    /// Returns the leader of a load that no other caller can join.
    pub(crate) fn alone(key: &str) -> Leader {
        let flights = Self::default();
        let mut in_flight = flights.shared.lock();
        flights.begin(&mut in_flight, key)
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.lock().is_empty()
    }

    fn begin(&self, in_flight: &mut HashMap<String, Flight>, key: &str) -> Leader {
        let number = self.shared.started.fetch_add(1, Ordering::AcqRel) + 1;
        let (stage, receiver) = watch::channel(LoadStage::Beginning);
        in_flight.insert(key.to_owned(), Flight { number, stage: receiver, awaits: Vec::new() });
        Leader { shared: Arc::clone(&self.shared), key: key.to_owned(), number, stage }
    }
}

impl FlightTable {
    // Not `crate::sync::lock`: in tests, this mutex belongs to a scheduler.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader {
    /// Publishes that the loader runs.
    pub(crate) fn loads(&self, token: Option<Arc<str>>, stale: Option<Arc<[u8]>>) {
        self.stage.send_replace(LoadStage::Loading { token, stale });
    }

    /// Stops callers from joining, then publishes the stage.
    pub(crate) fn tell(&self, stage: LoadStage) {
        self.leave();
        self.stage.send_replace(stage);
    }

    /// Publishes the outcome to the callers that wait. It is encoded only if there are any. Without
    /// an outcome, these callers must load themselves.
    pub(crate) fn finish(self, encode: impl FnOnce() -> Option<LoadStage>) {
        // No caller joins from here on.
        self.leave();
        if self.stage.receiver_count() > 0
            && let Some(outcome) = encode()
        {
            self.stage.send_replace(outcome);
        }
    }

    /// Whether any caller waits for this load.
    pub(crate) fn is_followed(&self) -> bool {
        let in_flight = self.shared.lock();
        let is_listed = in_flight.get(&self.key).is_some_and(|entry| entry.number == self.number);
        self.stage.receiver_count() > usize::from(is_listed)
    }

    /// Returns a follower of this load, for a caller that hands the leader to another task.
    pub(crate) fn follower(&self) -> Follower {
        Follower { number: self.number, stage: self.stage.subscribe(), is_late: false, waiting: None }
    }

    fn leave(&self) {
        let mut in_flight = self.shared.lock();
        // The entry may already be that of another load.
        if in_flight.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            in_flight.remove(&self.key);
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

    /// Waits for the outcome of the load, or with `impatience` for a stale value. Returns `None` if
    /// the leader ended without an outcome, or if all it has may be older than this caller.
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
