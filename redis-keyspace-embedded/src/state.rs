//! The data that all connections of a server share behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::db::Db;
use crate::mailbox::MessageSender;
use crate::resp::Protocol;
use crate::script::Scripts;
use crate::statistics::Statistics;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dbs: Vec<Db>,
    pub(crate) clients: BTreeMap<u64, Peer>,
    /// The subscribers of each channel.
    pub(crate) channels: HashMap<Bytes, BTreeSet<u64>>,
    pub(crate) scripts: Scripts,
    pub(crate) config: BTreeMap<&'static str, Bytes>,
    pub(crate) random: u64,
    next_client: u64,
    pub(crate) connections_received: u64,
    pub(crate) commands_processed: u64,
    pub(crate) statistics: Statistics,
}

/// The addresses of both ends of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) peer: String,
    pub(crate) local: String,
    pub(crate) is_unix: bool,
}

impl Endpoints {
    /// Creates the endpoints of a connection that has no addresses.
    pub(crate) fn named(name: &str) -> Self {
        Self { peer: name.to_owned(), local: name.to_owned(), is_unix: false }
    }
}

/// What other connections know about a connection, and how they can reach it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) endpoints: Endpoints,
    pub(crate) connected: i64,
    pub(crate) active: i64,
    pub(crate) name: Bytes,
    pub(crate) library: Bytes,
    pub(crate) library_version: Bytes,
    pub(crate) user: String,
    pub(crate) db: usize,
    pub(crate) protocol: Protocol,
    /// The number of commands queued since MULTI; -1 outside a transaction.
    pub(crate) queued: i64,
    pub(crate) command: &'static str,
    pub(crate) subscriptions: BTreeSet<Bytes>,
    /// Whether CLIENT NO-EVICT is on. It has no effect.
    pub(crate) no_evict: bool,
    pub(crate) messages: MessageSender,
    pub(crate) cut: Arc<Notify>,
}

impl State {
    pub(crate) fn new(databases: usize) -> Self {
        Self {
            dbs: (0..databases).map(|_| Db::default()).collect(),
            clients: BTreeMap::new(),
            channels: HashMap::new(),
            scripts: Scripts::default(),
            config: BTreeMap::new(),
            random: 0x9E37_79B9_7F4A_7C15,
            next_client: 1,
            connections_received: 0,
            commands_processed: 0,
            statistics: Statistics::default(),
        }
    }

    pub(crate) fn register(
        &mut self,
        endpoints: Endpoints,
        now: i64,
        messages: MessageSender,
        cut: Arc<Notify>,
    ) -> u64 {
        let id = self.next_client;
        self.next_client = id.saturating_add(1);
        self.connections_received = self.connections_received.saturating_add(1);
        let peer = Peer {
            endpoints,
            connected: now,
            active: now,
            name: Bytes::new(),
            library: Bytes::new(),
            library_version: Bytes::new(),
            user: "default".into(),
            db: 0,
            protocol: Protocol::Resp2,
            queued: -1,
            command: "NULL",
            subscriptions: BTreeSet::new(),
            no_evict: false,
            messages,
            cut,
        };
        self.clients.insert(id, peer);
        id
    }

    /// Closes a connection at once. From now on it counts as closed and executes no more commands.
    pub(crate) fn disconnect(&mut self, id: u64) {
        if let Some(peer) = self.clients.get(&id) {
            peer.cut.notify_one();
        }
        self.unregister(id);
    }

    pub(crate) fn unregister(&mut self, id: u64) {
        if let Some(peer) = self.clients.remove(&id) {
            for channel in &peer.subscriptions {
                self.leave(channel, id);
            }
        }
        self.dbs.iter_mut().filter(|db| db.waiting() > 0).for_each(|db| db.stop_waiting(id));
    }

    /// Unsubscribes a client from a channel.
    pub(crate) fn leave(&mut self, channel: &Bytes, id: u64) {
        if let Some(listeners) = self.channels.get_mut(channel) {
            listeners.remove(&id);
            if listeners.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    /// Serves clients that wait for keys that the last command changed.
    pub(crate) fn serve_waiters(&mut self, now: i64) {
        for db in self.dbs.iter_mut().filter(|db| db.waiting() > 0) {
            for failure in db.serve_waiters(now) {
                self.statistics.count_error(&failure.0);
            }
        }
    }

    /// Returns the next number of a splitmix64 sequence, which picks keys. The sequence is the same
    /// in every run.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
