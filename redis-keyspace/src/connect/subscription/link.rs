//! The connection to one node: it is opened again when it is lost, and subscribed until what the
//! server has confirmed is what is wanted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::hub::Hub;
use super::nodes::SubscriptionNodes;
use super::session::{Arrival, SentCommand, SubscriptionSession};
use super::topic::{ServerTopic, TopicKind};
use crate::connect::attempt::Attempt;
use crate::connect::credentials::IssuedCredentials;
use crate::connect::node::Node;
use crate::error::{Error, ErrorKind};
use crate::time::Backoff;

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The pauses before a topic that the server refuses is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// How far the subscription to a topic is on the current connection.
enum TopicProgress {
    Subscribing,
    Subscribed,
    Unsubscribing,
    /// The server refused it.
    Refused {
        again: Instant,
    },
}

/// Connects to a node again and again, until the task is aborted.
pub(super) async fn keep_link(
    hub: Arc<Hub>,
    number: u64,
    node: Arc<Node>,
    wake: Arc<Notify>,
    nodes: Arc<dyn SubscriptionNodes>,
) {
    let origin = node.own.origin();
    let pauses = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut pause = pauses();
    loop {
        let generation = node.facts.generation();
        // Subscribed before the master is asked for, so that no replacement is missed.
        let mut replaced = node.facts.replacements();
        match origin.attempt(|| SubscriptionSession::open(&node.settings, &node.facts)).await {
            Attempt::Connected(session) => {
                wait_for_place(&hub, number, &wake, &nodes).await;
                hub.opened(number);
                let mut link = Link {
                    hub: &hub,
                    number,
                    node: &node,
                    nodes: &nodes,
                    session,
                    generation,
                    progress: HashMap::new(),
                    retries: HashMap::new(),
                    heard: Instant::now(),
                    is_confirmed: false,
                    is_settled: false,
                };
                let error = tokio::select! {
                    error = link.run(&wake) => error,
                    // Messages are published at the new master.
                    _ = replaced.changed() => Error::connection_lost("another server is the master now"),
                };
                if link.is_confirmed {
                    pause = pauses();
                }
                drop(link);
                origin.lost(&error, true);
                hub.lost(number, &error, false);
            }
            Attempt::Failed(error, _) => hub.lost(number, &error, true),
        }
        sleep(pause.pause()).await;
    }
}

/// If the server turned out to be a node of a cluster, waits until the topics are assigned to its
/// nodes. This node may not be one of them: then the task is aborted.
async fn wait_for_place(hub: &Hub, number: u64, wake: &Notify, nodes: &Arc<dyn SubscriptionNodes>) {
    while nodes.cluster().is_some() && !hub.is_of_cluster(number) {
        hub.assign_again();
        wake.notified().await;
    }
}

/// An open connection.
struct Link<'l> {
    hub: &'l Hub,
    number: u64,
    node: &'l Arc<Node>,
    nodes: &'l Arc<dyn SubscriptionNodes>,
    session: SubscriptionSession,
    /// The generation of connections that it belongs to.
    generation: u64,
    progress: HashMap<ServerTopic, TopicProgress>,
    retries: HashMap<ServerTopic, Backoff>,
    /// When something arrived last, or when a command was sent after that.
    heard: Instant,
    /// Whether the server has confirmed anything.
    is_confirmed: bool,
    /// Whether what is wanted was compared with what was requested, and nothing has changed since.
    is_settled: bool,
}

