//! What a hub knows about the connection to one node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::topic::{ServerTopic, Topic};
use crate::connect::node::Node;
use crate::error::Error;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkStage {
    /// It is being opened, for the first time or after it was lost.
    Connecting,
    Open,
    /// The last attempt to open it failed.
    Failing,
}

/// The connection to one node, open or not.
pub(super) struct LinkEntry {
    pub(super) number: u64,
    pub(super) node: Arc<Node>,
    pub(super) wanted: HashSet<Topic>,
    /// What the server has confirmed on the current connection. `review` removes a topic when it is
    /// no longer wanted.
    pub(super) confirmed: HashSet<ServerTopic>,
    /// The topics that the task of the connection has to look at.
    pub(super) changed: HashSet<ServerTopic>,
    pub(super) stage: LinkStage,
    /// Whether the node was chosen from the map of a cluster.
    pub(super) is_of_cluster: bool,
    /// The topics that the server refuses on the current connection.
    refusals: HashMap<ServerTopic, TopicRefusal>,
    /// Why it was lost, or could not be opened. `None` while it is open.
    failure: Option<Error>,
    /// Whether confirmed subscriptions were told that it can't be opened.
    is_failure_told: bool,
    wake: Arc<Notify>,
    /// The task that keeps it open.
    task: Option<AbortHandle>,
}

/// Why a server refuses a topic.
struct TopicRefusal {
    error: Error,
    /// Whether confirmed subscriptions were told.
    is_told: bool,
}

impl Drop for LinkEntry {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl LinkEntry {
    pub(super) fn new(number: u64, node: Arc<Node>, wanted: HashSet<Topic>, is_of_cluster: bool) -> Self {
        Self {
            number,
            node,
            wanted,
            confirmed: HashSet::new(),
            changed: HashSet::new(),
            stage: LinkStage::Connecting,
            is_of_cluster,
            refusals: HashMap::new(),
            failure: None,
            is_failure_told: false,
            wake: Arc::default(),
            task: None,
        }
    }

    /// Wakes the task of the connection.
    pub(super) fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    pub(super) fn set_task(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    pub(super) fn want(&mut self, topic: &Topic) {
        if self.wanted.insert(topic.clone()) {
            self.changed.insert(topic.into());
            self.wake.notify_one();
        }
    }

    pub(super) fn want_no_more(&mut self, topic: &Topic) {
        if self.wanted.remove(topic) {
            self.changed.insert(topic.into());
            // Without any topic, the connection is closed soon.
            if !self.wanted.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    /// Replaces what it must be subscribed to. Returns the topics that are new here, and those that
    /// are not wanted here any more.
    pub(super) fn want_exactly(&mut self, topics: HashSet<Topic>, is_of_cluster: bool) -> Vec<Topic> {
        let moved: Vec<Topic> = self.wanted.symmetric_difference(&topics).cloned().collect();
        self.changed.extend(moved.iter().map(ServerTopic::from));
        if !moved.is_empty() || self.is_of_cluster != is_of_cluster {
            self.wake.notify_one();
        }
        (self.wanted, self.is_of_cluster) = (topics, is_of_cluster);
        moved
    }

    /// Has a topic that the server refuses tried again at once.
    pub(super) fn retry(&mut self, topic: &Topic) {
        let topic = ServerTopic::from(topic);
        if self.refusals.contains_key(&topic) {
            self.changed.insert(topic);
            self.wake.notify_one();
        }
    }

    /// Records a new connection. Nothing is confirmed on it yet, and all topics are to be looked
    /// at.
    pub(super) fn opened(&mut self) {
        self.stage = LinkStage::Open;
        (self.failure, self.is_failure_told) = (None, false);
        self.forget_replies();
        self.changed = self.wanted.iter().map(ServerTopic::from).collect();
    }

    /// Records that the connection was lost, or could not be opened. Returns whether confirmed
    /// subscriptions must be told: once, if waiting may not help.
    pub(super) fn lost(&mut self, error: &Error, stage: LinkStage) -> bool {
        self.stage = stage;
        self.failure = Some(error.clone());
        self.forget_replies();
        !error.is_outage() && !std::mem::replace(&mut self.is_failure_told, true)
    }

    fn forget_replies(&mut self) {
        self.confirmed.clear();
        self.refusals.clear();
    }

    /// Records that the server has confirmed a topic.
    pub(super) fn confirm(&mut self, topic: &ServerTopic) {
        self.refusals.remove(topic);
        self.confirmed.insert(topic.clone());
    }

    /// Records that the server does not serve a topic here any more, or was told not to.
    pub(super) fn unconfirm(&mut self, topic: &ServerTopic) {
        self.refusals.remove(topic);
        self.confirmed.remove(topic);
    }

    /// Records that the server refuses a topic. Returns whether confirmed subscriptions must be
    /// told: once, unless it may accept the topic soon.
    pub(super) fn refuse(&mut self, topic: &ServerTopic, error: &Error, is_temporary: bool) -> bool {
        let was_told = self.refusals.get(topic).is_some_and(|refusal| refusal.is_told);
        let refusal = TopicRefusal { error: error.clone(), is_told: was_told || !is_temporary };
        self.refusals.insert(topic.clone(), refusal);
        !is_temporary && !was_told
    }

    /// Returns why a topic is not confirmed, if that is known.
    pub(super) fn failure(&self, topic: &ServerTopic) -> Option<&Error> {
        self.refusals.get(topic).map(|refusal| &refusal.error).or(self.failure.as_ref())
    }
}
