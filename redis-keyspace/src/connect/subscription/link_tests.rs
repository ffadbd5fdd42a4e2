//! Tests of open connections, whose servers are scripted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::time::{Duration, Instant, sleep};

use super::hub::{AddedSubscription, Hub};
use super::link::Link;
use super::nodes::SubscriptionNodes;
use super::session::SubscriptionSession;
use super::state::Plan;
use super::topic::Topic;
use crate::config::{Credentials, RedisBuilder, Settings};
use crate::connect::attempt::Origin;
use crate::connect::cluster::Cluster;
use crate::connect::facts::ServerFacts;
use crate::connect::node::Node;
use crate::connect::stream::ByteStream;
use crate::error::Error;

const LONG: Duration = Duration::from_secs(3600);

/// The only server.
struct Lone(Arc<Node>);

impl SubscriptionNodes for Lone {
    fn home(&self) -> &Arc<Node> {
        &self.0
    }

    fn cluster(&self) -> Option<&Cluster> {
        None
    }
}

/// The server's end of a connection.
struct Peer {
    stream: DuplexStream,
    received: Vec<u8>,
}

impl Peer {
    /// Waits until the last of these words has arrived. They arrive in this order, each as an
    /// argument.
    async fn receives(&mut self, words: &[&str]) {
        for word in words {
            let line = format!("\r\n{word}\r\n");
            let end = loop {
                let at = self.received.windows(line.len()).position(|window| window == line.as_bytes());
                match at {
                    Some(at) => break at + line.len() - 2,
                    None => assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0, "{word}"),
                }
            };
            self.received.drain(..end);
        }
    }

    /// Returns what has arrived and was not waited for.
    async fn rest(&mut self) -> String {
        sleep(Duration::from_millis(1)).await;
        let reading =
            tokio::time::timeout(Duration::from_millis(1), self.stream.read_buf(&mut self.received));
        let _ = reading.await;
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }

    async fn sends(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Confirms the subscription to a channel.
    async fn confirms(&mut self, name: &str) {
        self.sends(&format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{name}\r\n:1\r\n", name.len())).await;
    }
}

/// A connection, and the subscriptions to it.
struct World {
    hub: Arc<Hub>,
    node: Arc<Node>,
    plan: Plan<'static>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let facts = Arc::new(ServerFacts::new(&settings));
        let node = Arc::new(Node::new(Origin::new(settings, facts, Handle::current())));
        Self { hub: Arc::new(Hub::new(Handle::current())), plan: Plan::Single(Arc::clone(&node)), node }
    }

    fn subscribe(&self, name: &str) -> AddedSubscription {
        let added = self.hub.add(&Topic::channel(name.to_owned(), None), 8).unwrap();
        assert!(self.hub.assign(&self.plan, false).is_empty(), "the connection is there");
        added
    }

    /// Opens the connection, which has a subscription to the channel `a`. The task returns why it
    /// ended.
    async fn open(&self) -> (Peer, AddedSubscription, tokio::task::JoinHandle<Error>) {
        let added = self.hub.add(&Topic::channel("a".to_owned(), None), 8).unwrap();
        let opened = self.hub.assign(&self.plan, true).pop().unwrap();
        let (stream, other) = tokio::io::duplex(1 << 20);
        let mut session = SubscriptionSession::over(ByteStream::Memory(stream), &self.node.settings);
        session.speaks_resp3 = true;
        if let Some(cache) = &self.node.facts.credentials {
            session.issued = Some(cache.for_new_connection(LONG).await.unwrap());
        }
        let (hub, node) = (Arc::clone(&self.hub), Arc::clone(&self.node));
        let running = tokio::spawn(async move {
            let nodes: Arc<dyn SubscriptionNodes> = Arc::new(Lone(Arc::clone(&node)));
            hub.opened(opened.number);
            Link::new(&hub, opened.number, &node, &nodes, session).run(&opened.wake).await
        });
        let mut peer = Peer { stream: other, received: Vec::new() };
        peer.receives(&["SUBSCRIBE", "a"]).await;
        peer.confirms("a").await;
        while added.inbox.is_pending() {
            sleep(Duration::from_millis(1)).await;
        }
        (peer, added, running)
    }
}

/// Settings with a source of credentials, whose user is the number of the call. Each of them is
/// replaced after 2 seconds.
fn with_credentials() -> (Arc<AtomicU64>, Settings) {
    let calls = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&calls);
    let provider = move || {
        let user = format!("user{}", counted.fetch_add(1, Ordering::Relaxed));
        let credentials = Credentials::new(user, "secret").expires_in(Duration::from_secs(4));
        std::future::ready(Ok::<_, String>(credentials))
    };
    let builder = RedisBuilder::default().credentials(provider).ping_interval(None);
    (calls, Settings { timeout: Duration::from_secs(1), ..builder.base })
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_waits_for_the_reply_to_auth() {
    let (_, settings) = with_credentials();
    let (mut peer, _added, running) = World::new(settings).open().await;
    for user in ["user1", "user2"] {
        peer.receives(&["AUTH", user, "PING"]).await;
        sleep(Duration::from_millis(900)).await;
        peer.sends("+OK\r\n+PONG\r\n").await;
    }
    sleep(Duration::from_millis(900)).await;
    assert!(!running.is_finished());
    // It is silent after that.
    peer.receives(&["AUTH", "user3", "PING"]).await;
    let (start, error) = (Instant::now(), running.await.unwrap());
    assert!(error.to_string().contains("the server was silent"), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(900));
}

