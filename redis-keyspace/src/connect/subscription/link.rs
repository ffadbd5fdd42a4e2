//! The connection to one node: it is opened again when it is lost, and subscribed until what the
//! server has confirmed is what is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::entry::LinkStage;
use super::hub::Hub;
use super::nodes::SubscriptionNodes;
use super::patience::ReaderPatience;
use super::progress::{LONGEST_IF_TEMPORARY, LONGEST_RETRY, LinkProgress, TopicCommands};
use super::reauthentication::LinkCredentials;
use super::session::{Arrival, SentCommand, SubscriptionSession};
use super::topic::{ServerTopic, TopicKind};
use crate::connect::attempt::Attempt;
use crate::connect::credentials::IssuedCredentials;
use crate::connect::node::Node;
use crate::connect::reauthentication::note_reauthentication;
use crate::error::Error;
use crate::time::Backoff;

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

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
        // Subscribed before the master is asked for, so that no replacement is missed.
        let mut replaced = node.facts.generations();
        match origin.attempt(|| SubscriptionSession::open(&node.settings, &node.facts)).await {
            Attempt::Connected(session) => {
                wait_for_place(&hub, number, &wake, &nodes).await;
                hub.opened(number);
                let mut link = Link::new(&hub, number, &node, &nodes, session);
                let error = tokio::select! {
                    error = link.run(&wake) => error,
                    // Messages are published at the new master.
                    _ = replaced.changed() => Error::connection_lost("the server was replaced"),
                };
                if link.is_confirmed {
                    pause = pauses();
                }
                drop(link);
                origin.lost(&error, true);
                hub.lost(number, &error, LinkStage::Connecting);
            }
            Attempt::Failed(error, _) => hub.lost(number, &error, LinkStage::Failing),
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
pub(super) struct Link<'l> {
    hub: &'l Hub,
    number: u64,
    node: &'l Arc<Node>,
    nodes: &'l Arc<dyn SubscriptionNodes>,
    session: SubscriptionSession,
    credentials: LinkCredentials,
    progress: LinkProgress,
    /// Topics to look at again, because of what the server sent.
    unclear: Vec<ServerTopic>,
    /// How long slow readers may still hold it up.
    patience: ReaderPatience,
    /// When something arrived last, or when a command was sent while no reply was outstanding.
    heard: Instant,
    /// Whether the server has confirmed anything.
    is_confirmed: bool,
    /// Whether the topics were reviewed after the last wake-up.
    is_settled: bool,
}

impl<'l> Link<'l> {
    pub(super) fn new(
        hub: &'l Hub,
        number: u64,
        node: &'l Arc<Node>,
        nodes: &'l Arc<dyn SubscriptionNodes>,
        session: SubscriptionSession,
    ) -> Self {
        Self {
            hub,
            number,
            node,
            nodes,
            credentials: LinkCredentials::of(&session),
            session,
            progress: LinkProgress::default(),
            unclear: Vec::new(),
            patience: ReaderPatience::new(),
            heard: Instant::now(),
            is_confirmed: false,
            is_settled: false,
        }
    }

    /// Keeps the connection subscribed. Returns why it ended.
    pub(super) async fn run(&mut self, wake: &Notify) -> Error {
        let failure = loop {
            if let Err(error) = self.step(wake).await {
                break error;
            }
        };
        event!(debug, "the connection for subscriptions ended", error = %failure);
        failure
    }

    async fn step(&mut self, wake: &Notify) -> Result<(), Error> {
        let mut has_arrived = false;
        while let Some(arrival) = self.session.next()? {
            has_arrived = true;
            self.handle(arrival).await?;
        }
        let now = Instant::now();
        if has_arrived {
            // The server was not silent while its messages were waiting here.
            self.heard = now;
        }
        self.unclear.extend(self.progress.due(now));
        if !std::mem::replace(&mut self.is_settled, true) || !self.unclear.is_empty() {
            self.synchronize().await?;
        }
        let next_check = self.next_check();
        let next_check = async {
            match next_check {
                Some(next_check) => sleep_until(next_check).await,
                None => std::future::pending().await,
            }
        };
        let newer = self.credentials.newer(self.node);
        // What has arrived is read before the time is looked at: a server whose messages wait here
        // is not silent. What comes before is rare, so it can't keep the connection from reading.
        tokio::select! {
            biased;
            () = wake.notified() => {
                self.is_settled = false;
                Ok(())
            }
            newer = newer => self.authenticate(newer).await,
            outcome = self.session.read() => {
                self.heard = Instant::now();
                outcome
            }
            () = next_check => self.check_silence().await,
        }
    }

    /// Subscribes and unsubscribes where what is wanted differs from what was requested.
    async fn synchronize(&mut self) -> Result<(), Error> {
        let Some(reviewed) = self.hub.review(self.number, self.unclear.drain(..)) else {
            // It is no longer needed, so this task is being aborted.
            return std::future::pending().await;
        };
        let TopicCommands { unsubscribe, subscribe } = self.progress.compare(reviewed);
        if !unsubscribe.is_empty() {
            self.about_to_send().subscribe(unsubscribe, false).await?;
        }
        if !subscribe.is_empty() {
            self.about_to_send().subscribe(subscribe, true).await?;
        }
        Ok(())
    }

