//! All subscriptions of a pool, and the connections that serve them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::inbox::Inbox;
use super::topic::{ServerTopic, Topic, TopicKind};
use crate::connect::node::Node;
use crate::error::Error;
use crate::sync::lock;

/// All subscriptions of a pool.
pub(in crate::connect) struct Hub {
    runtime: Handle,
    state: Mutex<HubState>,
    /// Changes when topics, or the state of a connection, change.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct HubState {
    topics: HashMap<Topic, Vec<Subscriber>>,
    /// The topics by their names, because messages have only those.
    names: HashMap<Arc<str>, Vec<Topic>>,
    links: Vec<LinkEntry>,
    /// Whether a task assigns topics to nodes. It ends when no topic is left.
    is_running: bool,
    task: Option<AbortHandle>,
    next_number: u64,
    /// Why the last attempt to connect failed. `None` after a success.
    failure: Option<Error>,
    is_closed: bool,
}

struct Subscriber {
    number: u64,
    inbox: Arc<Inbox>,
}

/// The connection to one node, open or not.
struct LinkEntry {
    number: u64,
    node: Arc<Node>,
    wanted: HashSet<Topic>,
    /// What the server has confirmed on the current connection.
    confirmed: HashSet<ServerTopic>,
    is_open: bool,
    /// Whether the last attempt to connect failed.
    is_failing: bool,
    /// Whether the node was chosen from the map of a cluster.
    is_of_cluster: bool,
    wake: Arc<Notify>,
    /// The task that keeps it open.
    task: Option<AbortHandle>,
}

impl Drop for LinkEntry {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Which nodes serve a topic.
type Place<'p> = Box<dyn Fn(&Topic) -> Vec<Arc<Node>> + Send + 'p>;

pub(super) enum Plan<'p> {
    Single(Arc<Node>),
    Cluster(Place<'p>),
}

/// A connection that is to be opened.
pub(super) struct AddedLink {
    pub(super) number: u64,
    pub(super) node: Arc<Node>,
    pub(super) wake: Arc<Notify>,
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

impl HubState {
    fn link(&mut self, number: u64) -> Option<&mut LinkEntry> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    /// Whether all servers that must have confirmed the topic have.
    fn is_complete(&self, topic: &Topic) -> bool {
        let confirmed = ServerTopic::from(topic);
        let mut links = self.links.iter().filter(|link| link.wanted.contains(topic)).peekable();
        links.peek().is_some() && links.all(|link| link.confirmed.contains(&confirmed))
    }

    /// Establishes the subscriptions that wait for a confirmation that is there.
    fn establish(&self) {
        for (topic, subscribers) in &self.topics {
            let mut pending =
                subscribers.iter().filter(|subscriber| subscriber.inbox.is_pending()).peekable();
            if pending.peek().is_some() && self.is_complete(topic) {
                pending.for_each(|subscriber| subscriber.inbox.confirmed(true));
            }
        }
    }

    /// Returns the topics that a connection must be subscribed to under this name.
    fn topics_of(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Topic> {
        let Some(link) = self.links.iter().find(|known| known.number == link) else { return Vec::new() };
        let named = self.names.get(name).into_iter().flatten();
        // A topic that was assigned to another node may still be confirmed here.
        named.filter(|topic| topic.kind == kind && link.wanted.contains(*topic)).cloned().collect()
    }

    fn subscribers(&self, topics: &[Topic]) -> impl Iterator<Item = &Subscriber> {
        topics.iter().filter_map(|topic| self.topics.get(topic)).flatten()
    }

    fn inboxes(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.topics.values().flatten().map(|subscriber| &subscriber.inbox)
    }
}

impl Hub {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, state: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// The runtime of the pool.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Adds a subscription. `most` is the number of messages that may wait for its reader.
    pub(super) fn add(&self, topic: &Topic, most: usize) -> Result<AddedSubscription, Error> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(Error::closed());
        }
        let number = state.next_number;
        state.next_number += 1;
        let inbox = Arc::new(Inbox::new(most));
        let subscriber = Subscriber { number, inbox: Arc::clone(&inbox) };
        let known = state.topics.entry(topic.clone()).or_default();
        known.push(subscriber);
        if known.len() == 1 {
            state.names.entry(Arc::clone(&topic.name)).or_default().push(topic.clone());
        }
        if state.is_complete(topic) {
            inbox.confirmed(true);
        }
        let is_first = !std::mem::replace(&mut state.is_running, true);
        drop(state);
        self.changed();
        Ok(AddedSubscription { number, inbox, is_first })
    }

