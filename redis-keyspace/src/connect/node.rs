//! One server: its connections, and what is known about it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bb8_redis::bb8;
use tokio::task::AbortHandle;

use super::attempt::Origin;
use super::facts::{ServerFacts, ServerRun};
use super::lane::Submitted;
use super::own::Own;
use super::raw::RawConnection;
use super::replicas::condition::ReplicaCondition;
use super::sentinel::NamedMaster;
use super::sentinel::board::SentinelBoard;
use crate::config::{Endpoint, Settings};
use crate::error::Error;
use crate::protocol::{Replies, Request};
use crate::sync::ClosedFlag;
use crate::task::spawn_here;
use crate::time::Deadline;

/// A server: the only one of a handle, or a node of a cluster.
pub(crate) struct Node {
    pub(crate) settings: Arc<Settings>,
    pub(crate) facts: Arc<ServerFacts>,
    pub(super) own: Own,
    /// Whether it is only read from.
    pub(crate) is_replica: bool,
    /// Whether it may be read from, if it is a replica.
    pub(super) condition: ReplicaCondition,
    /// The same server with connections that may read from it although it is a replica.
    pub(super) reader: OnceLock<Arc<Node>>,
    /// The task that follows the master that sentinels name.
    following: OnceLock<AbortHandle>,
}

impl Node {
    pub(super) fn new(origin: Origin) -> Self {
        let (settings, facts) = (Arc::clone(&origin.settings), Arc::clone(&origin.facts));
        Self {
            settings,
            facts,
            own: Own::new(origin),
            is_replica: false,
            condition: ReplicaCondition::default(),
            reader: OnceLock::new(),
            following: OnceLock::new(),
        }
    }

    /// Creates a server that is only read from.
    pub(super) fn replica(origin: Origin) -> Self {
        let mut node = Self::new(origin);
        node.is_replica = true;
        node
    }

    /// Connects to the master that sentinels name, and replaces the connections when they name
    /// another one. Must be called within the runtime of the pool.
    pub(super) fn follow_master(self: &Arc<Self>, board: &Arc<SentinelBoard>) {
        if self.facts.sentinels.set(Arc::clone(board)).is_err() {
            return;
        }
        let (node, mut master) = (Arc::downgrade(self), board.master());
        let address_of = |named: &Option<Arc<NamedMaster>>| named.as_ref().map(|named| named.address.clone());
        let mut current = address_of(&master.borrow_and_update());
        let following = spawn_here(async move {
            while master.changed().await.is_ok() {
                let Some(node) = node.upgrade() else { return };
                let address = address_of(&master.borrow_and_update());
                let before = std::mem::replace(&mut current, address);
                if before.is_some() && before != current {
                    node.own.replace_master();
                }
            }
        });
        let _ = self.following.set(following);
    }

    /// The host and the port, if the server is reached over TCP.
    pub(super) fn address(&self) -> Option<(&str, u16)> {
        match &self.settings.endpoint {
            Endpoint::Tcp { host, port } => Some((host, *port)),
            _ => None,
        }
    }

    /// Whether this is the address of the node.
    pub(super) fn is_at(&self, host: &str, port: u16) -> bool {
        self.address()
            .is_some_and(|(own_host, own_port)| own_port == port && own_host.eq_ignore_ascii_case(host))
    }

    /// Queues a request on an open lane, without waiting.
    #[inline]
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        self.own.submit(request, namespace, deadline, false)
    }

    /// Runs a request on this node once, and connects first if necessary. Returns which run of the
    /// server answered. Uses a connection to the preferred run if possible. Sends nothing once
    /// `closed` is set.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
        closed: &ClosedFlag,
        preferred: Option<ServerRun>,
    ) -> Result<(Replies, ServerRun), Error> {
        let outcome = self.own.run(request, namespace, deadline, closed, preferred, false).await?;
        outcome.ok_or_else(|| Error::protocol("a node of a cluster was not asked"))
    }

    /// Whether a shared connection is open.
    pub(super) fn is_connected(&self) -> bool {
        self.own.is_open()
    }

    /// Stops reading from it until the next check: a read failed.
    pub(crate) fn distrust(&self) {
        self.condition.set_in_sync(false);
    }

    /// Whether it is a replica that reads may use, and the average time of a round trip.
    pub(crate) fn condition(&self) -> (bool, Option<Duration>) {
        (self.condition.is_in_sync(), self.condition.latency())
    }

    /// Returns how many lanes are open, and how many requests wait for replies on them.
    pub(crate) fn lanes(&self) -> (usize, usize) {
        self.own.lanes()
    }

    /// Returns how many requests wait for a lane.
    pub(crate) fn queued(&self) -> usize {
        self.own.queued()
    }

    /// Returns how many callers wait for an exclusive connection.
    pub(crate) fn waiting(&self) -> usize {
        self.own.waiting()
    }

    /// Returns how long callers have waited for exclusive connections in total, also in vain.
    pub(crate) fn waited(&self) -> Duration {
        self.own.waited()
    }

    /// Returns the state of the pool of exclusive connections; `None` once it is closed.
    pub(crate) fn exclusives(&self) -> Option<bb8::State> {
        self.own.exclusives()
    }

    /// Checks out an exclusive connection.
    pub(crate) async fn exclusive(&self, deadline: Deadline) -> Result<RawConnection, Error> {
        self.own.exclusive(deadline).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.facts.search.end();
        if let Some(following) = self.following.get() {
            following.abort();
        }
    }
}
