//! Tests of what subscriptions are told when nodes change, and when servers refuse topics.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::unconstrained;

use super::entry::LinkStage;
use super::hub::{AddedSubscription, Hub};
use super::inbox::{Delivery, Inbox};
use super::listener::Listener;
use super::patience::ReaderPatience;
use super::progress::LinkProgress;
use super::state::Plan;
use super::topic::{Reach, ServerTopic, Topic};
use crate::config::Settings;
use crate::connect::attempt::Origin;
use crate::connect::facts::ServerFacts;
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

fn node() -> Arc<Node> {
    let settings = Arc::<Settings>::default();
    let facts = Arc::new(ServerFacts::new(&settings));
    Arc::new(Node::new(Origin::new(settings, facts, Handle::current())))
}

fn on(nodes: Vec<Arc<Node>>) -> Plan<'static> {
    Plan::Cluster(Box::new(move |_| nodes.clone()))
}

fn notifications() -> Topic {
    Topic::pattern("a*".to_owned(), Reach::EveryMaster)
}

/// Returns what the subscription has received.
fn received(inbox: &Inbox) -> Vec<Delivery> {
    let mut context = Context::from_waker(Waker::noop());
    let next = || match inbox.poll_next(&mut context) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => None,
    };
    std::iter::from_fn(next).collect()
}

fn count(received: &[Delivery], is_counted: impl Fn(&Delivery) -> bool) -> usize {
    received.iter().filter(|delivery| is_counted(delivery)).count()
}

/// A hub with a confirmed subscription to notifications on one node.
struct World {
    hub: Hub,
    topic: Topic,
    link: u64,
    first: AddedSubscription,
}

impl World {
    fn new() -> Self {
        let (hub, topic) = (Hub::new(Handle::current()), notifications());
        let first = hub.add(&topic, 8).unwrap();
        let link = hub.assign(&on(vec![node()]), true)[0].number;
        hub.opened(link);
        hub.review(link, []).unwrap();
        hub.confirmed(link, &ServerTopic::from(&topic));
        assert!(!first.inbox.is_pending());
        Self { hub, topic, link, first }
    }

    fn of_server(&self) -> ServerTopic {
        ServerTopic::from(&self.topic)
    }

    fn failures(&self) -> usize {
        count(&received(&self.first.inbox), |delivery| matches!(delivery, Delivery::Failed(_)))
    }
}

/// Two masters that start and stop serving slots. Each sends a message after each step, unless it
/// is no master. The servers confirm at once.
struct Nodes {
    hub: Hub,
    nodes: [Arc<Node>; 2],
    masters: Vec<usize>,
    /// The number of the connection to each node, and what was sent on it.
    links: [Option<(u64, LinkProgress, bool)>; 2],
    added: AddedSubscription,
    /// Whether messages are missing, and the subscription was not told.
    is_gap: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Masters(&'static [usize]),
    /// The connection to a node looks at its topics.
    Connection(usize),
}

const STEPS: [Step; 5] = [
    Step::Masters(&[0]),
    Step::Masters(&[1]),
    Step::Masters(&[0, 1]),
    Step::Connection(0),
    Step::Connection(1),
];

impl Nodes {
    fn new(nodes: &[Arc<Node>; 2]) -> Self {
        let hub = Hub::new(Handle::current());
        // Keeps the connections open.
        hub.add(&Topic::channel("other".to_owned(), None), 1).unwrap();
        let added = hub.add(&notifications(), 8).unwrap();
        let nodes = nodes.clone();
        let mut new = Self { hub, nodes, masters: Vec::new(), links: [None, None], added, is_gap: false };
        new.takes(Step::Masters(&[0, 1]));
        new.settle();
        assert!(!new.added.inbox.is_pending());
        received(&new.added.inbox);
        new.is_gap = false;
        new
    }

