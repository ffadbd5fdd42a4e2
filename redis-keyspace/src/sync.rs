//! Locking of mutexes, and the flags of closed handles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Locks a mutex, poisoned or not. The data of this crate's mutexes is consistent after every
/// statement, so a panic in another thread leaves nothing half done.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flag that a handle is closed: the handle itself, or the one that it was derived from.
#[derive(Debug, Default)]
pub(crate) struct ClosedFlag {
    is_set: AtomicBool,
    /// Notified when it is set.
    news: Notify,
    of: Option<Arc<ClosedFlag>>,
}

impl ClosedFlag {
    /// Creates the flag of a derived handle, which is closed together with `whole`.
    pub(crate) fn of(whole: &Arc<Self>) -> Self {
        Self { of: Some(Arc::clone(whole)), ..Self::default() }
    }

    pub(crate) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Waits until the handle is closed.
    pub(crate) async fn closed(&self) {
        let whole = self.of.as_ref().map_or(&self.news, |whole| &whole.news);
        loop {
            // Created before the flag is read, so that no notification is missed.
            let (own, of_whole) = (self.news.notified(), whole.notified());
            if self.is_set() {
                return;
            }
            tokio::select! {
                () = own => {}
                () = of_whole => {}
            }
        }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire) || self.of.as_ref().is_some_and(|whole| whole.is_set())
    }
}
