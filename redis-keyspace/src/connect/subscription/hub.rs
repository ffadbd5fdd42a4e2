//! All subscriptions of a pool, and the connections that serve them.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::entry::LinkStage;
use super::inbox::Inbox;
use super::state::{AddedLink, HubState, Plan};
use super::topic::{ServerTopic, Topic, TopicKind};
use crate::connect::node::Node;
use crate::error::Error;
use crate::sync::lock;

/// All subscriptions of a pool.
pub(in crate::connect) struct Hub {
    runtime: Handle,
    state: Mutex<HubState>,
    /// Wakes the task that assigns topics: topics, or the state of a connection, have changed.
    changed: Notify,
}

/// A subscription that was added.
pub(super) struct AddedSubscription {
    pub(super) number: u64,
    pub(super) inbox: Arc<Inbox>,
    /// Whether the task that assigns topics must be started.
    pub(super) is_first: bool,
}

/// The subscriptions of a pool, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubscriptionStatus {
    pub(crate) subscriptions: usize,
    pub(crate) connections: usize,
}

impl Hub {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, state: Mutex::default(), changed: Notify::new() }
    }

    /// The runtime of the pool.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Changes the state, and does what may run code of the application after that.
    fn change<R>(&self, change: impl FnOnce(&mut HubState) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        let after_unlock = std::mem::take(&mut state.after_unlock);
        drop(state);
        after_unlock.run();
        result
    }

    /// Adds a subscription. `capacity` is the number of messages that may wait for its reader.
    pub(super) fn add(&self, topic: &Topic, capacity: usize) -> Result<AddedSubscription, Error> {
        let inbox = Arc::new(Inbox::new(capacity));
        let ((number, is_new), is_first) = self.change(|state| -> Result<_, Error> {
            let added = state.add(topic, Arc::clone(&inbox))?;
            Ok((added, state.starts_assigning()))
        })?;
        if is_new {
            self.assign_again();
        }
        Ok(AddedSubscription { number, inbox, is_first })
    }

    /// Removes a subscription.
    pub(super) fn release(&self, topic: &Topic, number: u64) {
        let was_last = self.change(|state| state.remove(topic, number));
        if was_last {
            self.assign_again();
        }
    }

    /// Records the task that assigns topics.
    pub(super) fn set_task(&self, task: AbortHandle) {
        self.change(|state| state.set_task(task));
    }

    /// Records the task of a connection.
    pub(super) fn set_link_task(&self, link: u64, task: AbortHandle) {
        self.change(|state| state.set_link_task(link, task));
    }

    /// Ends all subscriptions, because their runtime has ended.
    pub(super) fn end_with_runtime(&self) {
        let error = Error::connection_lost("its runtime has ended");
        self.change(|state| state.end(Some(&error)));
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.change(|state| state.end(None));
    }

    pub(crate) fn status(&self) -> SubscriptionStatus {
        let state = lock(&self.state);
        let is_open = |stage| stage == LinkStage::Open;
        SubscriptionStatus {
            subscriptions: state.subscriptions(),
            connections: state.links().iter().filter(|link| is_open(link.stage)).count(),
        }
    }

    /// Returns why a topic is not confirmed, if that is known.
    pub(super) fn failure(&self, topic: &Topic) -> Option<Error> {
        lock(&self.state).failure(topic)
    }

    // What the task that assigns topics asks and reports.

    /// Waits until topics, or the state of a connection, change. Only that task waits.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether a connection is open.
    pub(super) fn is_connected(&self) -> bool {
        lock(&self.state).links().iter().any(|link| link.stage == LinkStage::Open)
    }

    /// Whether the last attempt to connect to a node failed.
    pub(super) fn is_failing(&self, node: &Arc<Node>) -> bool {
        let state = lock(&self.state);
        state.links().iter().any(|link| Arc::ptr_eq(&link.node, node) && link.stage == LinkStage::Failing)
    }

    /// Whether no node serves some topic now.
    pub(super) fn has_unserved(&self) -> bool {
        lock(&self.state).has_unserved()
    }

    /// Records why topics can't be assigned now.
    pub(super) fn cannot_assign(&self, error: Error) {
        self.change(|state| state.set_failure(error));
    }

    /// Waits until no topic is left.
    pub(super) async fn unused(&self) {
        while lock(&self.state).is_used() {
            self.changed().await;
        }
    }

    /// Closes all connections if no topic is left. Then the task that assigns topics ends: the next
    /// subscription starts it again.
    pub(super) fn end_if_unused(&self) -> bool {
        self.change(HubState::end_if_unused)
    }

    /// Assigns topics to nodes: `all` of them, or the new ones and those that no node served.
    /// Returns the connections to open.
    pub(super) fn assign(&self, plan: &Plan<'_>, all: bool) -> Vec<AddedLink> {
        self.change(|state| if all { state.assign_all(plan) } else { state.assign_new(plan) })
    }

    // What the task of a connection asks and reports.

    /// Returns the topics that the task of a connection has to look at, with `others`, and whether
    /// each is wanted. `None` once the connection is no longer needed.
    pub(super) fn review(
        &self,
        link: u64,
        others: impl IntoIterator<Item = ServerTopic>,
    ) -> Option<Vec<(ServerTopic, bool)>> {
        self.change(|state| state.review(link, others))
    }

    /// Whether the node of a connection was chosen from the map of a cluster.
    pub(super) fn is_of_cluster(&self, link: u64) -> bool {
        lock(&self.state).links().iter().any(|known| known.number == link && known.is_of_cluster)
    }

    /// Has the nodes looked at again.
    pub(super) fn assign_again(&self) {
        self.changed.notify_one();
    }

    /// Records that a connection is open. Nothing is confirmed on it yet.
    pub(super) fn opened(&self, link: u64) {
        self.change(|state| state.opened(link));
    }

    /// Records that a connection was lost, or could not be opened.
    pub(super) fn lost(&self, link: u64, error: &Error, stage: LinkStage) {
        self.change(|state| state.lost(link, error, stage));
        self.assign_again();
    }

    /// Records that the server has confirmed a topic.
    pub(super) fn confirmed(&self, link: u64, topic: &ServerTopic) {
        self.change(|state| state.confirmed(link, topic));
    }

    /// Records that the server has ended the subscription to a topic by itself.
    pub(super) fn unconfirmed(&self, link: u64, topic: &ServerTopic) {
        self.change(|state| state.unconfirmed(link, topic));
    }

    /// Records that the server refuses a topic. `is_temporary` says that it may accept it soon;
    /// otherwise, the subscriptions are told.
    pub(super) fn refused(&self, link: u64, topic: &ServerTopic, error: &Error, is_temporary: bool) {
        self.change(|state| state.refused(link, topic, error, is_temporary));
    }

    /// Returns the subscriptions that receive a message of this topic from this connection.
    pub(super) fn receivers(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Arc<Inbox>> {
        lock(&self.state).receivers(link, kind, name)
    }
}

#[cfg(test)]
impl Hub {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, HubState> {
        lock(&self.state)
    }
}
