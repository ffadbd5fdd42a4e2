//! A TCP proxy that injects faults.
//!
//! It runs on its own threads, so it works independently of the test's runtime, and a blocking
//! client on the test's thread can use it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::frame::{self, Frame, NotResp};
use crate::sync::lock;
use crate::wait::PATIENCE;

/// What the proxy does to a command.
///
/// Earlier commands on the same connection, pipelined ones too, first get their complete replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Forwards the command.
    Pass,
    /// Forwards the command after a delay. Later commands on the connection wait as well.
    Delay(Duration),
    /// Closes the connection instead. The server never sees the command.
    CutRequest,
    /// Forwards the command, and closes the connection when the server replies. The command ran,
    /// but the client cannot know.
    CutReply,
    /// Forwards the command, and closes the connection after this many bytes of the reply.
    TruncateReply(usize),
    /// Forwards the command, and replaces the first byte of its reply, the type of the reply.
    CorruptReply,
    /// Discards the command and everything after it. The connection stays open and silent.
    BlackHole,
    /// Forwards the command, and discards its reply and everything after it.
    BlackHoleReply,
}

/// The traffic of a [`Proxy`] since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections accepted.
    pub connections: usize,
    /// Connections open now.
    pub open: usize,
    /// Commands that clients sent, forwarded or not.
    pub commands: usize,
    /// Bytes that clients sent.
    pub bytes_up: usize,
    /// Bytes that the server sent.
    pub bytes_down: usize,
    /// The number of reads behind `bytes_up`. The system joins and splits writes, so this is close
    /// to the number of client writes, and equal only if clients wait for a reply between writes.
    pub writes_up: usize,
    /// The same for `bytes_down`.
    pub writes_down: usize,
}

/// A TCP proxy on loopback that injects faults.
///
/// It detects the boundaries of commands and replies. Other protocols, such as TLS, are forwarded
/// unchanged, and each read counts as a command. Faults of replies are not exact on a subscribed
/// connection. Dropping the proxy closes every connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    door: Mutex<Door>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    plan: Mutex<Plan>,
    traffic: watch::Sender<Traffic>,
    links: Mutex<Vec<Weak<Link>>>,
}

#[derive(Debug)]
struct Plan {
    standing: Fault,
    once: Vec<(Vec<u8>, Fault)>,
    /// Faults by command name, in capitals.
    named: Vec<(Vec<u8>, Fault)>,
}

/// Whether the port accepts connections.
#[derive(Debug)]
enum Door {
    Open {
        closing: Arc<AtomicBool>,
        acceptor: JoinHandle<()>,
    },
    /// A socket that is bound and does not listen: connections are refused, and the port stays
    /// reserved.
    Shut {
        placeholder: TcpSocket,
    },
    /// Only during a change between the other states.
    Moving,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            plan: Mutex::new(Plan { standing: Fault::Pass, once: Vec::new(), named: Vec::new() }),
            traffic: watch::Sender::default(),
            links: Mutex::default(),
        });
        let door = Mutex::new(open(listener, &shared));
        Self { port, shared, door }
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Sets the fault for every further command, on open and new connections. [`once`](Self::once)
    /// and [`on`](Self::on) take precedence. A connection that went silent stays silent.
    pub fn set(&self, fault: Fault) {
        lock(&self.shared.plan).standing = fault;
    }

    /// Sets the fault for the next command. Several calls form a queue, one fault per command. A
    /// client sends HELLO and other commands when it connects; they count, too.
    pub fn once(&self, fault: Fault) {
        self.on("", fault);
    }

    /// Sets the fault for the next command whose bytes contain `needle`, such as a key. Case
    /// matters. Several calls form a queue.
    pub fn on(&self, needle: impl AsRef<[u8]>, fault: Fault) {
        lock(&self.shared.plan).once.push((needle.as_ref().to_vec(), fault));
    }

    /// Sets the fault for every further command with this name, like a proxy that closes the
    /// connection on unknown commands. [`once`](Self::once) and [`on`](Self::on) take precedence.
    pub fn named(&self, name: &str, fault: Fault) {
        let name = name.to_ascii_uppercase().into_bytes();
        let mut plan = lock(&self.shared.plan);
        plan.named.retain(|(known, _)| *known != name);
        plan.named.push((name, fault));
    }

    /// Returns the number of faults of [`once`](Self::once) and [`on`](Self::on) that are still
    /// unused.
    pub fn unused(&self) -> usize {
        lock(&self.shared.plan).once.len()
    }

    /// Refuses new connections, like a host without a listener, or accepts them again. Open
    /// connections stay open.
    pub fn refuse(&self, refuse: bool) {
        let mut door = lock(&self.door);
        match (std::mem::replace(&mut *door, Door::Moving), refuse) {
            (Door::Open { closing, acceptor }, true) => {
                self.shut(&closing, acceptor);
                *door = Door::Shut { placeholder: retry(|| hold(self.address())) };
            }
            (Door::Shut { placeholder }, false) => {
                drop(placeholder);
                *door = open(retry(|| TcpListener::bind(self.address())), &self.shared);
            }
            (same, _) => *door = same,
        }
    }

    /// Redirects new connections to another server, like a changed DNS name. Open connections stay
    /// open.
    pub fn redirect(&self, upstream: SocketAddr) {
        *lock(&self.shared.upstream) = upstream;
    }

    /// Closes the oldest open connection.
    pub fn cut_oldest(&self) {
        let mut links = lock(&self.shared.links);
        links.retain(|link| link.strong_count() > 0);
        if !links.is_empty()
            && let Some(link) = links.remove(0).upgrade()
        {
            link.cut();
        }
    }

    /// Closes every open connection now.
    pub fn cut_all(&self) {
        for link in lock(&self.shared.links).drain(..) {
            if let Some(link) = link.upgrade() {
                link.cut();
            }
        }
    }

    /// Returns the traffic so far.
    pub fn traffic(&self) -> Traffic {
        *self.shared.traffic.borrow()
    }

    /// Waits until `fits` returns `true` for the traffic. Panics after [`PATIENCE`]. Do not use it
    /// with a paused clock.
    pub async fn until(&self, fits: impl FnMut(&Traffic) -> bool) -> Traffic {
        let mut traffic = self.shared.traffic.subscribe();
        let waited = tokio::time::timeout(PATIENCE, traffic.wait_for(fits)).await;
        match waited {
            Ok(traffic) => *traffic.expect("the proxy owns the sender"),
            Err(_) => panic!("no match within {PATIENCE:?}; traffic so far: {:?}", self.traffic()),
        }
    }

    fn shut(&self, closing: &AtomicBool, acceptor: JoinHandle<()>) {
        closing.store(true, Ordering::SeqCst);
        // A connection is the only way to wake `accept`. If a client connects first, it wakes
        // `accept`.
        let _ = TcpStream::connect(self.address());
        acceptor.join().expect("the acceptor does not panic");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let door = std::mem::replace(&mut *lock(&self.door), Door::Moving);
        if let Door::Open { closing, acceptor } = door {
            self.shut(&closing, acceptor);
        }
        self.cut_all();
    }
}