    fn takes(&mut self, step: Step) {
        match step {
            Step::Masters(masters) => {
                // What a connection has not read is lost with it.
                self.is_gap |= self.masters.iter().any(|master| !masters.contains(master));
                self.masters = masters.to_vec();
                let serving: Vec<_> = masters.iter().map(|master| Arc::clone(&self.nodes[*master])).collect();
                let both = self.nodes.to_vec();
                let plan = Plan::Cluster(Box::new(move |topic| match topic.reach {
                    Reach::EveryMaster => serving.clone(),
                    _ => both.clone(),
                }));
                for opened in self.hub.assign(&plan, true) {
                    let place = self.nodes.iter().position(|node| Arc::ptr_eq(node, &opened.node)).unwrap();
                    self.links[place] = Some((opened.number, LinkProgress::default(), false));
                    self.hub.opened(opened.number);
                }
            }
            Step::Connection(place) => {
                let Some((link, progress, is_subscribed)) = &mut self.links[place] else { return };
                let topic = ServerTopic::from(&notifications());
                let commands = progress.compare(self.hub.review(*link, []).unwrap());
                if commands.unsubscribe.contains(&topic) {
                    *is_subscribed = false;
                    assert!(!progress.unsubscribed(&topic));
                }
                if commands.subscribe.contains(&topic) {
                    *is_subscribed = true;
                    assert!(progress.subscribed(&topic));
                    self.hub.confirmed(*link, &topic);
                }
            }
        }
        self.read();
        for master in &self.masters {
            let arrives = self.links[*master].as_ref().is_some_and(|(link, _, is_subscribed)| {
                let topic = notifications();
                *is_subscribed && self.hub.receivers(*link, topic.kind, &topic.name).len() == 1
            });
            self.is_gap |= !arrives;
        }
    }

    fn read(&mut self) {
        let reports = received(&self.added.inbox);
        self.is_gap &= !reports.iter().any(|report| matches!(report, Delivery::Resubscribed));
    }

    fn settle(&mut self) {
        for place in [0, 1] {
            self.takes(Step::Connection(place));
        }
    }
}

/// Whatever changes while the connections have not looked at the last change.
#[tokio::test]
async fn a_subscription_to_all_masters_is_told_each_gap() {
    // The test is one task, which reads more than a task may at once.
    unconstrained(async { check_all_schedules(&[node(), node()]) }).await;
}

fn check_all_schedules(nodes: &[Arc<Node>; 2]) {
    let mut schedules: Vec<Vec<Step>> = vec![Vec::new()];
    for _ in 0..5 {
        schedules = schedules
            .iter()
            .flat_map(|taken| STEPS.map(|step| taken.iter().copied().chain([step]).collect()))
            .collect();
        for schedule in &schedules {
            let mut world = Nodes::new(nodes);
            schedule.iter().for_each(|step| world.takes(*step));
            world.settle();
            assert!(!world.is_gap, "{schedule:?}");
        }
    }
}

/// The other master has the subscription, so no confirmation follows.
#[tokio::test]
async fn a_master_that_stops_serving_slots_leaves_a_gap() {
    let (hub, topic, nodes) = (Hub::new(Handle::current()), notifications(), [node(), node()]);
    let added = hub.add(&topic, 8).unwrap();
    for opened in hub.assign(&on(nodes.to_vec()), true) {
        hub.opened(opened.number);
        hub.confirmed(opened.number, &ServerTopic::from(&topic));
    }
    assert!(received(&added.inbox).is_empty());
    assert!(hub.assign(&on(nodes[1..].to_vec()), true).is_empty());
    assert!(matches!(received(&added.inbox)[..], [Delivery::Resubscribed]));
    // Nothing has changed.
    assert!(hub.assign(&on(nodes[1..].to_vec()), true).is_empty());
    assert!(received(&added.inbox).is_empty());
}

#[tokio::test]
async fn a_slot_that_no_node_serves_is_named_and_assigned_later() {
    let (hub, node) = (Hub::new(Handle::current()), node());
    let (topic, other) = (Topic::channel("a".to_owned(), Some(7)), notifications());
    let (unserved, _other) = (hub.add(&topic, 8).unwrap(), hub.add(&other, 8).unwrap());
    let of_others = Arc::clone(&node);
    let plan = Plan::Cluster(Box::new(move |topic| match topic.reach {
        Reach::Slot(_) => Vec::new(),
        _ => vec![Arc::clone(&of_others)],
    }));
    for all in [true, false] {
        hub.assign(&plan, all);
        assert!(hub.has_unserved());
        let error = hub.failure(&topic).unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("serves the slot 7"), "{error}");
        assert!(hub.failure(&other).is_none());
    }
    assert!(hub.assign(&on(vec![node]), false).is_empty(), "the connection is there");
    assert!(!hub.has_unserved() && hub.failure(&topic).is_none());
    let link = hub.state().links()[0].number;
    hub.confirmed(link, &ServerTopic::from(&topic));
    assert!(!unserved.inbox.is_pending());
}

