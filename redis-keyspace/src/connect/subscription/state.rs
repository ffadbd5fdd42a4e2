//! What a hub knows: the subscriptions, and which connection must have which topics.
//!
//! A change of one topic takes the same time however many there are. Only a change of the nodes
//! looks at all topics.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::inbox::Inbox;
use super::topic::{ServerTopic, Topic, TopicKind};
use crate::connect::node::Node;
use crate::error::Error;

/// Which nodes serve a topic.
type Place<'p> = Box<dyn Fn(&Topic) -> Vec<Arc<Node>> + Send + 'p>;

pub(super) enum Plan<'p> {
    Single(Arc<Node>),
    Cluster(Place<'p>),
}

impl Plan<'_> {
    fn nodes(&self, topic: &Topic) -> Vec<Arc<Node>> {
        match self {
            Self::Single(node) => vec![Arc::clone(node)],
            Self::Cluster(place) => place(topic),
        }
    }

    fn is_of_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// A connection that is to be opened.
pub(super) struct AddedLink {
    pub(super) number: u64,
    pub(super) node: Arc<Node>,
    pub(super) wake: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct HubState {
    /// The subscriptions to each topic, by their numbers.
    pub(super) topics: HashMap<Topic, BTreeMap<u64, Arc<Inbox>>>,
    /// The topics by their names, because messages have only those.
    names: HashMap<Arc<str>, Vec<Topic>>,
    /// The topics that no node was chosen for yet.
    pub(super) unassigned: HashSet<Topic>,
    pub(super) links: Vec<LinkEntry>,
    /// Whether a task assigns topics to nodes. It ends when no topic is left.
    pub(super) is_running: bool,
    pub(super) task: Option<AbortHandle>,
    next_number: u64,
    /// Why the last attempt to connect failed. `None` after a success.
    pub(super) failure: Option<Error>,
    pub(super) is_closed: bool,
}

/// The connection to one node, open or not.
pub(super) struct LinkEntry {
    pub(super) number: u64,
    pub(super) node: Arc<Node>,
    pub(super) wanted: HashSet<Topic>,
    /// What the server has confirmed on the current connection. A topic that the task of the
    /// connection was told to unsubscribe from is not here.
    pub(super) confirmed: HashSet<ServerTopic>,
    /// The topics that the task of the connection has to look at.
    pub(super) changed: HashSet<ServerTopic>,
    pub(super) is_open: bool,
    /// Whether the last attempt to connect failed.
    pub(super) is_failing: bool,
    /// Whether the node was chosen from the map of a cluster.
    pub(super) is_of_cluster: bool,
    wake: Arc<Notify>,
    /// The task that keeps it open.
    pub(super) task: Option<AbortHandle>,
}

impl Drop for LinkEntry {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl LinkEntry {
    fn want(&mut self, topic: &Topic) {
        if self.wanted.insert(topic.clone()) {
            self.changed.insert(topic.into());
            self.wake.notify_one();
        }
    }

