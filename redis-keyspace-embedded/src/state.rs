//! The data that all connections of a server share behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::db::Db;
use crate::limits::OutputLimit;
use crate::mailbox::MessageSender;
use crate::notices::EventClasses;
use crate::reply::Reply;
use crate::resp::Protocol;
use crate::script::Scripts;
use crate::statistics::Statistics;
use crate::subscriptions::{Subscribers, SubscriptionKind, Subscriptions};

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dbs: Vec<Db>,
    pub(crate) clients: BTreeMap<u64, Peer>,
    pub(crate) subscribers: Subscribers,
    /// The setting `notify-keyspace-events`.
    pub(crate) event_classes: EventClasses,
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
    pub(crate) subscriptions: Subscriptions,
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
            subscribers: Subscribers::default(),
            event_classes: EventClasses::default(),
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
            subscriptions: Subscriptions::default(),
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
            for kind in SubscriptionKind::ALL {
                for name in peer.subscriptions.of(kind) {
                    self.subscribers.leave(kind, name, id);
                }
            }
        }
        self.dbs.iter_mut().filter(|db| db.waiting() > 0).for_each(|db| db.stop_waiting(id));
    }

    /// Sends a message to the subscribers of a channel. Returns how many subscriptions matched.
    /// Adds the subscribers whose output is full to `overflowing`. They receive nothing more.
    pub(crate) fn publish(
        &self,
        channel: &Bytes,
        message: &Bytes,
        is_shard: bool,
        limit: &OutputLimit,
        overflowing: &mut BTreeSet<u64>,
    ) -> usize {
        let mut matched = 0_usize;
        for (id, pattern) in self.subscribers.recipients(channel, is_shard) {
            matched = matched.saturating_add(1);
            let Some(peer) = self.clients.get(&id).filter(|_| !overflowing.contains(&id)) else { continue };
            let name = match pattern {
                Some(_) => "pmessage",
                None if is_shard => "smessage",
                None => "message",
            };
            let parts: Vec<&Bytes> = pattern.into_iter().chain([channel, message]).collect();
            // The approximate size of the message on the wire.
            let size = parts.iter().map(|part| part.len().saturating_add(8)).sum::<usize>() + name.len() + 8;
            let parts = parts.into_iter().map(|part| Reply::Bulk(part.clone()));
            let push = std::iter::once(Reply::text(name)).chain(parts).collect();
            if limit.is_reached(peer.messages.send(Reply::Push(push), size)) {
                overflowing.insert(id);
            }
        }
        matched
    }

    /// Sets which events of keys are sent.
    pub(crate) fn set_event_classes(&mut self, classes: EventClasses) {
        self.event_classes = classes;
        self.dbs.iter_mut().for_each(|db| db.want_notices(classes));
    }

    /// Sends the events that were recorded since the last call.
    pub(crate) fn publish_notices(&mut self, limit: &OutputLimit, overflowing: &mut BTreeSet<u64>) {
        let classes = self.event_classes;
        if !classes.is_active() {
            return;
        }
        for index in 0..self.dbs.len() {
            let notices = self.dbs.get_mut(index).map(Db::take_notices).unwrap_or_default();
            for notice in notices {
                let event = Bytes::from_static(notice.event.as_bytes());
                if classes.contains(EventClasses::KEYSPACE) {
                    let channel = [format!("__keyspace@{index}__:").as_bytes(), &notice.key].concat();
                    self.publish(&channel.into(), &event, false, limit, overflowing);
                }
                if classes.contains(EventClasses::KEYEVENT) {
                    let channel = format!("__keyevent@{index}__:{}", notice.event);
                    self.publish(&channel.into(), &notice.key, false, limit, overflowing);
                }
            }
        }
    }

    /// Removes keys that have expired, serves the clients that wait for them, and sends the events.
    /// Otherwise the next command removes the keys.
    pub(crate) fn expire_keys(&mut self, now: i64, limit: &OutputLimit) {
        self.dbs.iter_mut().for_each(|db| db.purge(now));
        self.serve_waiters(now);
        let mut overflowing = BTreeSet::new();
        self.publish_notices(limit, &mut overflowing);
        overflowing.into_iter().for_each(|id| self.disconnect(id));
    }

    /// Serves clients that wait for keys that the last command changed. Returns whether the result
    /// of [`Self::next_awaited_expiry`] may have changed for one of the others.
    pub(crate) fn serve_waiters(&mut self, now: i64) -> bool {
        let mut rescheduled = false;
        for db in self.dbs.iter_mut().filter(|db| db.waiting() > 0) {
            for failure in db.serve_waiters(now) {
                self.statistics.count_error(&failure.0);
            }
            rescheduled |= db.take_rescheduled();
        }
        rescheduled
    }

    /// Returns when the first of the keys that a client waits for expires.
    pub(crate) fn next_awaited_expiry(&self, client: u64) -> Option<i64> {
        self.dbs.iter().filter_map(|db| db.next_awaited_expiry(client)).min()
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
