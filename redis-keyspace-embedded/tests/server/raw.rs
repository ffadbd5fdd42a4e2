//! A client that keeps replies as the bytes they are.

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{PATIENCE, RealServer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// One of the two servers.
pub(crate) enum Running {
    Embedded(Server),
    Real(Box<RealServer>),
}

impl Running {
    /// Starts one of each.
    pub(crate) fn both() -> [Self; 2] {
        let real = RealServer::builder().arg("--enable-debug-command").arg("yes").start();
        [Self::Embedded(Server::new()), Self::Real(Box::new(real))]
    }

    pub(crate) async fn connect(&self) -> Raw {
        match self {
            Self::Embedded(server) => Raw::embedded(server),
            Self::Real(server) => Raw::real(server).await,
        }
    }

    /// The name, for messages of tests.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Real(_) => "real",
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that sends commands and returns replies undecoded.
pub(crate) struct Raw {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Raw {
    fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    pub(crate) fn embedded(server: &Server) -> Self {
        Self::new(server.connect().expect("an in-memory connection"))
    }

    /// To a real server, by its socket.
    pub(crate) async fn real(server: &RealServer) -> Self {
        Self::new(tokio::net::UnixStream::connect(server.socket()).await.expect("the real server's socket"))
    }

    pub(crate) async fn tcp(address: std::net::SocketAddr) -> Self {
        Self::new(tokio::net::TcpStream::connect(address).await.expect("the server listens"))
    }

    pub(crate) async fn send(&mut self, arguments: &[impl AsRef<[u8]>]) {
        self.send_bytes(&encode(arguments)).await;
    }

    /// Sends bytes as they are; the server may have closed already.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// The next reply; `None` when the connection was closed instead.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = frame_end(&self.buffer, 0) {
                return Some(self.buffer.drain(..end).collect());
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
            if read.await.expect("a reply in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn call(&mut self, arguments: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
        self.send(arguments).await;
        self.receive().await
    }

    /// Words of `line` as one command, and the reply as text.
    pub(crate) async fn line(&mut self, line: &str) -> String {
        let reply = self.call(&words(line)).await;
        reply.map_or("closed".into(), |reply| String::from_utf8_lossy(&reply).into_owned())
    }

    /// Everything until the server closes.
    pub(crate) async fn drain(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.buffer);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut all));
        drop(read.await.expect("the server closes the connection"));
        all
    }
}

pub(crate) fn encode(arguments: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend(format!("${}\r\n", argument.as_ref().len()).into_bytes());
        bytes.extend(argument.as_ref());
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Splits at spaces; `""` is an empty word, `\xNN` a byte and `_` within quotes is not special.
pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if word == "\"\"" { Vec::new() } else { unescape(word) })
        .collect()
}

fn unescape(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = word.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        bytes.extend(rest.bytes());
    }
    bytes
}

/// Where the reply that starts at `at` ends; `None` while it is incomplete.
fn frame_end(bytes: &[u8], at: usize) -> Option<usize> {
    let line_end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
    let header = &bytes[at + 1..line_end];
    let after = line_end + 2;
    let length = || std::str::from_utf8(header).expect("a length").parse::<i64>().expect("a length");
    let items = match bytes[at] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => return Some(after),
        b'$' | b'=' | b'!' => {
            let Ok(length) = usize::try_from(length()) else { return Some(after) };
            return (bytes.len() >= after + length + 2).then_some(after + length + 2);
        }
        b'*' | b'~' | b'>' => length().max(0),
        b'%' => length() * 2,
        other => panic!("no reply starts with {:?}: {:?}", char::from(other), String::from_utf8_lossy(bytes)),
    };
    (0..items).try_fold(after, |at, _| frame_end(bytes, at))
}

/// The header of a reply, and the replies within it.
pub(crate) fn children(reply: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut items = Vec::new();
    let Some(mut at) = reply.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2) else {
        return (reply.to_vec(), items);
    };
    let header = reply[..at].to_vec();
    if matches!(reply[0], b'*' | b'~' | b'>' | b'%') {
        while let Some(end) = frame_end(reply, at) {
            items.push(reply[at..end].to_vec());
            at = end;
        }
    }
    (header, items)
}

/// The items of a flat array or set of bulk strings, sorted: for replies without a promised order.
pub(crate) fn sorted(reply: &[u8]) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    let Some(mut at) = reply.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2) else {
        return items;
    };
    items.push(reply[..at].to_vec());
    while let Some(end) = frame_end(reply, at) {
        items.push(reply[at..end].to_vec());
        at = end;
    }
    items.sort();
    items
}