    /// Records the task that assigns topics.
    pub(super) fn running(&self, task: AbortHandle) {
        let mut state = lock(&self.state);
        if state.is_closed {
            task.abort();
        } else {
            state.task = Some(task);
        }
    }

    /// Records the task of a connection.
    pub(super) fn started(&self, link: u64, task: AbortHandle) {
        match lock(&self.state).link(link) {
            Some(link) => link.task = Some(task),
            // It is not needed any more.
            None => task.abort(),
        }
    }

    /// Ends all subscriptions, because their runtime has ended.
    pub(super) fn abandon(&self) {
        let mut state = lock(&self.state);
        let error = Error::connection_lost("its runtime has ended");
        state.inboxes().for_each(|inbox| inbox.end(Some(error.clone())));
        state.is_closed = true;
        let links = std::mem::take(&mut state.links);
        drop(state);
        drop(links);
    }

    /// Removes a subscription.
    pub(super) fn release(&self, topic: &Topic, number: u64) {
        let mut state = lock(&self.state);
        if let Some(subscribers) = state.topics.get_mut(topic) {
            subscribers.retain(|subscriber| subscriber.number != number);
            if subscribers.is_empty() {
                state.topics.remove(topic);
                if let Some(topics) = state.names.get_mut(&topic.name) {
                    topics.retain(|other| other != topic);
                    if topics.is_empty() {
                        state.names.remove(&topic.name);
                    }
                }
            }
        }
        drop(state);
        self.changed();
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.inboxes().for_each(|inbox| inbox.end(None));
        state.topics.clear();
        state.names.clear();
        let (links, task) = (std::mem::take(&mut state.links), state.task.take());
        // Ending a task may drop what it holds.
        drop(state);
        drop(links);
        if let Some(task) = task {
            task.abort();
        }
    }

    pub(crate) fn status(&self) -> SubscriptionStatus {
        let state = lock(&self.state);
        SubscriptionStatus {
            subscriptions: state.topics.values().map(Vec::len).sum(),
            connections: state.links.iter().filter(|link| link.is_open).count(),
        }
    }

    /// Why the last attempt to connect failed, if it did.
    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.state).failure.clone()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether a connection is open.
    pub(super) fn is_connected(&self) -> bool {
        lock(&self.state).links.iter().any(|link| link.is_open)
    }

    /// Whether the last attempt to connect to a node failed.
    pub(super) fn is_failing(&self, node: &Arc<Node>) -> bool {
        lock(&self.state).links.iter().any(|link| Arc::ptr_eq(&link.node, node) && link.is_failing)
    }

    /// Records why no subscription can be confirmed for now.
    pub(super) fn delayed(&self, error: Error) {
        lock(&self.state).failure = Some(error);
    }

