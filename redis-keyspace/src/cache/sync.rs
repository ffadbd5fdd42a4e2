//! What flights are made of: in one place, so that a test can put a scheduler of its own under them.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use tokio::sync::watch;
