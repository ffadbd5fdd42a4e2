//! Loads under way in this process, so that callers who miss the same key at once share one.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The encoded value that a load has brought.
type Loaded = Option<Arc<[u8]>>;

/// The loads under way, by the name of their key on the server.
#[derive(Default)]
pub(crate) struct Flights {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    under_way: Mutex<HashMap<String, watch::Receiver<Loaded>>>,
    /// How many have ended.
    ended: AtomicU64,
}

/// What becomes of a caller who has found nothing.
pub(crate) enum Part {
    Leader(Leader),
    Follower(Follower),
}

/// The one who loads. Without an outcome, because it failed, panicked or was dropped, another one is to.
pub(crate) struct Leader {
    shared: Arc<Shared>,
    key: String,
    outcome: watch::Sender<Loaded>,
}

/// One who waits for it.
pub(crate) struct Follower(watch::Receiver<Loaded>);

impl Flights {
    /// How many loads have ended so far. While that is the same, what was not there before is not there yet.
    pub(crate) fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Joins the load of a key, which is begun by the first.
    pub(crate) fn join(&self, key: String) -> Part {
        let mut under_way = self.shared.lock();
        if let Some(receiver) = under_way.get(&key) {
            return Part::Follower(Follower(receiver.clone()));
        }
        let (outcome, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver);
        Part::Leader(Leader { shared: Arc::clone(&self.shared), key, outcome })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Loaded>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader {
    /// Hands the value to those who wait, if anybody does: it is encoded for them only.
    pub(crate) fn finish(self, encode: impl FnOnce() -> Option<Vec<u8>>) {
        // From here on, nobody joins.
        self.leave();
        if self.outcome.receiver_count() > 0
            && let Some(value) = encode()
        {
            let _ = self.outcome.send(Some(value.into()));
        }
    }

    fn leave(&self) {
        let mut under_way = self.shared.lock();
        // After `finish`, the place may be another one's already.
        if under_way.get(&self.key).is_some_and(|receiver| receiver.same_channel(&self.outcome.subscribe())) {
            under_way.remove(&self.key);
            self.shared.ended.fetch_add(1, Ordering::Release);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Follower {
    /// Waits for the value; `None` when the leader has none for us.
    pub(crate) async fn wait(mut self) -> Option<Arc<[u8]>> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(flights: &Flights) -> Leader {
        let Part::Leader(leader) = flights.join("k".to_owned()) else { panic!("somebody leads already") };
        leader
    }

    fn follower(flights: &Flights) -> Follower {
        let Part::Follower(follower) = flights.join("k".to_owned()) else { panic!("nobody leads") };
        follower
    }

    #[tokio::test]
    async fn a_value_reaches_all_who_wait_and_nobody_later() {
        let flights = Flights::default();
        let first = leader(&flights);
        let (one, other) = (follower(&flights), follower(&flights));
        assert_eq!(flights.ended(), 0);
        first.finish(|| Some(b"v".to_vec()));
        let second = leader(&flights);
        assert_eq!(flights.ended(), 1);
        assert_eq!(one.wait().await.as_deref(), Some(&b"v"[..]));
        assert_eq!(other.wait().await.as_deref(), Some(&b"v"[..]));
        drop(second);
        assert!(flights.shared.lock().is_empty());
    }

    #[tokio::test]
    async fn a_leader_that_is_gone_wakes_everybody() {
        let flights = Flights::default();
        let first = leader(&flights);
        let (one, other) = (follower(&flights), follower(&flights));
        drop(first);
        assert!(one.wait().await.is_none() && other.wait().await.is_none());
        // One that ended long ago does not take the place of the next.
        let second = leader(&flights);
        let third = follower(&flights);
        second.finish(|| None);
        assert!(third.wait().await.is_none());
        assert!(flights.shared.lock().is_empty());
    }

    #[test]
    fn nobody_waits_and_nothing_is_encoded() {
        let flights = Flights::default();
        // The map's own receiver does not count.
        leader(&flights).finish(|| panic!("for nobody"));
    }
}
