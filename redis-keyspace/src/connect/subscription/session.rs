//! An open connection for subscriptions: the commands that are sent on it, and what arrives.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::inbox::Delivery;
use super::topic::{ServerTopic, TopicKind};
use crate::config::Settings;
use crate::connect::credentials::IssuedCredentials;
use crate::connect::facts::ServerFacts;
use crate::connect::login::Login;
use crate::connect::open::open;
use crate::connect::stream::ByteStream;
use crate::error::Error;
use crate::protocol::{Decoder, Keys, Malformed, Packet, READ_SIZE, Reply, SHARED, WireBuffer};

/// A longer input buffer is freed when it is empty.
pub(super) const KEEP_SIZE: usize = 256 * 1024;

/// A command that the server has not answered completely.
#[derive(Debug)]
pub(super) enum SentCommand {
    /// The topics that are not confirmed yet.
    Subscribe(Vec<ServerTopic>),
    Unsubscribe(Vec<ServerTopic>),
    Ping,
    Authenticate(Arc<IssuedCredentials>),
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Arrival {
    Message {
        kind: TopicKind,
        name: Bytes,
        message: Delivery,
    },
    Subscribed(ServerTopic),
    /// The server has ended a subscription, on request or by itself.
    Unsubscribed(ServerTopic),
    /// The server refuses a command.
    Refused(SentCommand, Error),
    /// These commands were not answered, although later ones were.
    Unanswered(Vec<SentCommand>),
    /// The server has accepted new credentials.
    Authenticated(Arc<IssuedCredentials>),
    /// Nothing of interest.
    Other,
}

pub(super) struct SubscriptionSession {
    stream: ByteStream,
    decoder: Decoder,
    input: BytesMut,
    /// The most bytes that `input` has allocated at once.
    allocated: usize,
    settings: Arc<Settings>,
    sent: VecDeque<SentCommand>,
    pub(super) speaks_resp3: bool,
    /// The credentials that it was opened with, if a provider returned them.
    pub(super) issued: Option<Arc<IssuedCredentials>>,
}

impl SubscriptionSession {
    /// Connects and logs in. The caller limits the time.
    pub(super) async fn open(settings: &Arc<Settings>, facts: &ServerFacts) -> Result<Self, Error> {
        let (stream, Login { unread, server, issued, speaks_resp3, .. }) = open(settings, facts).await?;
        facts.note_server(&server);
        Ok(Self { speaks_resp3, issued, input: unread, ..Self::over(stream, settings) })
    }

    /// A session on a stream that is logged in.
    pub(super) fn over(stream: ByteStream, settings: &Arc<Settings>) -> Self {
        Self {
            stream,
            decoder: Decoder::new(settings.max_value_bytes),
            input: BytesMut::new(),
            allocated: 0,
            settings: Arc::clone(settings),
            sent: VecDeque::new(),
            speaks_resp3: false,
            issued: None,
        }
    }

