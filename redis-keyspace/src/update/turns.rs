//! Who updates a key in this process goes one after the other: tasks that race each other would mostly lose.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Places = Mutex<HashMap<String, Arc<AsyncMutex<()>>>>;

/// The keys that are being updated.
#[derive(Default)]
pub(crate) struct Turns {
    places: Arc<Places>,
}

/// The right to update a key, as far as this process is concerned.
pub(crate) struct Turn {
    places: Arc<Places>,
    key: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn at a key, in the order of asking.
    pub(crate) async fn take(&self, key: String) -> Turn {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(key.clone()).or_default())
        };
        // Made before the wait, so that who gives up waiting leaves nothing behind.
        let mut turn = Turn { places: Arc::clone(&self.places), key, guard: None };
        turn.guard = Some(place.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can have come to hold it since: that takes the lock.
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_stays_behind() {
        let turns = Arc::new(Turns::default());
        let first = turns.take("k".to_owned()).await;
        let other = turns.take("l".to_owned()).await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.take("k".to_owned()).await) }
        });
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(5), turns.take("k".to_owned()));
        assert!(given_up.await.is_err() && !waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(other);
        assert!(turns.places.lock().unwrap().is_empty());
    }
}
