//! The byte stream of a connection, over TCP with or without TLS, a unix socket or memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::dial::dial;
use super::facts::ServerFacts;
#[cfg(feature = "tls")]
use super::tls::TlsStream;
use crate::config::{Endpoint, Settings};
use crate::error::Error;

pub(crate) enum ByteStream {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    #[cfg(feature = "embedded")]
    Memory(tokio::io::DuplexStream),
}

impl ByteStream {
    /// Opens a stream. The caller limits the time.
    #[cfg_attr(not(feature = "tls"), allow(unused_variables, reason = "for TLS only"))]
    pub(super) async fn open(
        settings: &Settings,
        facts: &ServerFacts,
    ) -> Result<(Self, Option<Endpoint>), Error> {
        let endpoint = &settings.endpoint;
        #[cfg(feature = "tls")]
        if let (Endpoint::Tcp { .. } | Endpoint::Sentinel(_), Some(tls)) = (endpoint, &settings.tls) {
            // Before connecting, so that an invalid file is reported although the server is down.
            let config = facts.tls.config(tls).await?;
            let (socket, reached) = connect_any(settings, facts).await?;
            let stream = Self::Tls(Box::new(facts.tls.connect(socket, config, tls, &reached).await?));
            return Ok((stream, Some(reached)));
        }
        Self::open_plain(settings, facts).await
    }

    async fn open_plain(settings: &Settings, facts: &ServerFacts) -> Result<(Self, Option<Endpoint>), Error> {
        let endpoint = &settings.endpoint;
        let opened = match endpoint {
            Endpoint::Tcp { .. } | Endpoint::Sentinel(_) => {
                let (socket, reached) = connect_any(settings, facts).await?;
                return Ok((Self::Tcp(socket), Some(reached)));
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => tokio::net::UnixStream::connect(path).await.map(Self::Unix),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets"))
            }
            #[cfg(feature = "embedded")]
            Endpoint::Embedded(embedded) => embedded.server.connect().map(Self::Memory),
            Endpoint::Pool(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the application's pool makes its own connections",
            )),
            Endpoint::Disabled(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "Redis is disabled on this handle"))
            }
        };
        let stream = opened.map_err(|error| Error::io(&endpoint.to_string(), error))?;
        Ok((stream, None))
    }
}

/// Connects to the server: the master that the sentinels name or, if several nodes of a cluster are
/// configured, one of them. Each attempt begins with another node, because a node that does not
/// answer takes all the time of an attempt.
async fn connect_any(settings: &Settings, facts: &ServerFacts) -> Result<(TcpStream, Endpoint), Error> {
    let (host, port) = &match (&settings.endpoint, facts.sentinels.get()) {
        (Endpoint::Tcp { host, port }, _) => (host.clone(), *port),
        (Endpoint::Sentinel(_), Some(sentinels)) => sentinels.ask().await?.address.clone(),
        _ => return Err(Error::configuration("only a TCP server has an address")),
    };
    let further = settings.nodes.iter().map(|(host, port)| (host, *port));
    let nodes: Vec<_> = [(host, *port)].into_iter().chain(further).collect();
    let first = if nodes.len() > 1 { facts.next_seed() % nodes.len() } else { 0 };
    let (before, after) = nodes.split_at(first);
    let mut failure = None;
    for &(host, port) in after.iter().chain(before) {
        let endpoint = Endpoint::Tcp { host: host.clone(), port };
        let connected = match &settings.address_map {
            Some(map) => {
                let (host, port) = map.translate(host, port)?;
                dial(&host, port).await
            }
            None => dial(host, port).await,
        };
        match connected {
            Ok(socket) => return Ok((socket, endpoint)),
            Err(error) => failure = failure.or(Some(Error::io(&endpoint.to_string(), error))),
        }
    }
    Err(failure.unwrap_or_else(|| Error::configuration("no node is configured")))
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            ByteStream::Tcp($stream) => $call,
            #[cfg(feature = "tls")]
            ByteStream::Tls($stream) => $call,
            #[cfg(unix)]
            ByteStream::Unix($stream) => $call,
            #[cfg(feature = "embedded")]
            ByteStream::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
