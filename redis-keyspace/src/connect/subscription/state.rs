//! What a hub knows: the subscriptions, and which connection must have which topics.
//!
//! A change of one topic takes the same time however many there are. Only a change of the nodes
//! looks at all topics.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::entry::{LinkEntry, LinkStage};
use super::inbox::Inbox;
use super::topic::{Reach, ServerTopic, Topic, TopicKind};
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind};

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

/// What is done when the state is not locked any more, because it may run code of the application
/// that uses the subscriptions.
#[derive(Default)]
pub(super) struct AfterUnlock {
    wakers: Vec<Waker>,
    /// Dropping one ends its task.
    links: Vec<LinkEntry>,
    task: Option<AbortHandle>,
}

impl AfterUnlock {
    pub(super) fn run(self) {
        self.wakers.into_iter().for_each(Waker::wake);
        drop(self.links);
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

#[derive(Default)]
pub(super) struct HubState {
    /// The subscriptions to each topic, by their numbers.
    topics: HashMap<Topic, BTreeMap<u64, Arc<Inbox>>>,
    /// The topics by their names, because messages have only those.
    names: HashMap<Arc<str>, Vec<Topic>>,
    /// The topics that no node was chosen for yet.
    pub(super) unassigned: HashSet<Topic>,
    /// The topics that no node serves now.
    unserved: HashSet<Topic>,
    links: Vec<LinkEntry>,
    /// Whether a task assigns topics to nodes. It ends when no topic is left.
    is_assigning: bool,
    /// That task.
    task: Option<AbortHandle>,
    next_number: u64,
    /// Why topics can't be assigned now.
    failure: Option<Error>,
    is_closed: bool,
    pub(super) after_unlock: AfterUnlock,
}

/// The subscriptions and how they start and end.
impl HubState {
    fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Adds a subscription. Returns its number, and whether it is the first one to its topic.
    pub(super) fn add(&mut self, topic: &Topic, inbox: Arc<Inbox>) -> Result<(u64, bool), Error> {
        if self.is_closed {
            return Err(Error::closed());
        }
        let number = self.number();
        let known = self.topics.entry(topic.clone()).or_default();
        known.insert(number, inbox);
        let is_new = known.len() == 1;
        if is_new {
            self.names.entry(Arc::clone(&topic.name)).or_default().push(topic.clone());
            self.unassigned.insert(topic.clone());
        } else {
            let serving = self.links.iter_mut().filter(|link| link.wanted.contains(topic));
            serving.for_each(|link| link.retry(topic));
        }
        self.establish(topic);
        Ok((number, is_new))
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
        self.unserved.remove(topic);
        if let Some(topics) = self.names.get_mut(&topic.name) {
            topics.retain(|other| other != topic);
            if topics.is_empty() {
                self.names.remove(&topic.name);
            }
        }
        self.links.iter_mut().for_each(|link| link.want_no_more(topic));
        true
    }

    /// Returns whether the task that assigns topics must be started.
    pub(super) fn starts_assigning(&mut self) -> bool {
        !std::mem::replace(&mut self.is_assigning, true)
    }

    /// Records the task that assigns topics.
    pub(super) fn set_task(&mut self, task: AbortHandle) {
        if self.is_closed {
            task.abort();
        } else {
            self.task = Some(task);
        }
    }

    /// Records the task of a connection.
    pub(super) fn set_link_task(&mut self, link: u64, task: AbortHandle) {
        match self.link(link) {
            Some(link) => link.set_task(task),
            // It is not needed any more.
            None => task.abort(),
        }
    }

    /// Closes all connections if no topic is left. Then the task that assigns topics ends: the next
    /// subscription starts it again.
    pub(super) fn end_if_unused(&mut self) -> bool {
        if self.is_used() {
            return false;
        }
        (self.is_assigning, self.failure, self.task) = (false, None, None);
        self.after_unlock.links.append(&mut self.links);
        true
    }

    /// Ends all subscriptions, with an error or without.
    pub(super) fn end(&mut self, error: Option<&Error>) {
        self.is_closed = true;
        for inbox in self.topics.values().flat_map(BTreeMap::values) {
            self.after_unlock.wakers.extend(inbox.end(error.cloned()));
        }
        self.topics.clear();
        self.names.clear();
        self.unassigned.clear();
        self.unserved.clear();
        self.after_unlock.links.append(&mut self.links);
        self.after_unlock.task = self.task.take();
    }
}

/// What others ask.
impl HubState {
    /// Whether there is any subscription.
    pub(super) fn is_used(&self) -> bool {
        !self.topics.is_empty()
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.topics.values().map(BTreeMap::len).sum()
    }

    pub(super) fn links(&self) -> &[LinkEntry] {
        &self.links
    }

    fn link(&mut self, number: u64) -> Option<&mut LinkEntry> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    /// Returns why a topic is not confirmed, if that is known.
    pub(super) fn failure(&self, topic: &Topic) -> Option<Error> {
        let of_server = ServerTopic::from(topic);
        let unconfirmed = self
            .links
            .iter()
            .filter(|link| link.wanted.contains(topic) && !link.confirmed.contains(&of_server));
        let failure = unconfirmed.filter_map(|link| link.failure(&of_server)).next();
        failure.or(self.failure.as_ref()).cloned().or_else(|| {
            self.unserved.contains(topic).then(|| {
                let what = match topic.reach {
                    Reach::Slot(slot) => format!("the slot {slot}"),
                    Reach::AnyNode | Reach::EveryMaster => "any slot".to_owned(),
                };
                Error::new(ErrorKind::Unavailable, format!("no node of the cluster serves {what} now"))
            })
        })
    }

    /// Whether all servers that must have confirmed the topic have.
    fn is_complete(&self, topic: &Topic) -> bool {
        let confirmed = ServerTopic::from(topic);
        let mut links = self.links.iter().filter(|link| link.wanted.contains(topic)).peekable();
        links.peek().is_some() && links.all(|link| link.confirmed.contains(&confirmed))
    }

    fn subscribers(&self, topic: &Topic) -> impl Iterator<Item = &Arc<Inbox>> {
        self.topics.get(topic).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns the topics that a connection must be subscribed to under this name.
    fn topics_of(&self, link: u64, kind: TopicKind, name: &str) -> impl Iterator<Item = &Topic> {
        let link = self.links.iter().find(|known| known.number == link);
        let named = link.and_then(|_| self.names.get(name)).into_iter().flatten();
        // A topic that was assigned to another node may still be confirmed here.
        named.filter(move |topic| topic.kind == kind && link.is_some_and(|link| link.wanted.contains(*topic)))
    }

    /// Returns the subscriptions that receive a message of this topic from this connection.
    pub(super) fn receivers(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Arc<Inbox>> {
        self.topics_of(link, kind, name).flat_map(|topic| self.subscribers(topic)).cloned().collect()
    }
}

/// What happens on connections.
impl HubState {
    /// Tells the subscriptions to a topic that a server has confirmed it.
    fn tell_confirmed(&mut self, topic: &Topic) {
        let is_complete = self.is_complete(topic);
        for inbox in self.topics.get(topic).into_iter().flat_map(BTreeMap::values) {
            self.after_unlock.wakers.extend(inbox.confirmed(is_complete));
        }
    }

    /// Establishes the subscriptions to a topic that wait for a confirmation that is there.
    fn establish(&mut self, topic: &Topic) {
        if self.is_complete(topic) {
            let subscribers = self.topics.get(topic).into_iter().flat_map(BTreeMap::values);
            for inbox in subscribers.filter(|inbox| inbox.is_pending()) {
                self.after_unlock.wakers.extend(inbox.confirmed(true));
            }
        }
    }

    /// Tells the subscriptions to these topics why they are not confirmed. Those that were
    /// confirmed before are told only with `tells_confirmed`.
    fn tell_failed(&mut self, topics: &[Topic], error: &Error, tells_confirmed: bool) {
        for inbox in topics.iter().filter_map(|topic| self.topics.get(topic)).flat_map(BTreeMap::values) {
            if tells_confirmed || inbox.is_pending() {
                self.after_unlock.wakers.extend(inbox.failed(error.clone()));
            }
        }
    }

    /// Records that a connection is open. Nothing is confirmed on it yet.
    pub(super) fn opened(&mut self, link: u64) {
        if let Some(link) = self.link(link) {
            link.opened();
        }
    }

    /// Records that a connection was lost, or could not be opened.
    pub(super) fn lost(&mut self, link: u64, error: &Error, stage: LinkStage) {
        let Some(link) = self.link(link) else { return };
        let tells_confirmed = link.lost(error, stage);
        // Waiting helps only if the server may come back.
        if !error.is_outage() {
            let topics: Vec<Topic> = link.wanted.iter().cloned().collect();
            self.tell_failed(&topics, error, tells_confirmed);
        }
    }

    /// Records that the server has confirmed a topic on a connection.
    pub(super) fn confirmed(&mut self, link: u64, topic: &ServerTopic) {
        let topics: Vec<Topic> = self.topics_of(link, topic.kind, &topic.name).cloned().collect();
        let Some(link) = self.link(link) else { return };
        link.confirm(topic);
        topics.iter().for_each(|topic| self.tell_confirmed(topic));
    }

    /// Records that the server has ended the subscription to a topic by itself.
    pub(super) fn unconfirmed(&mut self, link: u64, topic: &ServerTopic) {
        if let Some(link) = self.link(link) {
            link.unconfirm(topic);
        }
    }

    /// Records that the server refuses a topic. `is_temporary` says that it may accept it soon.
    pub(super) fn refused(&mut self, link: u64, topic: &ServerTopic, error: &Error, is_temporary: bool) {
        let topics: Vec<Topic> = self.topics_of(link, topic.kind, &topic.name).cloned().collect();
        let Some(link) = self.link(link) else { return };
        let tells_confirmed = link.refuse(topic, error, is_temporary);
        if !is_temporary {
            self.tell_failed(&topics, error, tells_confirmed);
        }
    }

    /// Returns the topics that the task of a connection has to look at, with `others`, and whether
    /// each is wanted. `None` once the connection is no longer needed.
    ///
    /// The task unsubscribes from those that are not wanted. `review` records in the same step that
    /// they are not confirmed any more: a later subscription waits for a new confirmation.
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
                link.unconfirm(&topic);
            }
            (topic, is_wanted)
        });
        Some(reviewed.collect())
    }
}

