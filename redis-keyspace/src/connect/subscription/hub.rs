//! All subscriptions of a pool, and the connections that serve them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

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
    /// Changes when topics, or the state of a connection, change.
    changes: watch::Sender<u64>,
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
        let (number, inbox) = (state.number(), Arc::new(Inbox::new(most)));
        let is_new = state.add(topic, number, Arc::clone(&inbox));
        let is_first = !std::mem::replace(&mut state.is_running, true);
        drop(state);
        if is_new {
            self.changed();
        }
        Ok(AddedSubscription { number, inbox, is_first })
    }

    /// Removes a subscription.
    pub(super) fn release(&self, topic: &Topic, number: u64) {
        let was_last = lock(&self.state).remove(topic, number);
        if was_last {
            self.changed();
        }
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

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.inboxes().for_each(|inbox| inbox.end(None));
        state.clear();
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
            subscriptions: state.topics.values().map(BTreeMap::len).sum(),
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

    // What the task that assigns topics asks and reports.

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

    /// Waits until no topic is left.
    pub(super) async fn unused(&self, changes: &mut watch::Receiver<u64>) {
        while !lock(&self.state).topics.is_empty() {
            // The sender is a part of the hub.
            let _ = changes.changed().await;
        }
    }

    /// Closes all connections if no topic is left. Then the task that assigns topics ends: the next
    /// subscription starts it again.
    pub(super) fn end_if_unused(&self) -> bool {
        let mut state = lock(&self.state);
        if !state.topics.is_empty() {
            return false;
        }
        (state.is_running, state.failure) = (false, None);
        let (links, task) = (std::mem::take(&mut state.links), state.task.take());
        drop(state);
        drop((links, task));
        true
    }

    /// Assigns topics to nodes: all of them, or those that are new since the same plan was used.
    /// Returns the connections to open.
    pub(super) fn assign(&self, plan: &Plan<'_>, all: bool) -> Vec<AddedLink> {
        let mut state = lock(&self.state);
        if all { state.assign_all(plan) } else { state.assign_new(plan) }
    }

    // What the task of a connection asks and reports.

    /// Returns the topics that the task of a connection has to look at, with `others`, and whether
    /// each is wanted. `None` once the connection is no longer needed.
    pub(super) fn review(
        &self,
        link: u64,
        others: impl IntoIterator<Item = ServerTopic>,
    ) -> Option<Vec<(ServerTopic, bool)>> {
        lock(&self.state).review(link, others)
    }

    /// Whether the node of a connection was chosen from the map of a cluster.
    pub(super) fn is_of_cluster(&self, link: u64) -> bool {
        lock(&self.state).link(link).is_some_and(|link| link.is_of_cluster)
    }

    /// Has the nodes looked at again.
    pub(super) fn assign_again(&self) {
        self.changed();
    }

    /// Records that a connection is open. Nothing is confirmed on it yet.
    pub(super) fn opened(&self, link: u64) {
        let mut state = lock(&self.state);
        state.failure = None;
        if let Some(link) = state.link(link) {
            link.opened();
        }
    }

    /// Records that a connection was lost, or could not be opened.
    pub(super) fn lost(&self, link: u64, error: &Error, is_failing: bool) {
        let mut state = lock(&self.state);
        state.failure = Some(error.clone());
        let Some(link) = state.link(link) else { return };
        (link.is_open, link.is_failing) = (false, is_failing);
        link.confirmed.clear();
        // Waiting helps only if the server may come back.
        if !error.is_outage() {
            let topics: Vec<Topic> = link.wanted.iter().cloned().collect();
            let subscribers = topics.iter().flat_map(|topic| state.subscribers(topic));
            subscribers.filter(|inbox| inbox.is_pending()).for_each(|inbox| inbox.failed(error.clone()));
        }
        drop(state);
        self.changed();
    }

    /// Records that the server has confirmed a topic.
    pub(super) fn confirmed(&self, link: u64, topic: &ServerTopic) {
        lock(&self.state).confirmed(link, topic);
    }

    /// Records that the server has ended the subscription to a topic by itself.
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
        let subscribers = topics.iter().flat_map(|topic| state.subscribers(topic));
        let told = subscribers.filter(|inbox| is_first || inbox.is_pending());
        told.for_each(|inbox| inbox.failed(error.clone()));
    }

    /// Returns the subscriptions that receive a message of this topic from this connection.
    pub(super) fn receivers(&self, link: u64, kind: TopicKind, name: &str) -> Vec<Arc<Inbox>> {
        let state = lock(&self.state);
        let topics = state.topics_of(link, kind, name);
        topics.iter().flat_map(|topic| state.subscribers(topic)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::config::Settings;
    use crate::connect::attempt::Origin;
    use crate::connect::facts::ServerFacts;
    use crate::connect::subscription::progress::LinkProgress;

    fn node() -> Arc<Node> {
        let settings = Arc::<Settings>::default();
        let facts = Arc::new(ServerFacts::new(&settings));
        Arc::new(Node::new(Origin::new(settings, facts, Handle::current(), Arc::default())))
    }

    fn topic(name: &str) -> Topic {
        Topic::channel(name.to_owned(), None)
    }

    /// One topic of a connection, step by step. Another topic keeps the connection open.
    struct World {
        hub: Hub,
        plan: Plan<'static>,
        link: u64,
        is_assigned: bool,
        progress: LinkProgress,
        /// Whether each command subscribes.
        commands: VecDeque<bool>,
        replies: VecDeque<bool>,
        is_subscribed: bool,
        /// What the application does next: to subscribe, or to drop its subscription.
        script: VecDeque<bool>,
        current: Option<AddedSubscription>,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        Application,
        Assigning,
        Connection,
        Server,
        Reply,
    }

    const STEPS: [Step; 5] =
        [Step::Application, Step::Assigning, Step::Connection, Step::Server, Step::Reply];

    impl World {
        fn new(node: &Arc<Node>) -> Self {
            let (hub, plan) = (Hub::new(Handle::current()), Plan::Single(Arc::clone(node)));
            hub.add(&topic("other"), 1).unwrap();
            let link = hub.assign(&plan, true)[0].number;
            hub.opened(link);
            let mut world = Self {
                hub,
                plan,
                link,
                is_assigned: true,
                progress: LinkProgress::default(),
                commands: VecDeque::new(),
                replies: VecDeque::new(),
                is_subscribed: false,
                script: [true, false, true, false, true].into(),
                current: None,
            };
            world.hub.review(world.link, []).unwrap();
            // It starts with a confirmed subscription.
            for step in [Step::Application, Step::Assigning, Step::Connection, Step::Server, Step::Reply] {
                assert!(world.takes(step));
            }
            assert!(!world.current.as_ref().unwrap().inbox.is_pending());
            world
        }

        /// Takes a step. Returns `false` if it changes nothing.
        fn takes(&mut self, step: Step) -> bool {
            match step {
                Step::Application => match self.script.pop_front() {
                    Some(true) => self.current = Some(self.hub.add(&topic("a"), 1).unwrap()),
                    Some(false) => {
                        let ended = self.current.take().unwrap();
                        self.hub.release(&topic("a"), ended.number);
                    }
                    None => return false,
                },
                Step::Assigning => {
                    assert!(self.hub.assign(&self.plan, false).is_empty());
                    return !std::mem::replace(&mut self.is_assigned, true);
                }
                Step::Connection => {
                    let reviewed = self.hub.review(self.link, []).unwrap();
                    let has_news = !reviewed.is_empty();
                    let wishes = self.progress.compare(reviewed, Instant::now());
                    let sent = wishes.ending.iter().map(|_| false).chain(wishes.missing.iter().map(|_| true));
                    self.commands.extend(sent);
                    return has_news;
                }
                Step::Server => match self.commands.pop_front() {
                    Some(subscribes) => {
                        self.is_subscribed = subscribes;
                        self.replies.push_back(subscribes);
                    }
                    None => return false,
                },
                Step::Reply => {
                    let server_topic = ServerTopic::from(&topic("a"));
                    match self.replies.pop_front() {
                        Some(true) if self.progress.subscribed(&server_topic) => {
                            self.hub.confirmed(self.link, &server_topic);
                        }
                        Some(true) => {}
                        Some(false) => assert!(!self.progress.unsubscribed(&server_topic)),
                        None => return false,
                    }
                }
            }
            self.is_assigned &= step != Step::Application;
            true
        }

        /// Equal for equal states.
        fn fingerprint(&self) -> String {
            let (state, topic) = (lock(&self.hub.state), topic("a"));
            let of_server = ServerTopic::from(&topic);
            let link = &state.links[0];
            let of_link = (
                link.wanted.contains(&topic),
                link.confirmed.contains(&of_server),
                link.changed.contains(&of_server),
            );
            let pending = self.current.as_ref().map(|current| current.inbox.is_pending());
            format!(
                "{of_link:?} {:?} {pending:?} {:?} {:?} {} {} {:?}",
                state.unassigned.contains(&topic),
                self.commands,
                self.replies,
                self.is_subscribed,
                self.is_assigned,
                (self.script.len(), self.progress.sent(&of_server)),
            )
        }

        /// A subscription that was told to be confirmed receives every message from now on: no
        /// command that ends it is on the way, or will be sent.
        fn check(&mut self, taken: &[Step]) {
            let Some(current) = &self.current else { return };
            if !current.inbox.is_pending() {
                assert!(self.is_subscribed && !self.commands.contains(&false), "{taken:?}");
            }
        }
    }

    /// All states that the application, the task that assigns topics, the connection and the server
    /// can reach, in whatever order they take their steps.
    #[tokio::test]
    async fn a_confirmed_subscription_is_never_without_one_at_the_server() {
        let node = node();
        let (mut schedules, mut seen, mut ended) = (vec![Vec::new()], HashSet::new(), 0);
        while let Some(taken) = schedules.pop() {
            let mut has_next = false;
            for step in STEPS {
                let mut world = World::new(&node);
                assert!(taken.iter().all(|step| world.takes(*step)));
                if !world.takes(step) {
                    continue;
                }
                has_next = true;
                let longer: Vec<Step> = taken.iter().copied().chain([step]).collect();
                world.check(&longer);
                if seen.insert(world.fingerprint()) {
                    schedules.push(longer);
                }
            }
            if !has_next {
                let mut world = World::new(&node);
                assert!(taken.iter().all(|step| world.takes(*step)));
                assert!(!world.current.unwrap().inbox.is_pending(), "{taken:?} ends without a confirmation");
                ended += 1;
            }
        }
        assert!(seen.len() > 100 && ended > 0, "{} states, {ended} ends", seen.len());
    }

    /// Adding and removing a subscription looks at no other one.
    #[tokio::test]
    async fn a_subscription_costs_the_same_however_many_there_are() {
        let (hub, node, asked) = (Hub::new(Handle::current()), node(), AtomicUsize::new(0));
        let plan = Plan::Cluster(Box::new(|_: &Topic| {
            asked.fetch_add(1, Ordering::Relaxed);
            vec![Arc::clone(&node)]
        }));
        let mut link = None;
        for nth in 0..1000 {
            let added = hub.add(&topic(&nth.to_string()), 1).unwrap();
            let opened = hub.assign(&plan, false);
            if let Some(opened) = opened.first() {
                hub.opened(opened.number);
                link = Some(opened.number);
            }
            assert_eq!(asked.swap(0, Ordering::Relaxed), 1);
            let link = link.unwrap();
            assert_eq!(hub.review(link, []).unwrap(), [(ServerTopic::from(&topic(&nth.to_string())), true)]);
            if nth % 2 == 1 {
                hub.release(&topic(&nth.to_string()), added.number);
                assert!(hub.assign(&plan, false).is_empty());
                assert_eq!(asked.load(Ordering::Relaxed), 0);
                let reviewed = hub.review(link, []).unwrap();
                assert_eq!(reviewed, [(ServerTopic::from(&topic(&nth.to_string())), false)]);
            }
        }
        assert_eq!(hub.status().subscriptions, 500);
    }
}
