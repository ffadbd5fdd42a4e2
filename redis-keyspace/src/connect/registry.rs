//! All pools of the process. Equal configurations share a pool.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use tokio::runtime::{Handle, Id};

use super::pool::Pool;
use crate::config::{ServerIdentity, Settings};
use crate::local::DatabaseReads;
use crate::sync::lock;

/// Tasks of a runtime drive its connections, so each runtime needs its own pool.
type Pools = Mutex<HashMap<(Arc<Settings>, Id), Weak<Pool>>>;

static POOLS: LazyLock<Pools> = LazyLock::new(Pools::default);

type Databases = HashMap<(ServerIdentity, u16), Weak<DatabaseReads>>;

/// Pools of the same database share what they have read from it, even if they differ in other
/// settings or in their runtime.
static DATABASES: LazyLock<Mutex<Databases>> = LazyLock::new(Mutex::default);

fn reads_of(settings: &Settings) -> Arc<DatabaseReads> {
    let mut databases = lock(&DATABASES);
    let key = (settings.endpoint.identity(), settings.db);
    databases.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
        databases.retain(|_, reads| reads.strong_count() > 0);
        let reads = Arc::default();
        databases.insert(key, Arc::downgrade(&reads));
        reads
    })
}

/// A counted reference to a pool. The pool closes when the last reference is dropped.
///
/// A handle that is closed releases its references, because they may live on: in the handles of its
/// tenants, in subscriptions, in guards, and in commands that wait.
pub(crate) struct PoolRef {
    pool: Arc<Pool>,
    runtime: Id,
    /// Whether a keyspace holds the reference, instead of a handle for its own commands.
    of_keyspace: bool,
    /// Whether the reference is not counted any more.
    is_released: AtomicBool,
}

impl PoolRef {
    /// Returns the pool of this configuration on this runtime. Creates it if it does not exist.
    pub(crate) fn obtain(settings: Settings, runtime: &Handle, of_keyspace: bool) -> Self {
        let mut pools = lock(&POOLS);
        let key = (Arc::new(settings), runtime.id());
        let pool = pools.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let pool = Arc::new(Pool::new(Arc::clone(&key.0), reads_of(&key.0)));
            pools.insert(key, Arc::downgrade(&pool));
            pool
        });
        pool.refs.fetch_add(1, Ordering::Relaxed);
        pool.keyspaces.fetch_add(usize::from(of_keyspace), Ordering::Relaxed);
        Self { pool, runtime: runtime.id(), of_keyspace, is_released: AtomicBool::new(false) }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The runtime that drives the connections.
    pub(crate) fn runtime(&self) -> Id {
        self.runtime
    }

    /// Stops counting the reference. Returns whether it was the last one that was counted: then no
    /// later caller obtains the pool, so it can be closed.
    pub(crate) fn release(&self) -> bool {
        // Hold the lock, so that no caller obtains the pool while it is being removed.
        let mut pools = lock(&POOLS);
        if self.is_released.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.pool.keyspaces.fetch_sub(usize::from(self.of_keyspace), Ordering::Relaxed);
        let last = self.pool.refs.fetch_sub(1, Ordering::Relaxed) == 1;
        // The settings contain the password, and possibly an embedded server or a pool of the
        // application. Drop them too.
        let key = (Arc::clone(&self.pool.settings), self.runtime);
        // The entry is of this pool: another one gets the place only after this.
        let gone = if last { pools.remove_entry(&key) } else { None };
        drop(pools); // release the lock first: dropping the settings may take time
        drop(gone);
        last
    }
}

impl Drop for PoolRef {
    fn drop(&mut self) {
        // Parts of handles that were closed earlier may hold the pool.
        if self.release() && !self.pool.is_orphaned() {
            drop(self.pool.close());
        }
    }
}