impl Link<'_> {
    /// Keeps the connection subscribed. Returns why it ended.
    async fn run(&mut self, wake: &Notify) -> Error {
        let failure = loop {
            if let Err(error) = self.step(wake).await {
                break error;
            }
        };
        event!(debug, "the connection for subscriptions ended", error = %failure);
        failure
    }

    async fn step(&mut self, wake: &Notify) -> Result<(), Error> {
        while let Some(arrival) = self.session.next()? {
            self.take(arrival).await?;
        }
        if !std::mem::replace(&mut self.is_settled, true) {
            self.synchronize().await?;
        }
        if self.node.facts.generation() != self.generation {
            return Err(Error::connection_lost("the server was replaced"));
        }
        let (next_check, cache) = (self.next_check(), self.node.facts.credentials.clone());
        let issued = self.session.issued.clone().filter(|_| self.session.speaks_resp3);
        let limit = self.node.settings.connect_timeout;
        let newer = async {
            match (issued, &cache) {
                (Some(issued), Some(cache)) => cache.newer_than(issued.number(), limit).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = self.session.read() => {
                self.heard = Instant::now();
                outcome
            }
            () = wake.notified() => {
                self.is_settled = false;
                Ok(())
            }
            newer = newer => self.authenticate(newer).await,
            () = sleep_until(next_check) => {
                // A topic may be due to be tried again.
                self.is_settled = false;
                self.check_silence().await
            }
        }
    }

    /// Subscribes and unsubscribes until what is confirmed is what is wanted.
    async fn synchronize(&mut self) -> Result<(), Error> {
        let Some(wanted) = self.hub.wanted(self.number) else {
            return Err(Error::connection_lost("it is no longer needed"));
        };
        let now = Instant::now();
        let is_missing = |topic: &&ServerTopic| match self.progress.get(*topic) {
            None | Some(TopicProgress::Unsubscribing) => true,
            Some(TopicProgress::Refused { again }) => *again <= now,
            Some(TopicProgress::Subscribing | TopicProgress::Subscribed) => false,
        };
        let missing: Vec<ServerTopic> = wanted.iter().filter(is_missing).cloned().collect();
        let mut ending = Vec::new();
        self.progress.retain(|topic, progress| {
            let is_ending = !wanted.contains(topic);
            if is_ending && matches!(progress, TopicProgress::Subscribing | TopicProgress::Subscribed) {
                *progress = TopicProgress::Unsubscribing;
                ending.push(topic.clone());
            }
            !(is_ending && matches!(progress, TopicProgress::Refused { .. }))
        });
        self.retries.retain(|topic, _| wanted.contains(topic));
        ending.iter().for_each(|topic| self.hub.unconfirmed(self.number, topic));
        let has_news = !missing.is_empty() || !ending.is_empty();
        if has_news && !self.session.is_owed() {
            self.heard = now;
        }
        for topic in &missing {
            self.progress.insert(topic.clone(), TopicProgress::Subscribing);
        }
        if !ending.is_empty() {
            self.session.subscribe(ending, false).await?;
        }
        if !missing.is_empty() {
            self.session.subscribe(missing, true).await?;
        }
        Ok(())
    }

    async fn take(&mut self, arrival: Arrival) -> Result<(), Error> {
        match arrival {
            Arrival::Message { kind, name, message } => {
                let Ok(name) = str::from_utf8(&name) else { return Ok(()) };
                for inbox in self.hub.receivers(self.number, kind, name) {
                    inbox.deliver(&message).await;
                }
            }
            Arrival::Subscribed(topic) => {
                // A topic that is not wanted any more is being unsubscribed.
                if let Some(progress @ TopicProgress::Subscribing) = self.progress.get_mut(&topic) {
                    *progress = TopicProgress::Subscribed;
                    self.is_confirmed = true;
                    self.retries.remove(&topic);
                    self.hub.confirmed(self.number, &topic);
                }
            }
            Arrival::Unsubscribed(topic) => match self.progress.get(&topic) {
                // Wanted again meanwhile: its confirmation follows.
                Some(TopicProgress::Subscribing) | None => {}
                Some(_) => {
                    self.progress.remove(&topic);
                    self.is_settled = false;
                    self.hub.unconfirmed(self.number, &topic);
                }
            },
            Arrival::Refused(SentCommand::Subscribe(topics), error) => self.refused(topics, &error).await?,
            Arrival::Unanswered(sent) => {
                self.is_settled = false;
                for sent in sent {
                    if let SentCommand::Subscribe(topics) = sent {
                        self.progress.retain(|topic, _| !topics.contains(topic));
                    }
                }
            }
            Arrival::Refused(SentCommand::Authenticate, error) => {
                event!(
                    warn,
                    "the connection for subscriptions could not log in with new credentials",
                    error = error.code().unwrap_or("no reply")
                );
                if let (Some(cache), Some(issued)) = (&self.node.facts.credentials, &self.session.issued) {
                    cache.reject(issued);
                }
            }
            Arrival::Authenticated => {
                if let (Some(cache), Some(issued)) = (&self.node.facts.credentials, &self.session.issued) {
                    cache.accept(issued);
                }
            }
            // The messages of a topic that can't be unsubscribed are dropped.
            Arrival::Refused(SentCommand::Unsubscribe(_) | SentCommand::Ping, _) | Arrival::Other => {}
        }
        Ok(())
    }

    /// Handles a refused command. A command of several topics is refused if one of them is, so each
    /// is tried on its own.
    async fn refused(&mut self, topics: Vec<ServerTopic>, error: &Error) -> Result<(), Error> {
        if topics.len() > 1 {
            for topic in topics {
                self.session.subscribe(vec![topic], true).await?;
            }
            return Ok(());
        }
        for topic in topics {
            if topic.kind == TopicKind::Shard
                && error.redirect().is_some()
                && let Some(cluster) = self.nodes.cluster()
            {
                // The slot has another owner. The topic is assigned to it when the map has changed.
                let _ = cluster.after(error, Some(self.node));
                self.hub.assign_again();
            } else if is_temporary(error) {
                self.hub.delayed(error.clone());
            } else {
                // The permissions may come back.
                let is_first = !self.retries.contains_key(&topic);
                self.hub.refused(self.number, &topic, error, is_first);
            }
            let retry =
                self.retries.entry(topic.clone()).or_insert_with(|| Backoff::new(FIRST_RETRY, LONGEST_RETRY));
            let again = Instant::now() + retry.pause();
            if let Some(progress @ TopicProgress::Subscribing) = self.progress.get_mut(&topic) {
                *progress = TopicProgress::Refused { again };
            }
        }
        Ok(())
    }

    async fn authenticate(&mut self, newer: Arc<IssuedCredentials>) -> Result<(), Error> {
        self.session.authenticate(&newer).await?;
        self.session.issued = Some(newer);
        Ok(())
    }

    /// When to look at the connection if nothing arrives before.
    fn next_check(&self) -> Instant {
        let settings = &self.node.settings;
        let silent = self.heard + silence_limit(settings.timeout);
        let ping = settings.ping_interval.map(|interval| self.heard + interval);
        let of_server = if self.session.is_owed() { Some(silent) } else { ping };
        let again = self.progress.values().filter_map(|progress| match progress {
            TopicProgress::Refused { again } => Some(*again),
            _ => None,
        });
        // Without any limit, the generation is still checked now and then.
        let latest = Instant::now() + Duration::from_secs(60);
        again.chain(of_server).chain([latest]).min().unwrap_or(latest)
    }

    /// Sends a PING if the server was silent for long. Fails if it owes a reply and is silent.
    async fn check_silence(&mut self) -> Result<(), Error> {
        let (now, settings) = (Instant::now(), &self.node.settings);
        if self.session.is_owed() {
            let silence = now.duration_since(self.heard);
            if silence >= silence_limit(settings.timeout) {
                return Err(Error::connection_lost(format!("the server was silent for {silence:.1?}")));
            }
        } else if settings.ping_interval.is_some_and(|interval| self.heard + interval <= now) {
            self.heard = now;
            self.session.ping().await?;
        }
        Ok(())
    }
}

/// How long a server that owes a reply may be silent.
fn silence_limit(timeout: Duration) -> Duration {
    timeout.max(Duration::from_secs(1))
}

/// Whether the server may accept the same command soon.
fn is_temporary(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
        || matches!(
            error.code(),
            Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN")
        )
}