/// Retries a bind. Between two of our sockets the port is free for a moment, and an outgoing
/// connection may take it.
fn retry<T>(mut bind: impl FnMut() -> io::Result<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind() {
            Ok(bound) => return bound,
            Err(error) => assert!(Instant::now() < deadline, "the proxy lost its port: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?; // connections of the port may still be open
    socket.bind(address)?;
    Ok(socket)
}

fn open(listener: TcpListener, shared: &Arc<Shared>) -> Door {
    let closing = Arc::new(AtomicBool::new(false));
    let acceptor = {
        let (closing, shared) = (Arc::clone(&closing), Arc::clone(shared));
        thread::spawn(move || {
            for client in listener.incoming() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    shared.traffic.send_modify(|traffic| traffic.connections += 1);
                    // If the server is down, the connection closes at once; the proxy keeps
                    // accepting.
                    let _ = Link::start(client, &shared);
                }
            }
        })
    };
    Door::Open { closing, acceptor }
}

/// One client, and its connection to the server.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    state: Mutex<LinkState>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct LinkState {
    /// What happens to each pending reply, in order.
    fates: VecDeque<Fate>,
    /// How the connection ends after these replies.
    end: Option<End>,
    /// Whether the client receives nothing more.
    silent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Deliver,
    Truncate(usize),
    Corrupt,
    Swallow,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Cut,
    Silence,
}