#[tokio::test]
async fn a_confirmed_subscription_is_told_once_in_an_outage_that_its_login_fails() {
    let world = World::new();
    for _ in 0..2 {
        world.hub.lost(world.link, &Error::connection_lost("closed"), LinkStage::Connecting);
        assert_eq!(world.failures(), 0, "it is opened again");
        for told in [1, 0, 0] {
            world.hub.lost(world.link, &Error::server("WRONGPASS invalid"), LinkStage::Failing);
            assert_eq!(world.failures(), told);
        }
        let pending = world.hub.add(&world.topic, 8).unwrap();
        world.hub.lost(world.link, &Error::server("WRONGPASS invalid"), LinkStage::Failing);
        let error = poll_fn(|context| pending.inbox.poll_established(context)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
        world.hub.opened(world.link);
        world.hub.confirmed(world.link, &world.of_server());
        assert!(matches!(received(&world.first.inbox)[..], [Delivery::Resubscribed]));
    }
}

#[tokio::test]
async fn a_new_subscription_to_a_refused_topic_is_tried_at_once() {
    let world = World::new();
    world.hub.opened(world.link);
    world.hub.review(world.link, []).unwrap();
    world.hub.refused(world.link, &world.of_server(), &Error::server("NOPERM no"), false);
    assert_eq!(world.hub.review(world.link, []).unwrap(), []);
    let second = world.hub.add(&world.topic, 8).unwrap();
    assert_eq!(world.hub.review(world.link, []).unwrap(), [(world.of_server(), true)]);
    world.hub.confirmed(world.link, &world.of_server());
    assert!(!second.inbox.is_pending());
    // Now it is not refused.
    let _third = world.hub.add(&world.topic, 8).unwrap();
    assert_eq!(world.hub.review(world.link, []).unwrap(), []);
}

#[tokio::test]
async fn a_confirmed_subscription_is_told_the_first_refusal_that_lasts() {
    let world = World::new();
    world.hub.opened(world.link);
    let (down, denied) = (Error::server("CLUSTERDOWN The cluster is down"), Error::server("NOPERM no"));
    for (error, told) in [(&down, 0), (&denied, 1), (&down, 0), (&denied, 0)] {
        world.hub.refused(world.link, &world.of_server(), error, error.is_outage());
        assert_eq!(world.failures(), told, "{error}");
        assert_eq!(world.hub.failure(&world.topic).unwrap().code(), error.code());
    }
}

/// The reason of one topic or connection is not that of another.
#[tokio::test]
async fn a_failure_is_the_one_of_its_topic() {
    let (hub, nodes) = (Hub::new(Handle::current()), [node(), node()]);
    let topics = ["a", "b", "c"].map(|name| Topic::channel(name.to_owned(), None));
    let [of_first, of_second] = nodes.clone();
    let plan = Plan::Cluster(Box::new(move |topic| match &*topic.name {
        "a" => vec![Arc::clone(&of_first)],
        _ => vec![Arc::clone(&of_second)],
    }));
    let _added = topics.each_ref().map(|topic| hub.add(topic, 8).unwrap());
    let opened = hub.assign(&plan, true);
    let link = |node| opened.iter().find(|link| Arc::ptr_eq(&link.node, node)).unwrap().number;
    let (first, second) = (link(&nodes[0]), link(&nodes[1]));
    let failures = || topics.each_ref().map(|topic| hub.failure(topic).map(|error| error.to_string()));
    hub.lost(first, &Error::connection_lost("one"), LinkStage::Failing);
    hub.opened(second);
    let [of_a, of_b, of_c] = failures();
    assert!(of_a.is_some_and(|error| error.contains("one")) && of_b.is_none() && of_c.is_none());
    hub.refused(second, &ServerTopic::from(&topics[1]), &Error::server("LOADING Redis is loading"), true);
    let [of_a, of_b, of_c] = failures();
    assert!(of_a.is_some() && of_b.is_some_and(|error| error.contains("LOADING")) && of_c.is_none());
    hub.confirmed(second, &ServerTopic::from(&topics[1]));
    hub.opened(first);
    assert_eq!(failures(), [None, None, None]);
}

/// Drops a subscription when it is woken, or dropped.
struct Dropping(Mutex<Option<Listener>>);

impl Wake for Dropping {
    fn wake(self: Arc<Self>) {
        let listener = lock(&self.0).take();
        drop(listener);
    }
}

fn dropping(hub: &Arc<Hub>, topic: &Topic) -> (Arc<Inbox>, Waker) {
    let AddedSubscription { number, inbox, .. } = hub.add(topic, 8).unwrap();
    let (hub, topic) = (Arc::clone(hub), topic.clone());
    let listener = Listener { hub, topic, number, inbox: Arc::clone(&inbox) };
    (inbox, Waker::from(Arc::new(Dropping(Mutex::new(Some(listener))))))
}

/// Wakers belong to the application.
#[tokio::test]
async fn a_waker_may_drop_its_subscription() {
    let events: [fn(&Hub, u64, &Inbox, &ServerTopic); 6] = [
        |hub, link, _, topic| hub.confirmed(link, topic),
        |hub, link, _, topic| hub.refused(link, topic, &Error::server("NOPERM no"), false),
        |hub, link, _, _| hub.lost(link, &Error::server("WRONGPASS no"), LinkStage::Failing),
        |hub, _, _, _| hub.close(),
        |hub, _, _, _| hub.end_with_runtime(),
        |_, _, inbox, _| {
            let message = Delivery::Message { channel: Bytes::new(), payload: Bytes::new() };
            let mut patience = ReaderPatience::new();
            let delivering = pin!(inbox.deliver(&message, &mut patience));
            assert!(delivering.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        },
    ];
    for event in events {
        let (hub, topic) = (Arc::new(Hub::new(Handle::current())), notifications());
        let (inbox, waker) = dropping(&hub, &topic);
        let link = hub.assign(&on(vec![node()]), true)[0].number;
        hub.opened(link);
        assert!(inbox.poll_established(&mut Context::from_waker(&waker)).is_pending());
        event(&hub, link, &inbox, &ServerTopic::from(&topic));
        assert_eq!(hub.status().subscriptions, 0);
    }
    // A waker that is replaced is dropped.
    let (hub, topic) = (Arc::new(Hub::new(Handle::current())), notifications());
    for is_established in [false, true] {
        let (inbox, waker) = dropping(&hub, &topic);
        if is_established {
            let _ = inbox.confirmed(true);
        }
        let poll = |waker: &Waker| match is_established {
            true => inbox.poll_next(&mut Context::from_waker(waker)).is_pending(),
            false => inbox.poll_established(&mut Context::from_waker(waker)).is_pending(),
        };
        assert!(poll(&waker));
        drop(waker);
        assert_eq!(hub.status().subscriptions, 1);
        assert!(poll(Waker::noop()));
        assert_eq!(hub.status().subscriptions, 0);
    }
}