    /// Assigns the topics to nodes. Returns the connections to open; `None` if no topic is left:
    /// then the task that assigns them ends.
    pub(super) fn assign(&self, plan: &Plan<'_>) -> Option<Vec<AddedLink>> {
        let mut state = lock(&self.state);
        if state.topics.is_empty() {
            state.is_running = false;
            let (links, task) = (std::mem::take(&mut state.links), state.task.take());
            drop(state);
            drop((links, task));
            return None;
        }
        let mut wanted: Vec<(Arc<Node>, HashSet<Topic>)> = Vec::new();
        for topic in state.topics.keys() {
            let places = match plan {
                Plan::Single(node) => vec![Arc::clone(node)],
                Plan::Cluster(place) => place(topic),
            };
            for node in places {
                match wanted.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                    Some((_, topics)) => drop(topics.insert(topic.clone())),
                    None => wanted.push((node, HashSet::from([topic.clone()]))),
                }
            }
        }
        state.links.retain(|link| wanted.iter().any(|(node, _)| Arc::ptr_eq(node, &link.node)));
        let is_of_cluster = matches!(plan, Plan::Cluster(_));
        let mut added = Vec::new();
        for (node, topics) in wanted {
            if let Some(link) = state.links.iter_mut().find(|link| Arc::ptr_eq(&link.node, &node)) {
                if link.wanted != topics || link.is_of_cluster != is_of_cluster {
                    (link.wanted, link.is_of_cluster) = (topics, is_of_cluster);
                    link.wake.notify_one();
                }
                continue;
            }
            let number = state.next_number;
            state.next_number += 1;
            let wake = Arc::new(Notify::new());
            added.push(AddedLink { number, node: Arc::clone(&node), wake: Arc::clone(&wake) });
            state.links.push(LinkEntry {
                number,
                node,
                wanted: topics,
                confirmed: HashSet::new(),
                is_open: false,
                is_failing: false,
                is_of_cluster,
                wake,
                task: None,
            });
        }
        state.establish();
        Some(added)
    }

    // What the task of a connection asks and reports.

    /// Returns what a connection must be subscribed to; `None` once it is no longer needed.
    pub(super) fn wanted(&self, link: u64) -> Option<HashSet<ServerTopic>> {
        lock(&self.state).link(link).map(|link| link.wanted.iter().map(ServerTopic::from).collect())
    }

    /// Whether the node of a connection was chosen from the map of a cluster.
    pub(super) fn is_of_cluster(&self, link: u64) -> bool {
        lock(&self.state).link(link).is_some_and(|link| link.is_of_cluster)
    }

    /// Has the topics assigned again.
    pub(super) fn assign_again(&self) {
        self.changed();
    }

    /// Records that a connection is open. Nothing is confirmed on it yet.
    pub(super) fn opened(&self, link: u64) {
        let mut state = lock(&self.state);
        state.failure = None;
        if let Some(link) = state.link(link) {
            (link.is_open, link.is_failing) = (true, false);
            link.confirmed.clear();
        }
    }

    /// Records that a connection was lost, or could not be opened.
    pub(super) fn lost(&self, link: u64, error: &Error, is_failing: bool) {
        let mut state = lock(&self.state);
        state.failure = Some(error.clone());
        let Some(link) = state.link(link) else { return };
        (link.is_open, link.is_failing) = (false, is_failing);
        link.confirmed.clear();
        let topics: Vec<Topic> = link.wanted.iter().cloned().collect();
        // Waiting helps only if the server may come back.
        if !error.is_outage() {
            let pending = state.subscribers(&topics).filter(|subscriber| subscriber.inbox.is_pending());
            pending.for_each(|subscriber| subscriber.inbox.failed(error.clone()));
        }
        drop(state);
        self.changed();
    }

    /// Records that the server has confirmed a topic.
    pub(super) fn confirmed(&self, link: u64, topic: &ServerTopic) {
        let mut state = lock(&self.state);
        let topics = state.topics_of(link, topic.kind, &topic.name);
        let Some(link) = state.link(link) else { return };
        link.confirmed.insert(topic.clone());
        for topic in &topics {
            let is_complete = state.is_complete(topic);
            let subscribers = state.topics.get(topic).into_iter().flatten();
            subscribers.for_each(|subscriber| subscriber.inbox.confirmed(is_complete));
        }
    }

    /// Records that the server has ended the subscription to a topic.
    pub(super) fn unconfirmed(&self, link: u64, topic: &ServerTopic) {
        if let Some(link) = lock(&self.state).link(link) {
            link.confirmed.remove(topic);
        }
    }

    /// Reports that the server refuses a topic. A subscription that was confirmed before is told
    /// only the first time.
    pub(super) fn refused(&self, link: u64, topic: &ServerTopic, error: &Error, is_first: bool) {
        let state = lock(&self.state);
        let topics = state.topics_of(link, topic.kind, &topic.name);
        let told = state.subscribers(&topics).filter(|told| is_first || told.inbox.is_pending());
        told.for_each(|subscriber| subscriber.inbox.failed(error.clone()));
    }

    /// Returns the subscriptions that receive a message of this topic from this connection.
    pub(super) fn receivers(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Arc<Inbox>> {
        let state = lock(&self.state);
        let topics = state.topics_of(link, kind, name);
        state.subscribers(&topics).map(|subscriber| Arc::clone(&subscriber.inbox)).collect()
    }
}
