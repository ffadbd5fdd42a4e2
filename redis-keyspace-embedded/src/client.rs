//! What a connection knows of itself between two commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::command::Spec;
use crate::resp::Protocol;
use crate::state::State;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) db: usize,
    pub(crate) protocol: Protocol,
    /// Who the connection speaks for; nobody before it has authenticated.
    pub(crate) user: Option<String>,
    pub(crate) transaction: Option<Transaction>,
    watched: Vec<(usize, Bytes)>,
    /// Raised by whoever changes a watched key.
    dirty: Arc<AtomicBool>,
    pub(crate) subscribed: bool,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) queue: Vec<(&'static Spec, Vec<Bytes>)>,
    /// A command could not be queued, so EXEC will refuse.
    pub(crate) broken: bool,
}

impl Client {
    pub(crate) fn new(id: u64, user: Option<String>) -> Self {
        Self {
            id,
            db: 0,
            protocol: Protocol::Resp2,
            user,
            transaction: None,
            watched: Vec::new(),
            dirty: Arc::default(),
            subscribed: false,
        }
    }

    pub(crate) fn watch(&mut self, state: &mut State, key: &Bytes) {
        if self.watched.iter().any(|(db, watched)| *db == self.db && watched == key) {
            return;
        }
        if let Some(db) = state.dbs.get_mut(self.db) {
            db.watch(key, &self.dirty);
            self.watched.push((self.db, Bytes::copy_from_slice(key)));
        }
    }

    /// Forgets the watched keys and says whether one of them has changed.
    pub(crate) fn unwatch(&mut self, state: &mut State, now: i64) -> bool {
        for (index, key) in self.watched.drain(..) {
            if let Some(db) = state.dbs.get_mut(index) {
                db.purge(now); // an expiry is a change, also when nobody has looked since
                db.unwatch(&key, &self.dirty);
            }
        }
        self.dirty.swap(false, Ordering::Relaxed)
    }

    /// Marks a transaction under way so that EXEC refuses it.
    pub(crate) fn break_transaction(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.broken = true;
        }
    }
}
