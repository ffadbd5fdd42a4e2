//! A gate in front of a server that lets one command through at a time, on request. A test uses it
//! to decide what happens between two commands of a client.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::frame;

/// Stops a participant before each of its steps.
#[derive(Clone, Debug)]
pub struct Stepper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    stops: mpsc::UnboundedSender<String>,
    permits: Semaphore,
    open: AtomicBool,
}

impl Stepper {
    /// Creates a stepper and the channel that reports its stops. It does not stop before
    /// [`close`](Self::close) is called.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (stops, stopped) = mpsc::unbounded_channel();
        let inner = Inner { stops, permits: Semaphore::new(0), open: AtomicBool::new(true) };
        (Self { inner: Arc::new(inner) }, stopped)
    }

    /// Makes every further step wait, and withdraws unused permissions.
    pub fn close(&self) {
        self.inner.permits.forget_permits(self.inner.permits.available_permits());
        self.inner.open.store(false, Ordering::SeqCst);
    }

    /// Lets every further step pass.
    pub fn open(&self) {
        self.inner.open.store(true, Ordering::SeqCst);
    }

    /// Reports a step, and waits until it is allowed.
    pub async fn stop(&self, what: impl Into<String>) {
        if self.inner.open.load(Ordering::SeqCst) {
            return;
        }
        self.tell(what);
        self.inner.permits.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// Reports an event that is not a step.
    pub fn tell(&self, what: impl Into<String>) {
        // The receiver is dropped when the test is over.
        let _ = self.inner.stops.send(what.into());
    }

    /// Allows the next step.
    pub fn go(&self) {
        self.inner.permits.add_permits(1);
    }
}

/// A proxy whose commands are steps of a [`Stepper`]. A transaction is one step, at its EXEC. The
/// commands that a client sends when it connects are not steps.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    acceptor: AbortHandle,
}

impl Gate {
    /// Starts a gate in front of a server, on the runtime of the caller. The reply to a command is
    /// a step as well if `holds_replies` returns `true` for the command.
    pub async fn start(upstream: SocketAddr, stepper: Stepper, holds_replies: fn(&str) -> bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let acceptor = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // An error ends the connection, like a close.
                let link = pass(client, upstream, stepper.clone(), holds_replies);
                tokio::spawn(async move { link.await.map_or((), drop) });
            }
        });
        Self { address, acceptor: acceptor.abort_handle() }
    }

    /// Returns `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Returns a translation of every address to the one of this gate.
    pub fn address_map(&self) -> impl Fn(&str, u16) -> (String, u16) + Send + Sync + use<> {
        let address = self.address;
        move |_, _| (address.ip().to_string(), address.port())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn pass(
    mut client: TcpStream,
    upstream: SocketAddr,
    stepper: Stepper,
    holds_replies: fn(&str) -> bool,
) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut queues = false;
    loop {
        let command = message(&mut client, &mut asked).await?;
        let words = words(&command);
        let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let step = match &name[..] {
            b"MULTI" => None,
            b"EXEC" => Some("EXEC".to_owned()),
            _ if queues => None,
            _ => step(&name, &words),
        };
        queues = name == b"MULTI" || (queues && name != b"EXEC" && name != b"DISCARD");
        if let Some(step) = &step {
            stepper.stop(step).await;
        }
        server.write_all(&command).await?;
        loop {
            let reply = message(&mut server, &mut answered).await?;
            if let Some(step) = &step
                && holds_replies(step)
            {
                stepper.stop(format!("the reply to {step}")).await;
            }
            client.write_all(&reply).await?;
            if reply.first() != Some(&b'>') {
                break;
            }
        }
    }
}

/// Describes the step of a command.
fn step(name: &[u8], words: &[Vec<u8>]) -> Option<String> {
    const ASIDE: [&[u8]; 11] = [
        b"HELLO", b"AUTH", b"CLIENT", b"SELECT", b"PING", b"INFO", b"COMMAND", b"CLUSTER", b"CONFIG",
        b"PTTL", b"DBSIZE",
    ];
    let text = |index: usize| words.get(index).map(|word| String::from_utf8_lossy(word).into_owned());
    let key = text(1).unwrap_or_default();
    if ASIDE.contains(&name) {
        return None;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    if name != "EVALSHA" && name != "EVAL" {
        return Some(format!("{name} {key}").trim_end().to_owned());
    }
    let keys: usize = text(2)?.parse().ok()?;
    let what = text(3 + keys).unwrap_or_default();
    // These run in the background, at any time.
    let aside = what == "renew" || what == "release";
    (!aside).then(|| format!("{name} {what}"))
}

/// Reads one whole message.
async fn message(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        match frame::first(unread) {
            Ok(Some(frame)) => return Ok(unread.drain(..frame.len).collect()),
            Ok(None) => {}
            Err(frame::NotResp) => return Err(io::ErrorKind::InvalidData.into()),
        }
        if stream.read_buf(unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Parses the words of a command, an array of bulk strings.
fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let line = |at: usize| command[at..].windows(2).position(|pair| pair == b"\r\n").map(|end| at + end);
    let Some(mut at) = line(0).map(|end| end + 2) else { return words };
    while at < command.len() {
        let Some(end) = line(at) else { break };
        let length =
            std::str::from_utf8(&command[at + 1..end]).ok().and_then(|text| text.parse::<usize>().ok());
        let Some(length) = length else { break };
        words.push(command[end + 2..end + 2 + length].to_vec());
        at = end + 2 + length + 2;
    }
    words
}