    /// Whether the server owes a reply.
    pub(super) fn is_owed(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Sends commands that subscribe or unsubscribe.
    pub(super) async fn subscribe(&mut self, topics: Vec<ServerTopic>, is_wanted: bool) -> Result<(), Error> {
        let mut by_kind: [(TopicKind, Vec<ServerTopic>); 3] =
            [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard].map(|kind| (kind, Vec::new()));
        for topic in topics {
            if let Some((_, of_kind)) = by_kind.iter_mut().find(|(kind, _)| *kind == topic.kind) {
                of_kind.push(topic);
            }
        }
        let mut out = WireBuffer::default();
        for (kind, topics) in by_kind {
            for topics in topics.chunks(kind.names_per_command()) {
                self.add_command(kind, topics.to_vec(), is_wanted, &mut out);
            }
        }
        self.write(out).await
    }

    /// Subscribes with a command for each topic.
    pub(super) async fn subscribe_to_each(&mut self, topics: Vec<ServerTopic>) -> Result<(), Error> {
        let mut out = WireBuffer::default();
        for topic in topics {
            self.add_command(topic.kind, vec![topic], true, &mut out);
        }
        self.write(out).await
    }

    /// Adds a command for topics of one kind.
    fn add_command(
        &mut self,
        kind: TopicKind,
        topics: Vec<ServerTopic>,
        is_wanted: bool,
        out: &mut WireBuffer,
    ) {
        let name = if is_wanted { kind.subscribe() } else { kind.unsubscribe() };
        let mut packet = Packet::new(name, Keys::None);
        for topic in &topics {
            packet.args.push(topic.name.as_bytes());
            // The name comes back with each message, and that of a pattern with the longer ones of
            // its channels. The limit of values does not apply to names.
            self.decoder.keep_up_to(topic.name.len().saturating_add(self.settings.max_key_bytes));
        }
        packet.encode("", out);
        self.sent.push_back(match is_wanted {
            true => SentCommand::Subscribe(topics),
            false => SentCommand::Unsubscribe(topics),
        });
    }

    pub(super) async fn ping(&mut self) -> Result<(), Error> {
        let mut out = WireBuffer::default();
        self.add_ping(&mut out);
        self.write(out).await
    }

    fn add_ping(&mut self, out: &mut WireBuffer) {
        Packet::new("PING", Keys::None).encode("", out);
        self.sent.push_back(SentCommand::Ping);
    }

    /// Logs in again with other credentials. Only for RESP3: with RESP2, a connection that is
    /// subscribed accepts no such command.
    ///
    /// A PING follows in the same write. Redis 7.2 to 8.6 and Valkey 7.2 to 8.1 do not reply to an
    /// AUTH that they reject while messages wait to be sent, but they reply to the PING.
    pub(super) async fn authenticate(&mut self, issued: Arc<IssuedCredentials>) -> Result<(), Error> {
        let mut packet = Packet::new("AUTH", Keys::None);
        let credentials = issued.credentials();
        credentials.username().into_iter().for_each(|username| packet.args.push(username.as_bytes()));
        packet.args.push(credentials.password().expose().as_bytes());
        let mut out = WireBuffer::default();
        packet.encode("", &mut out);
        self.sent.push_back(SentCommand::Authenticate(issued));
        self.add_ping(&mut out);
        self.write(out).await
    }

    async fn write(&mut self, mut out: WireBuffer) -> Result<(), Error> {
        let writing = async {
            while !out.is_empty() {
                let chunk = out.chunk();
                let length = chunk.len();
                self.stream.write_all(chunk).await?;
                out.wrote(length);
            }
            // A TLS session may hold records back.
            self.stream.flush().await
        };
        match timeout(self.settings.timeout, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::connection_lost(error)),
            Err(_) => Err(Error::connection_lost("the server reads nothing")),
        }
    }

