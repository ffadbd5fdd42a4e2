//! A connection to a sentinel.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::report::text;
use crate::config::Settings;
use crate::connect::facts::ServerFacts;
use crate::connect::hello::says_mode;
use crate::connect::login::{LoginFailure, greet};
use crate::connect::stream::ByteStream;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Decoder, Keys, Malformed, Packet, Reply, WireBuffer};

const SWITCH: &str = "+switch-master";

/// A connection to a sentinel that is logged in. With RESP3 it also listens.
pub(super) struct SentinelSession {
    stream: ByteStream,
    decoder: Decoder,
    input: BytesMut,
    /// The name of the master.
    name: String,
    /// Whether a switch was announced since the sentinel was asked last.
    has_news: bool,
    is_subscribed: bool,
}

impl SentinelSession {
    /// Connects, logs in and subscribes. The caller limits the time.
    pub(super) async fn open(settings: &Settings, facts: &ServerFacts, name: &str) -> Result<Self, Error> {
        let (mut stream, _) = ByteStream::open(settings, facts).await?;
        let (hello, unread) = greet(&mut stream, settings).await.map_err(LoginFailure::into_error)?;
        if let Some(hello) = &hello
            && !says_mode(hello, "sentinel")
        {
            return Err(Error::configuration(format!(
                "{} is not a sentinel; sentinels usually have the port 26379",
                settings.endpoint
            )));
        }
        let mut session = Self {
            stream,
            decoder: Decoder::default(),
            input: unread,
            name: name.to_owned(),
            has_news: false,
            is_subscribed: false,
        };
        // With RESP2, a connection that listens can't ask. Asking twice a second is enough then.
        if hello.is_some() {
            session.subscribe().await?;
        }
        Ok(session)
    }

    /// Subscribes to switches. A user who may not is no failure.
    async fn subscribe(&mut self) -> Result<(), Error> {
        let mut subscribe = Packet::new("SUBSCRIBE", Keys::None);
        subscribe.args.push(SWITCH.as_bytes());
        // A success has no reply but a push, so the reply to the next command shows the end.
        self.send(&[subscribe, Packet::new("PING", Keys::None)]).await?;
        let first = self.reply().await?;
        if !self.is_subscribed && matches!(first, Reply::Error(_)) {
            self.reply().await?;
        }
        Ok(())
    }

    /// Sends commands and returns their replies, which may be errors.
    pub(super) async fn ask(&mut self, packets: &[Packet]) -> Result<Vec<Reply>, Error> {
        self.has_news = false;
        self.send(packets).await?;
        let mut replies = Vec::with_capacity(packets.len());
        while replies.len() < packets.len() {
            replies.push(self.reply().await?);
        }
        Ok(replies)
    }

    /// Waits until a switch of the master is announced. Dropping the future loses nothing.
    pub(super) async fn news(&mut self) -> Result<(), Error> {
        while !self.has_news {
            if self.next().await?.is_some() {
                return Err(Error::protocol("a sentinel sent a reply without a request"));
            }
        }
        Ok(())
    }

    async fn send(&mut self, packets: &[Packet]) -> Result<(), Error> {
        let mut out = WireBuffer::default();
        packets.iter().for_each(|packet| packet.encode("", &mut out));
        let written = async {
            self.stream.write_all(out.chunk()).await?;
            self.stream.flush().await
        };
        written.await.map_err(|error| Error::io("the sentinel", error))
    }

    async fn reply(&mut self) -> Result<Reply, Error> {
        loop {
            if let Some(reply) = self.next().await? {
                return Ok(reply);
            }
        }
    }

    /// Returns the next reply, or `None` after a push.
    async fn next(&mut self) -> Result<Option<Reply>, Error> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(Reply::Push(push))) => {
                    self.note(&push);
                    return Ok(None);
                }
                Ok(Some(reply)) => return Ok(Some(reply)),
                Ok(None) => {
                    let read = self.stream.read_buf(&mut self.input).await;
                    if read.map_err(|error| Error::io("the sentinel", error))? == 0 {
                        return Err(Error::new(ErrorKind::Unavailable, "the sentinel closed the connection"));
                    }
                }
                Err(Malformed(problem)) => {
                    return Err(Error::new(ErrorKind::Unavailable, format!("the sentinel sent {problem}")));
                }
            }
        }
    }

    fn note(&mut self, push: &[Reply]) {
        match push {
            [kind, ..] if text(kind) == Some("subscribe") => self.is_subscribed = true,
            [kind, channel, message] if text(kind) == Some("message") && text(channel) == Some(SWITCH) => {
                let of = text(message).and_then(|message| message.split(' ').next());
                self.has_news |= of == Some(self.name.as_str());
            }
            _ => {}
        }
    }
}
