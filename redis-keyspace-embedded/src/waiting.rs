//! Clients that wait for keys, in the order in which they began.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::reply::Reply;

/// A client that waits until one of its keys can be served.
#[derive(Debug)]
pub(crate) struct Waiter<S> {
    client: u64,
    keys: Vec<Bytes>,
    /// What the client waits for.
    pub(crate) serve: S,
    reply: oneshot::Sender<Reply>,
}

/// The waiting clients of a database. `S` is what they wait for.
#[derive(Debug)]
pub(crate) struct Waiters<S> {
    waiters: BTreeMap<u64, Waiter<S>>,
    /// The number of the waiter of each client. A client has at most one.
    clients: HashMap<u64, u64>,
    queues: HashMap<Bytes, BTreeSet<u64>>,
    next: u64,
    /// Changed keys that clients wait for, in the order of the changes.
    ready: Vec<Bytes>,
}

impl<S> Default for Waiters<S> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
            clients: HashMap::new(),
            queues: HashMap::new(),
            next: 0,
            ready: Vec::new(),
        }
    }
}

impl<S> Waiters<S> {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn contains(&self, client: u64) -> bool {
        self.clients.contains_key(&client)
    }

    /// Queues a client at all keys. Its reply arrives at the receiver.
    pub(crate) fn add(&mut self, client: u64, keys: &[Bytes], serve: S) -> oneshot::Receiver<Reply> {
        self.remove_client(client);
        let (reply, receiver) = oneshot::channel();
        let number = self.next;
        self.next = number.saturating_add(1);
        // A copy: a slice of a request would keep the whole read buffer alive.
        let keys: Vec<Bytes> = keys.iter().map(|key| Bytes::copy_from_slice(key)).collect();
        for key in &keys {
            self.queues.entry(key.clone()).or_default().insert(number);
        }
        self.clients.insert(client, number);
        self.waiters.insert(number, Waiter { client, keys, serve, reply });
        receiver
    }

    /// Removes a client after it was served, timed out or disconnected.
    pub(crate) fn remove_client(&mut self, client: u64) -> Option<Waiter<S>> {
        let number = self.clients.get(&client).copied()?;
        let waiter = self.waiters.remove(&number)?;
        self.leave(number, &waiter);
        Some(waiter)
    }

    /// Marks a key as changed if a client waits for it.
    pub(crate) fn changed(&mut self, key: &[u8]) {
        if let Some((key, _)) = self.queues.get_key_value(key)
            && !self.ready.contains(key)
        {
            self.ready.push(key.clone());
        }
    }

    /// Returns the keys that a client waits for.
    pub(crate) fn keys_of(&self, client: u64) -> &[Bytes] {
        let waiter = self.clients.get(&client).and_then(|number| self.waiters.get(number));
        waiter.map_or(&[], |waiter| &waiter.keys)
    }

    /// Whether clients wait for a key.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        self.queues.contains_key(key)
    }

    /// Returns the keys that clients wait for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.queues.keys()
    }

    /// Returns the keys that have changed since the last call, in the order of the changes.
    pub(crate) fn take_ready(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.ready)
    }

    /// Returns the numbers of the clients that wait for a key. The client that has waited longest
    /// is first.
    pub(crate) fn queue(&self, key: &[u8]) -> Vec<u64> {
        self.queues.get(key).map(|queue| queue.iter().copied().collect()).unwrap_or_default()
    }

    /// Takes a waiter out to try to serve it. It keeps its place in the queues until
    /// [`Self::put_back`] or [`Self::served`].
    pub(crate) fn take(&mut self, number: u64) -> Option<Waiter<S>> {
        self.waiters.remove(&number)
    }

    pub(crate) fn put_back(&mut self, number: u64, waiter: Waiter<S>) {
        self.waiters.insert(number, waiter);
    }

    /// Removes a waiter from all queues and sends its reply.
    pub(crate) fn served(&mut self, number: u64, waiter: Waiter<S>, reply: Reply) {
        self.leave(number, &waiter);
        waiter.answer(reply);
    }

    fn leave(&mut self, number: u64, waiter: &Waiter<S>) {
        self.clients.remove(&waiter.client);
        for key in &waiter.keys {
            if let Some(queue) = self.queues.get_mut(key) {
                queue.remove(&number);
                if queue.is_empty() {
                    self.queues.remove(key);
                }
            }
        }
    }
}

impl<S> Waiter<S> {
    /// Whether the connection is closing. It removes itself from the queues.
    pub(crate) fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }

    /// Sends the reply, or ends the wait without one, as the timeout does.
    pub(crate) fn end(self, reply: Option<Reply>) {
        if let Some(reply) = reply {
            self.answer(reply);
        }
    }

    /// Sends the reply.
    fn answer(self, reply: Reply) {
        // If the receiver is dropped at this moment, the reply and the elements in it are lost, as
        // when a connection is cut.
        drop(self.reply.send(reply));
    }
}