/// Which node serves which topic.
impl HubState {
    /// Records why topics can't be assigned now.
    pub(super) fn set_failure(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// Whether no node serves some topic now.
    pub(super) fn has_unserved(&self) -> bool {
        !self.unserved.is_empty()
    }

    /// Assigns the new topics to nodes, and those that no node served. Returns the connections to
    /// open.
    pub(super) fn assign_new(&mut self, plan: &Plan<'_>) -> Vec<AddedLink> {
        self.failure = None;
        let mut added = Vec::new();
        let mut topics = std::mem::take(&mut self.unassigned);
        topics.extend(self.unserved.drain());
        for topic in topics {
            let nodes = plan.nodes(&topic);
            if nodes.is_empty() {
                self.unserved.insert(topic);
                continue;
            }
            for node in nodes {
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
        self.close_links(|link| link.wanted.is_empty());
        added.retain(|added| self.links.iter().any(|link| link.number == added.number));
        added
    }

    /// Assigns all topics to nodes again. Returns the connections to open.
    ///
    /// A subscription whose topic moves from one node to another is told when the new one has
    /// confirmed it. If no new confirmation comes, because the remaining nodes have it already, it
    /// is told here: what the other node has sent may not have been read.
    pub(super) fn assign_all(&mut self, plan: &Plan<'_>) -> Vec<AddedLink> {
        self.failure = None;
        self.unassigned.clear();
        self.unserved.clear();
        let mut wanted: Vec<(Arc<Node>, HashSet<Topic>)> = Vec::new();
        for topic in self.topics.keys() {
            let nodes = plan.nodes(topic);
            if nodes.is_empty() {
                self.unserved.insert(topic.clone());
            }
            for node in nodes {
                match wanted.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                    Some((_, topics)) => drop(topics.insert(topic.clone())),
                    None => wanted.push((node, HashSet::from([topic.clone()]))),
                }
            }
        }
        let mut moved =
            self.close_links(|link| !wanted.iter().any(|(node, _)| Arc::ptr_eq(node, &link.node)));
        let mut added = Vec::new();
        for (node, topics) in wanted {
            match self.links.iter_mut().find(|link| Arc::ptr_eq(&link.node, &node)) {
                Some(link) => moved.extend(link.want_exactly(topics, plan.is_of_cluster())),
                None => added.push(self.open(node, topics, plan.is_of_cluster())),
            }
        }
        for topic in moved {
            if self.is_complete(&topic) {
                self.tell_confirmed(&topic);
            }
        }
        let topics: Vec<Topic> = self.topics.keys().cloned().collect();
        topics.iter().for_each(|topic| self.establish(topic));
        added
    }

    /// Closes connections. Returns the topics that were wanted there.
    fn close_links(&mut self, is_unneeded: impl Fn(&LinkEntry) -> bool) -> HashSet<Topic> {
        let mut topics = HashSet::new();
        for link in self.links.extract_if(.., |link| is_unneeded(link)) {
            topics.extend(link.wanted.iter().cloned());
            self.after_unlock.links.push(link);
        }
        topics
    }

    fn open(&mut self, node: Arc<Node>, wanted: HashSet<Topic>, is_of_cluster: bool) -> AddedLink {
        let link = LinkEntry::new(self.number(), node, wanted, is_of_cluster);
        let (node, wake) = (Arc::clone(&link.node), Arc::clone(link.wake()));
        let added = AddedLink { number: link.number, node, wake };
        self.links.push(link);
        added
    }
}