    /// Returns the session to send a command. All commands are sent through this: while the server
    /// owes nothing, it may be silent for any time, so its silence counts from the command on.
    fn about_to_send(&mut self) -> &mut SubscriptionSession {
        if !self.session.is_owed() {
            self.heard = Instant::now();
        }
        &mut self.session
    }

    async fn handle(&mut self, arrival: Arrival) -> Result<(), Error> {
        match arrival {
            Arrival::Message { kind, name, message } => {
                let Ok(name) = str::from_utf8(&name) else { return Ok(()) };
                for inbox in self.hub.receivers(self.number, kind, name) {
                    inbox.deliver(&message, &mut self.patience).await;
                }
            }
            Arrival::Subscribed(topic) => {
                if self.progress.subscribed(&topic) {
                    self.is_confirmed = true;
                    self.hub.confirmed(self.number, &topic);
                }
            }
            Arrival::Unsubscribed(topic) => {
                if self.progress.unsubscribed(&topic) {
                    self.hub.unconfirmed(self.number, &topic);
                    self.unclear.push(topic);
                }
            }
            Arrival::Refused(SentCommand::Subscribe(topics), error) => self.refused(topics, &error).await?,
            // The messages of a topic that can't be unsubscribed are dropped.
            Arrival::Refused(SentCommand::Unsubscribe(topics), _) => {
                for topic in &topics {
                    self.progress.refused(topic, false);
                }
            }
            Arrival::Unanswered(sent) => {
                for sent in sent {
                    match sent {
                        SentCommand::Subscribe(topics) | SentCommand::Unsubscribe(topics) => {
                            topics.iter().for_each(|topic| self.progress.forget(topic));
                            self.unclear.extend(topics);
                        }
                        // Servers that do not reply to an AUTH have rejected it.
                        SentCommand::Authenticate(issued) => {
                            let rejected = "WRONGPASS the server did not reply to AUTH";
                            self.reauthenticated(&issued, Err(&Error::server(rejected)));
                        }
                        SentCommand::Ping => {}
                    }
                }
            }
            Arrival::Refused(SentCommand::Authenticate(issued), error) => {
                self.reauthenticated(&issued, Err(&error));
            }
            Arrival::Authenticated(issued) => self.reauthenticated(&issued, Ok(())),
            Arrival::Refused(SentCommand::Ping, _) | Arrival::Other => {}
        }
        Ok(())
    }

    /// Handles a refused command. A command of several topics is refused if one of them is, so each
    /// is tried on its own.
    async fn refused(&mut self, topics: Vec<ServerTopic>, error: &Error) -> Result<(), Error> {
        let is_one_of_several = topics.len() > 1;
        let mut again = Vec::new();
        for topic in topics {
            if !self.progress.refused(&topic, true) {
                // It was unsubscribed meanwhile.
                continue;
            }
            if is_one_of_several {
                self.progress.requested_again(&topic);
                again.push(topic);
                continue;
            }
            let is_temporary = is_temporary(error);
            let longest = if is_temporary { LONGEST_IF_TEMPORARY } else { LONGEST_RETRY };
            self.progress.postpone(&topic, Instant::now(), longest);
            self.hub.refused(self.number, &topic, error, is_temporary);
            if topic.kind == TopicKind::Shard
                && error.redirect().is_some()
                && let Some(cluster) = self.nodes.cluster()
            {
                // The slot has another owner. The topic is assigned to it when the map has changed.
                let _ = cluster.after(error, Some(self.node));
                self.hub.assign_again();
            }
        }
        if !again.is_empty() {
            self.about_to_send().subscribe_to_each(again).await?;
        }
        Ok(())
    }

    async fn authenticate(&mut self, newer: Arc<IssuedCredentials>) -> Result<(), Error> {
        self.credentials.sent(&newer);
        self.about_to_send().authenticate(newer).await
    }

    /// Records the outcome of an `AUTH`.
    fn reauthenticated(&mut self, issued: &IssuedCredentials, outcome: Result<(), &Error>) {
        let facts = &self.node.facts;
        if let Some(cache) = &facts.credentials {
            note_reauthentication(outcome.err(), issued, cache, &facts.server_name());
        }
        self.credentials.answered(issued, outcome.is_ok());
    }

    /// When to look at the connection if nothing arrives before.
    fn next_check(&self) -> Option<Instant> {
        let settings = &self.node.settings;
        let silent = self.heard + silence_limit(settings.timeout);
        let ping = settings.ping_interval.map(|interval| self.heard + interval);
        let of_server = if self.session.is_owed() { Some(silent) } else { ping };
        self.progress.next_retry().into_iter().chain(of_server).min()
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
            self.about_to_send().ping().await?;
        }
        Ok(())
    }
}

/// How long a server that owes a reply may be silent.
fn silence_limit(timeout: Duration) -> Duration {
    timeout.max(Duration::from_secs(1))
}

/// Whether the server may accept the same command soon. Otherwise the permissions of the user must
/// change.
fn is_temporary(error: &Error) -> bool {
    error.is_outage() || error.is_not_run()
}