    /// Waits until something arrives. Dropping the future loses nothing.
    pub(super) async fn read(&mut self) -> Result<(), Error> {
        if self.input.is_empty() && self.allocated > KEEP_SIZE {
            (self.input, self.allocated) = (BytesMut::new(), 0);
        }
        // The decoder has reserved what the next message needs.
        if self.input.capacity() - self.input.len() < READ_SIZE {
            self.input.reserve(READ_SIZE);
        }
        self.allocated = self.allocated.max(self.input.capacity());
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) => Err(Error::connection_lost("closed by the server")),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::connection_lost(error)),
        }
    }

    /// Returns what has arrived; `None` if it is not complete.
    pub(super) fn next(&mut self) -> Result<Option<Arrival>, Error> {
        let decoded = self.decoder.decode(&mut self.input);
        self.allocated = self.allocated.max(self.input.capacity());
        match decoded {
            Ok(Some(reply)) => Ok(Some(self.arrival(reply))),
            Ok(None) => Ok(None),
            Err(Malformed(problem)) => Err(Error::connection_lost(format!("the server sent {problem}"))),
        }
    }

    /// With RESP2, a push is an array. No command that is sent here has an array as its reply,
    /// except for PING.
    fn arrival(&mut self, reply: Reply) -> Arrival {
        match reply {
            Reply::Push(parts) | Reply::Array(parts) => self.push(parts),
            Reply::Status(text) if text == "PONG" => self.pong(),
            Reply::Error(text) => self.error(&text),
            Reply::Ok => {
                let at = self.sent.iter().position(|sent| matches!(sent, SentCommand::Authenticate(_)));
                match at.and_then(|at| self.sent.remove(at)) {
                    Some(SentCommand::Authenticate(issued)) => Arrival::Authenticated(issued),
                    _ => Arrival::Other,
                }
            }
            // Never fatal: a later server may send more.
            _ => Arrival::Other,
        }
    }

    fn push(&mut self, parts: Vec<Reply>) -> Arrival {
        let mut parts = parts.into_iter();
        let Some(Reply::Bulk(what)) = parts.next() else { return Arrival::Other };
        let kind = match what.as_ref() {
            b"message" | b"subscribe" | b"unsubscribe" => TopicKind::Channel,
            b"pmessage" | b"psubscribe" | b"punsubscribe" => TopicKind::Pattern,
            b"smessage" | b"ssubscribe" | b"sunsubscribe" => TopicKind::Shard,
            b"pong" => return self.pong(),
            _ => return Arrival::Other,
        };
        // The name is nil if there was nothing to unsubscribe from.
        let Some(Reply::Bulk(name)) = parts.next() else { return Arrival::Other };
        if what.ends_with(b"message") {
            let channel =
                if kind == TopicKind::Pattern { parts.next() } else { Some(Reply::Bulk(name.clone())) };
            let channel = match channel {
                Some(Reply::Bulk(channel)) => self.compact(channel),
                // Longer than any name of the template. It is skipped like other foreign ones.
                Some(Reply::TooLong(_)) => Bytes::new(),
                _ => return Arrival::Other,
            };
            let message = match parts.next() {
                Some(Reply::Bulk(payload)) if payload.len() <= self.settings.max_value_bytes => {
                    Delivery::Message { channel, payload: self.compact(payload) }
                }
                Some(Reply::Bulk(payload)) => Delivery::TooLong(payload.len()),
                Some(Reply::TooLong(length)) => Delivery::TooLong(length),
                _ => return Arrival::Other,
            };
            return Arrival::Message { kind, name, message };
        }
        // Names that are not UTF-8 were not requested here.
        let Ok(name) = str::from_utf8(&name) else { return Arrival::Other };
        let topic = ServerTopic { kind, name: name.into() };
        let is_end = what.ends_with(b"unsubscribe");
        self.confirm(&topic, is_end);
        if is_end { Arrival::Unsubscribed(topic) } else { Arrival::Subscribed(topic) }
    }

    /// Copies a string that shares a much longer buffer, which it would keep alive while it waits
    /// for its reader.
    fn compact(&self, text: Bytes) -> Bytes {
        if text.len() >= SHARED && text.len() < self.allocated / 2 {
            return Bytes::copy_from_slice(&text);
        }
        text
    }

    /// Removes a topic from the first command that has it.
    fn confirm(&mut self, topic: &ServerTopic, is_end: bool) {
        for (nth, sent) in self.sent.iter_mut().enumerate() {
            let topics = match sent {
                SentCommand::Subscribe(topics) if !is_end => topics,
                SentCommand::Unsubscribe(topics) if is_end => topics,
                _ => continue,
            };
            let Some(at) = topics.iter().position(|other| other == topic) else { continue };
            topics.swap_remove(at);
            if topics.is_empty() {
                self.sent.remove(nth);
            }
            return;
        }
    }

    /// The replies come in order, so commands before the PING are answered, or never will be.
    fn pong(&mut self) -> Arrival {
        let Some(at) = self.sent.iter().position(|sent| matches!(sent, SentCommand::Ping)) else {
            return Arrival::Other;
        };
        let unanswered: Vec<SentCommand> =
            self.sent.drain(..=at).filter(|sent| !matches!(sent, SentCommand::Ping)).collect();
        if unanswered.is_empty() { Arrival::Other } else { Arrival::Unanswered(unanswered) }
    }

    fn error(&mut self, text: &str) -> Arrival {
        let error = Error::server(text);
        match self.sent.pop_front() {
            Some(sent) => Arrival::Refused(sent, error),
            None => Arrival::Other,
        }
    }
}

#[cfg(test)]
impl SubscriptionSession {
    pub(super) fn input_capacity(&self) -> usize {
        self.input.capacity()
    }
}
