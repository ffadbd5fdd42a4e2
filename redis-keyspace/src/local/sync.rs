//! The synchronization primitives of flights, in one module, so that a test can replace them with
//! those of a scheduler.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use tokio::sync::watch;
