//! Tasks of this process that update or lock the same key take turns. Without turns, most of them
//! would lose the race and retry.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::sync::lock;

/// Since when the tasks of this process have handed a lock to each other, without another process
/// getting it.
#[derive(Debug, Default)]
pub(crate) struct Streak(pub(crate) Option<Instant>);

type Places<T> = Mutex<HashMap<String, Arc<AsyncMutex<T>>>>;

/// The keys in use. Each has a state that one turn leaves for the next.
pub(crate) struct Turns<T = ()> {
    places: Arc<Places<T>>,
}

/// The right to work on a key in this process.
pub(crate) struct Turn<T = ()> {
    places: Arc<Places<T>>,
    key: String,
    guard: Option<OwnedMutexGuard<T>>,
}

impl<T: Default> Turns<T> {
    /// Waits for the turn at a key, in the order of arrival.
    pub(crate) async fn take(&self, key: String) -> Turn<T> {
        let (mut turn, place) = self.place(key);
        turn.guard = Some(place.lock_owned().await);
        turn
    }

    /// Returns the turn at a key if it is free.
    pub(crate) fn try_take(&self, key: String) -> Option<Turn<T>> {
        let (mut turn, place) = self.place(key);
        turn.guard = Some(place.try_lock_owned().ok()?);
        Some(turn)
    }

    /// Creates the turn before waiting for it, so that a task that stops waiting leaves nothing
    /// behind.
    fn place(&self, key: String) -> (Turn<T>, Arc<AsyncMutex<T>>) {
        let place = {
            let mut places = lock(&self.places);
            Arc::clone(places.entry(key.clone()).or_default())
        };
        (Turn { places: Arc::clone(&self.places), key, guard: None }, place)
    }
}

impl<T> Turn<T> {
    /// Returns the state that the last turn left.
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
        let mut places = lock(&self.places);
        // No other task can have cloned this place meanwhile: that requires the lock on `places`.
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
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn tasks_take_turns_and_leave_nothing_behind() {
        let turns = Arc::new(Turns::<()>::default());
        let first = turns.take("k".to_owned()).await;
        let other = turns.take("l".to_owned()).await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.take("k".to_owned()).await) }
        });
        // Polled once, then dropped.
        assert!(turns.take("k".to_owned()).now_or_never().is_none());
        assert!(!waiting.is_finished());
        assert!(turns.try_take("k".to_owned()).is_none());
        drop(first);
        waiting.await.unwrap();
        drop(other);
        assert!(turns.try_take("k".to_owned()).is_some());
        assert!(turns.places.lock().unwrap().is_empty());
    }
}
