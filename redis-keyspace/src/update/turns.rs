//! Who updates or locks a key in this process goes one after the other: tasks that race each other would mostly lose.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Places<T> = Mutex<HashMap<String, Arc<AsyncMutex<T>>>>;

/// The keys that are being worked on, each with what one who has the turn leaves for those who wait for it.
pub(crate) struct Turns<T = ()> {
    places: Arc<Places<T>>,
}

/// The right to work on a key, as far as this process is concerned.
pub(crate) struct Turn<T = ()> {
    places: Arc<Places<T>>,
    key: String,
    guard: Option<OwnedMutexGuard<T>>,
}

impl<T: Default> Turns<T> {
    /// Waits for the turn at a key, in the order of asking.
    pub(crate) async fn take(&self, key: String) -> Turn<T> {
        let (mut turn, place) = self.place(key);
        turn.guard = Some(place.lock_owned().await);
        turn
    }

    /// The turn at a key, if it is nobody's now.
    pub(crate) fn try_take(&self, key: String) -> Option<Turn<T>> {
        let (mut turn, place) = self.place(key);
        turn.guard = Some(place.try_lock_owned().ok()?);
        Some(turn)
    }

    /// The turn is made before the wait for it, so that who gives up waiting leaves nothing behind.
    fn place(&self, key: String) -> (Turn<T>, Arc<AsyncMutex<T>>) {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(key.clone()).or_default())
        };
        (Turn { places: Arc::clone(&self.places), key, guard: None }, place)
    }
}

impl<T> Turn<T> {
    /// What the last one has left.
    pub(crate) fn state(&mut self) -> Option<&mut T> {
        self.guard.as_deref_mut()
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { places: Arc::default() }
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can have come to hold it since: that takes the lock.
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}

impl<T> fmt::Debug for Turns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_stays_behind() {
        let turns = Arc::new(Turns::<()>::default());
        let first = turns.take("k".to_owned()).await;
        let other = turns.take("l".to_owned()).await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.take("k".to_owned()).await) }
        });
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(5), turns.take("k".to_owned()));
        assert!(given_up.await.is_err() && !waiting.is_finished());
        assert!(turns.try_take("k".to_owned()).is_none());
        drop(first);
        waiting.await.unwrap();
        drop(other);
        assert!(turns.try_take("k".to_owned()).is_some());
        assert!(turns.places.lock().unwrap().is_empty());
    }
}
