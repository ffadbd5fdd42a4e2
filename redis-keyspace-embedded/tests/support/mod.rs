//! A real server to compare with, and a client that keeps replies as the bytes they are.
#![allow(dead_code, reason = "every suite uses its own part of this")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis_keyspace_embedded::Server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A real server on a unix socket of its own, killed when dropped.
pub(crate) struct RealServer {
    process: Child,
    directory: tempfile::TempDir,
}

impl RealServer {
    pub(crate) fn start(extra: &[&str]) -> Self {
        let binary = std::env::var_os("REDIS_KEYSPACE_SERVER_BIN").unwrap_or_else(|| "redis-server".into());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let process = Command::new(&binary)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(directory.path())
            .arg("--unixsocket")
            .arg(directory.path().join("redis.sock"))
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| {
            panic!(
                "cannot start {binary:?}: {error}. This suite compares with a real server: install \
                 redis-server 7.0, or name its binary in REDIS_KEYSPACE_SERVER_BIN"
            )
        });
        let server = Self { process, directory };
        let give_up = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(server.socket()).is_err() {
            assert!(Instant::now() < give_up, "the real server does not answer on its socket");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw::new(tokio::net::UnixStream::connect(self.socket()).await.expect("the real server's socket"))
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
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
            let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_buf(&mut self.buffer));
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
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_to_end(&mut all));
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
