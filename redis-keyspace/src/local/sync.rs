//! The primitives of flights, in one place, so that a test can replace them by those of a scheduler.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use tokio::sync::watch;