/// Many servers do not reply to an AUTH that they reject while messages wait to be sent.
#[tokio::test(start_paused = true)]
async fn credentials_are_rejected_also_if_the_server_does_not_reply_to_auth() {
    for reply in ["", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"] {
        let (calls, settings) = with_credentials();
        let world = World::new(settings);
        let (mut peer, _added, running) = world.open().await;
        peer.receives(&["AUTH", "user1", "PING"]).await;
        let other = world.subscribe("b");
        peer.receives(&["SUBSCRIBE", "b"]).await;
        // Each error belongs to its command.
        peer.sends(&format!("{reply}+PONG\r\n-NOPERM no permission\r\n")).await;
        let error = std::future::poll_fn(|context| other.inbox.poll_established(context)).await.unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"));
        world.hub.release(&Topic::channel("b".to_owned(), None), other.number);
        // The provider is called again, earlier than the rejected credentials would be replaced.
        peer.receives(&["AUTH", "user2", "PING"]).await;
        peer.sends("+OK\r\n+PONG\r\n").await;
        peer.receives(&["AUTH", "user3", "PING"]).await;
        assert_eq!(calls.load(Ordering::Relaxed), 4);
        assert!(!running.is_finished());
    }
}

/// Only the credentials that an error belongs to are rejected, and only if it says so.
#[tokio::test(start_paused = true)]
async fn an_auth_that_fails_for_another_reason_is_repeated() {
    let (calls, settings) = with_credentials();
    let (mut peer, _added, running) = World::new(settings).open().await;
    peer.receives(&["AUTH", "user1", "PING"]).await;
    peer.sends("-BUSY Redis is busy running a script.\r\n+PONG\r\n").await;
    peer.receives(&["AUTH", "user1", "PING"]).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    peer.sends("+OK\r\n+PONG\r\n").await;
    peer.receives(&["AUTH", "user2", "PING"]).await;
    assert!(!running.is_finished());
    assert_eq!(peer.rest().await, "\r\n");
}

/// A refused command of several topics is one write of one command for each.
#[tokio::test(start_paused = true)]
async fn the_topics_of_a_refused_command_are_tried_one_by_one() {
    let world = World::new(Settings::default());
    let (mut peer, _added, running) = world.open().await;
    // They are assigned together, so they are sent in one command.
    let names = ["b", "c"];
    let added = names.map(|name| world.hub.add(&Topic::channel(name.to_owned(), None), 8).unwrap());
    world.hub.assign(&world.plan, false);
    peer.receives(&["SUBSCRIBE"]).await;
    peer.sends("-NOPERM one of them\r\n").await;
    for _ in names {
        peer.receives(&["*2", "$9", "SUBSCRIBE", "$1"]).await;
    }
    assert!(added.iter().all(|added| added.inbox.is_pending()));
    peer.sends("-NOPERM first\r\n-CLUSTERDOWN The cluster is down\r\n").await;
    while added.iter().all(|added| added.inbox.is_pending()) {
        sleep(Duration::from_millis(1)).await;
    }
    for (name, added) in names.iter().zip(&added).filter(|(_, added)| !added.inbox.is_pending()) {
        world.hub.release(&Topic::channel((*name).to_owned(), None), added.number);
    }
    // The one that may be accepted soon is tried again soon, however often.
    for _ in 0..10 {
        let start = Instant::now();
        peer.receives(&["SUBSCRIBE"]).await;
        assert!(start.elapsed() <= Duration::from_millis(501), "{:?}", start.elapsed());
        peer.sends("-CLUSTERDOWN The cluster is down\r\n").await;
    }
    assert_eq!(added.iter().filter(|added| added.inbox.is_pending()).count(), 1);
    assert!(!running.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_new_subscriber_of_a_refused_topic_does_not_wait() {
    let world = World::new(Settings::default());
    let (mut peer, _added, _running) = world.open().await;
    let topic = Topic::channel("b".to_owned(), None);
    let first = world.subscribe("b");
    let mut waited = Vec::new();
    // The pauses grow.
    for _ in 0..10 {
        let start = Instant::now();
        peer.receives(&["SUBSCRIBE", "b"]).await;
        waited.push(start.elapsed());
        peer.sends("-NOPERM no\r\n").await;
    }
    assert!(waited.last().unwrap() > &Duration::from_secs(4), "{waited:?}");
    assert!(!first.inbox.is_pending(), "the first refusal has ended it");
    // The connection reads the last refusal.
    sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    let second = world.hub.add(&topic, 8).unwrap();
    peer.receives(&["SUBSCRIBE", "b"]).await;
    peer.confirms("b").await;
    while second.inbox.is_pending() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(start.elapsed() < Duration::from_millis(50));
}

/// An idle connection has nothing else to notice it by.
#[tokio::test(start_paused = true)]
async fn a_generation_that_ends_is_noticed() {
    let facts = World::new(Settings::default()).node.facts.clone();
    let mut generations = facts.generations();
    assert!(!generations.has_changed().unwrap());
    facts.new_generation();
    assert!(generations.has_changed().unwrap());
    generations.mark_unchanged();
    facts.replace_master();
    assert!(generations.has_changed().unwrap());
}
