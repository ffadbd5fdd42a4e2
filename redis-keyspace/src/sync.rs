//! Locking, and flags of closed handles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks a mutex, poisoned or not. What this crate keeps under a lock is consistent after every statement, so a panic of
/// another thread leaves nothing half done.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a handle is closed: itself, or the handle that it was derived from.
#[derive(Debug, Default)]
pub(crate) struct ClosedFlag {
    is_set: AtomicBool,
    of: Option<Arc<ClosedFlag>>,
}

impl ClosedFlag {
    /// The flag of a derived handle, which is closed with the `whole`.
    pub(crate) fn of(whole: &Arc<Self>) -> Self {
        Self { is_set: AtomicBool::new(false), of: Some(Arc::clone(whole)) }
    }

    pub(crate) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire) || self.of.as_ref().is_some_and(|whole| whole.is_set())
    }
}
