//! The state of a connection between two commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::resp::Protocol;
use crate::state::State;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) db: usize,
    pub(crate) protocol: Protocol,
    /// The user of the connection; `None` until it has authenticated.
    pub(crate) user: Option<String>,
    watched: Vec<(usize, Bytes)>,
    /// Set by every change of a watched key.
    dirty: Arc<AtomicBool>,
    pub(crate) subscribed: bool,
    pub(crate) replies: ReplyMode,
}

/// Which commands of a connection are answered: `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command is not answered.
    Skip,
}

impl Client {
    pub(crate) fn new(id: u64, user: Option<String>) -> Self {
        Self {
            id,
            db: 0,
            protocol: Protocol::Resp2,
            user,
            watched: Vec::new(),
            dirty: Arc::default(),
            subscribed: false,
            replies: ReplyMode::On,
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

    /// Forgets the watched keys. Returns whether one of them has changed.
    pub(crate) fn unwatch(&mut self, state: &mut State, now: i64) -> bool {
        for (index, key) in self.watched.drain(..) {
            if let Some(db) = state.dbs.get_mut(index) {
                db.purge(now); // an expiry is a change, even if no command has removed the key yet
                db.unwatch(&key, &self.dirty);
            }
        }
        self.dirty.swap(false, Ordering::Relaxed)
    }
}