impl Link {
    fn start(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
        let server = TcpStream::connect(*lock(&shared.upstream))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let link = Arc::new(Self { client, server, state: Mutex::default(), shared: Arc::clone(shared) });
        shared.traffic.send_modify(|traffic| traffic.open += 1);
        let mut links = lock(&shared.links);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
        drop(links);
        let other = Arc::clone(&link);
        thread::spawn(move || {
            // An error ends the connection, like a close.
            let _ = link.pump_up();
            link.cut();
        });
        thread::spawn(move || {
            let _ = other.pump_down();
            // The server may close its side of a silent connection. The client must see only
            // silence.
            if !lock(&other.state).silent {
                other.cut();
            }
        });
        Ok(())
    }

    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Forwards from the client to the server, until the client closes.
    fn pump_up(&self) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let mut unread = Vec::new();
        let mut opaque = false;
        loop {
            let len = (&self.client).read(&mut chunk)?;
            if len == 0 {
                return Ok(());
            }
            unread.extend_from_slice(&chunk[..len]);
            let commands = split(&mut unread, &mut opaque);
            self.shared.traffic.send_modify(|traffic| {
                traffic.bytes_up += len;
                traffic.writes_up += 1;
                traffic.commands += commands.len();
            });
            let mut outgoing = Vec::new(); // one read is forwarded as one write
            for (command, _) in commands {
                if lock(&self.state).end.is_some() {
                    break; // bytes after a cut or in a black hole are discarded
                }
                let fault = self.shared.fault(&command);
                let fate = match fault {
                    Fault::Pass | Fault::Delay(_) => Some(Fate::Deliver),
                    Fault::CutReply => Some(Fate::Truncate(0)),
                    Fault::TruncateReply(len) => Some(Fate::Truncate(len)),
                    Fault::CorruptReply => Some(Fate::Corrupt),
                    Fault::BlackHoleReply => Some(Fate::Swallow),
                    Fault::CutRequest | Fault::BlackHole => None,
                };
                if let Fault::Delay(delay) = fault {
                    (&self.server).write_all(&std::mem::take(&mut outgoing))?;
                    thread::sleep(delay);
                }
                if let Some(fate) = fate {
                    outgoing.extend_from_slice(&command);
                    let mut state = lock(&self.state);
                    if opaque || !subscribes(&command) {
                        state.fates.push_back(fate);
                    }
                    match fate {
                        Fate::Deliver | Fate::Corrupt => {}
                        Fate::Truncate(_) => state.end = Some(End::Cut),
                        Fate::Swallow => state.end = Some(End::Silence),
                    }
                } else {
                    let end = if fault == Fault::CutRequest { End::Cut } else { End::Silence };
                    self.finish(end);
                }
            }
            (&self.server).write_all(&outgoing)?;
        }
    }

    /// Ends the connection after the pending replies, or at once if none are pending.
    fn finish(&self, end: End) {
        let mut state = lock(&self.state);
        state.end = Some(end);
        if state.fates.is_empty() {
            self.apply(end, &mut state);
        }
    }

    fn apply(&self, end: End, state: &mut LinkState) {
        match end {
            End::Cut => self.cut(),
            End::Silence => state.silent = true,
        }
    }

    /// Forwards from the server to the client, until the server closes.
    fn pump_down(&self) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let mut unread = Vec::new();
        let mut opaque = false;
        loop {
            let len = (&self.server).read(&mut chunk)?;
            if len == 0 {
                return Ok(());
            }
            self.shared.traffic.send_modify(|traffic| {
                traffic.bytes_down += len;
                traffic.writes_down += 1;
            });
            unread.extend_from_slice(&chunk[..len]);
            let mut outgoing = Vec::new();
            let mut end = None;
            for (message, frame) in split(&mut unread, &mut opaque) {
                let mut state = lock(&self.state);
                if state.silent {
                    break;
                }
                let fate =
                    if frame.push { Fate::Deliver } else { state.fates.pop_front().unwrap_or(Fate::Deliver) };
                match fate {
                    Fate::Deliver => outgoing.extend_from_slice(&message),
                    Fate::Truncate(len) => outgoing.extend_from_slice(&message[..len.min(message.len())]),
                    Fate::Corrupt => {
                        outgoing.push(b'?');
                        outgoing.extend_from_slice(&message[1..]);
                    }
                    Fate::Swallow => {}
                }
                if !frame.push && state.fates.is_empty() {
                    end = state.end;
                    if end.is_some() {
                        break;
                    }
                }
            }
            (&self.client).write_all(&outgoing)?;
            if let Some(end) = end {
                self.apply(end, &mut lock(&self.state));
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.traffic.send_modify(|traffic| traffic.open -= 1);
    }
}

impl Shared {
    fn fault(&self, command: &[u8]) -> Fault {
        let mut plan = lock(&self.plan);
        let contains =
            |needle: &[u8]| needle.is_empty() || command.windows(needle.len()).any(|part| part == needle);
        match plan.once.iter().position(|(needle, _)| contains(needle)) {
            Some(nth) => plan.once.remove(nth).1,
            None => {
                let name = name_of(command);
                plan.named.iter().find(|(known, _)| *known == name).map_or(plan.standing, |(_, fault)| *fault)
            }
        }
    }
}

/// Removes the complete messages from `unread`, or everything if it is not the Redis protocol.
fn split(unread: &mut Vec<u8>, opaque: &mut bool) -> Vec<(Vec<u8>, Frame)> {
    let mut messages = Vec::new();
    let mut at = 0;
    while at < unread.len() && !*opaque {
        match frame::first(&unread[at..]) {
            Ok(Some(frame)) => {
                messages.push((unread[at..at + frame.len].to_vec(), frame));
                at += frame.len;
            }
            Ok(None) => break,
            Err(NotResp) => *opaque = true,
        }
    }
    if *opaque && at < unread.len() {
        let frame = Frame { len: unread.len() - at, push: false };
        messages.push((unread[at..].to_vec(), frame));
        at = unread.len();
    }
    unread.drain(..at);
    messages
}

/// Returns whether a command has other than one reply, so its replies look like messages.
fn subscribes(command: &[u8]) -> bool {
    name_of(command).ends_with(b"SUBSCRIBE")
}

/// Returns the name of a command in capitals: the third line of `*2\r\n$9\r\nSUBSCRIBE\r\n..`.
fn name_of(command: &[u8]) -> Vec<u8> {
    let name = command.split(|&byte| byte == b'\n').nth(2).unwrap_or_default();
    name.trim_ascii().to_ascii_uppercase()
}
