//! Tests of what subscriptions, connections and servers do in any order.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

use super::hub::{AddedSubscription, Hub};
use super::progress::LinkProgress;
use super::state::Plan;
use super::topic::{ServerTopic, Topic};
use crate::config::Settings;
use crate::connect::attempt::Origin;
use crate::connect::facts::ServerFacts;
use crate::connect::node::Node;

fn node() -> Arc<Node> {
    let settings = Arc::<Settings>::default();
    let facts = Arc::new(ServerFacts::new(&settings));
    Arc::new(Node::new(Origin::new(settings, facts, Handle::current())))
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

const STEPS: [Step; 5] = [Step::Application, Step::Assigning, Step::Connection, Step::Server, Step::Reply];

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
                let commands = self.progress.compare(reviewed);
                let sent =
                    commands.unsubscribe.iter().map(|_| false).chain(commands.subscribe.iter().map(|_| true));
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
        let (state, topic) = (self.hub.state(), topic("a"));
        let of_server = ServerTopic::from(&topic);
        let link = &state.links()[0];
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