    fn want_no_more(&mut self, topic: &Topic) {
        if self.wanted.remove(topic) {
            self.changed.insert(topic.into());
            // Without any topic, the connection is closed soon.
            if !self.wanted.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    /// Replaces what it must be subscribed to.
    fn want_exactly(&mut self, topics: HashSet<Topic>, is_of_cluster: bool) {
        let before = self.changed.len();
        self.changed.extend(self.wanted.symmetric_difference(&topics).map(ServerTopic::from));
        if self.changed.len() > before || self.is_of_cluster != is_of_cluster {
            self.wake.notify_one();
        }
        (self.wanted, self.is_of_cluster) = (topics, is_of_cluster);
    }

    /// Records a new connection. Nothing is confirmed on it yet, and all topics are to be looked
    /// at.
    pub(super) fn opened(&mut self) {
        (self.is_open, self.is_failing) = (true, false);
        self.confirmed.clear();
        self.changed = self.wanted.iter().map(ServerTopic::from).collect();
    }
}

impl HubState {
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    pub(super) fn link(&mut self, number: u64) -> Option<&mut LinkEntry> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    /// Adds a subscription. Returns whether it is the first one to its topic.
    pub(super) fn add(&mut self, topic: &Topic, number: u64, inbox: Arc<Inbox>) -> bool {
        let known = self.topics.entry(topic.clone()).or_default();
        known.insert(number, inbox);
        let is_new = known.len() == 1;
        if is_new {
            self.names.entry(Arc::clone(&topic.name)).or_default().push(topic.clone());
            self.unassigned.insert(topic.clone());
        }
        self.establish(topic);
        is_new
    }

    /// Removes a subscription. Returns whether it was the last one to its topic.
    pub(super) fn remove(&mut self, topic: &Topic, number: u64) -> bool {
        let Some(subscribers) = self.topics.get_mut(topic) else { return false };
        subscribers.remove(&number);
        if !subscribers.is_empty() {
            return false;
        }
        self.topics.remove(topic);
        self.unassigned.remove(topic);
        if let Some(topics) = self.names.get_mut(&topic.name) {
            topics.retain(|other| other != topic);
            if topics.is_empty() {
                self.names.remove(&topic.name);
            }
        }
        self.links.iter_mut().for_each(|link| link.want_no_more(topic));
        true
    }

    /// Removes all subscriptions.
    pub(super) fn clear(&mut self) {
        self.topics.clear();
        self.names.clear();
        self.unassigned.clear();
    }

    /// Whether all servers that must have confirmed the topic have.
    fn is_complete(&self, topic: &Topic) -> bool {
        let confirmed = ServerTopic::from(topic);
        let mut links = self.links.iter().filter(|link| link.wanted.contains(topic)).peekable();
        links.peek().is_some() && links.all(|link| link.confirmed.contains(&confirmed))
    }

    /// Establishes the subscriptions to a topic that wait for a confirmation that is there.
    fn establish(&self, topic: &Topic) {
        if self.is_complete(topic) {
            let pending = self.subscribers(topic).filter(|inbox| inbox.is_pending());
            pending.for_each(|inbox| inbox.confirmed(true));
        }
    }

    /// Returns the topics that a connection must be subscribed to under this name.
    pub(super) fn topics_of(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Topic> {
        let Some(link) = self.links.iter().find(|known| known.number == link) else { return Vec::new() };
        let named = self.names.get(name).into_iter().flatten();
        // A topic that was assigned to another node may still be confirmed here.
        named.filter(|topic| topic.kind == kind && link.wanted.contains(*topic)).cloned().collect()
    }

    pub(super) fn subscribers(&self, topic: &Topic) -> impl Iterator<Item = &Arc<Inbox>> {
        self.topics.get(topic).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn inboxes(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.topics.values().flat_map(BTreeMap::values)
    }

    /// Records that the server has confirmed a topic on a connection.
    pub(super) fn confirmed(&mut self, link: u64, topic: &ServerTopic) {
        let topics = self.topics_of(link, topic.kind, &topic.name);
        let Some(link) = self.link(link) else { return };
        link.confirmed.insert(topic.clone());
        for topic in &topics {
            let is_complete = self.is_complete(topic);
            self.subscribers(topic).for_each(|inbox| inbox.confirmed(is_complete));
        }
    }

    /// Returns the topics that the task of a connection has to look at, with `others`, and whether
    /// each is wanted. `None` once the connection is no longer needed.
    ///
    /// The task unsubscribes from the other ones, so they are not confirmed any more. That is
    /// recorded in the same step: a subscription that comes later waits for a new confirmation.
    pub(super) fn review(
        &mut self,
        link: u64,
        others: impl IntoIterator<Item = ServerTopic>,
    ) -> Option<Vec<(ServerTopic, bool)>> {
        let Self { names, links, .. } = self;
        let link = links.iter_mut().find(|known| known.number == link)?;
        let mut topics = std::mem::take(&mut link.changed);
        topics.extend(others);
        let reviewed = topics.into_iter().map(|topic| {
            let named = names.get(&topic.name).into_iter().flatten();
            let is_wanted = named.into_iter().any(|own| own.kind == topic.kind && link.wanted.contains(own));
            if !is_wanted {
                link.confirmed.remove(&topic);
            }
            (topic, is_wanted)
        });
        Some(reviewed.collect())
    }

    /// Assigns the new topics to nodes. Returns the connections to open.
    pub(super) fn assign_new(&mut self, plan: &Plan<'_>) -> Vec<AddedLink> {
        let mut added = Vec::new();
        for topic in std::mem::take(&mut self.unassigned) {
            for node in plan.nodes(&topic) {
                let link = self.links.iter_mut().find(|link| Arc::ptr_eq(&link.node, &node));
                match link {
                    Some(link) => link.want(&topic),
                    None => {
                        added.push(self.open(node, HashSet::from([topic.clone()]), plan.is_of_cluster()));
                    }
                }
            }
            // It may have been confirmed for an earlier subscription.
            self.establish(&topic);
        }
        self.links.retain(|link| !link.wanted.is_empty());
        added.retain(|added| self.links.iter().any(|link| link.number == added.number));
        added
    }

    /// Assigns all topics to nodes again. Returns the connections to open.
    pub(super) fn assign_all(&mut self, plan: &Plan<'_>) -> Vec<AddedLink> {
        self.unassigned.clear();
        let mut wanted: Vec<(Arc<Node>, HashSet<Topic>)> = Vec::new();
        for topic in self.topics.keys() {
            for node in plan.nodes(topic) {
                match wanted.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                    Some((_, topics)) => drop(topics.insert(topic.clone())),
                    None => wanted.push((node, HashSet::from([topic.clone()]))),
                }
            }
        }
        self.links.retain(|link| wanted.iter().any(|(node, _)| Arc::ptr_eq(node, &link.node)));
        let mut added = Vec::new();
        for (node, topics) in wanted {
            match self.links.iter_mut().find(|link| Arc::ptr_eq(&link.node, &node)) {
                Some(link) => link.want_exactly(topics, plan.is_of_cluster()),
                None => added.push(self.open(node, topics, plan.is_of_cluster())),
            }
        }
        self.topics.keys().for_each(|topic| self.establish(topic));
        added
    }

    fn open(&mut self, node: Arc<Node>, wanted: HashSet<Topic>, is_of_cluster: bool) -> AddedLink {
        let (number, wake) = (self.number(), Arc::new(Notify::new()));
        let added = AddedLink { number, node: Arc::clone(&node), wake: Arc::clone(&wake) };
        self.links.push(LinkEntry {
            number,
            node,
            wanted,
            confirmed: HashSet::new(),
            changed: HashSet::new(),
            is_open: false,
            is_failing: false,
            is_of_cluster,
            wake,
            task: None,
        });
        added
    }
}
