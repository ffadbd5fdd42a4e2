//! Servers whose replies a test chooses, for states that real nodes of a cluster and real sentinels
//! leave too soon.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a node replies to commands that start with some words.
#[derive(Default)]
struct Replies {
    always: HashMap<String, String>,
    /// Each for one command, before the others.
    once: Vec<(String, String)>,
}

/// A node with scripted replies. Its thread ends with the process.
pub struct ScriptedNode {
    host: IpAddr,
    port: u16,
    replies: Arc<Mutex<Replies>>,
    /// The commands that were received.
    received: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    open: Arc<AtomicUsize>,
}

impl ScriptedNode {
    /// Starts a node that does not know HELLO, and answers all other commands with OK.
    pub fn start() -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    /// The same, on any address.
    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let replies = Arc::<Mutex<Replies>>::default();
        let (received, connections) = (Arc::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let open = Arc::<AtomicUsize>::default();
        let node = Self {
            host: address.ip(),
            port: address.port(),
            replies: Arc::clone(&replies),
            received: Arc::clone(&received),
            connections: Arc::clone(&connections),
            open: Arc::clone(&open),
        };
        node.reply("HELLO", "-ERR unknown command\r\n");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.lock().unwrap().extend(stream.try_clone());
                let (replies, received, open) =
                    (Arc::clone(&replies), Arc::clone(&received), Arc::clone(&open));
                open.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || {
                    serve(stream, &replies, &received);
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        node
    }

    /// Knows HELLO from now on, and reports this mode in its reply.
    pub fn report_mode(&self, mode: &str) {
        self.reply("HELLO", &format!("%1\r\n{}{}", bulk("mode"), bulk(mode)));
    }

    /// Closes all connections. New ones are accepted.
    pub fn cut_all(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Returns how many commands that start with these words were received.
    pub fn received(&self, words: &str) -> usize {
        self.received.lock().unwrap().iter().filter(|command| command.starts_with(words)).count()
    }

    /// Returns the port, on 127.0.0.1 unless another address was chosen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many connections are open. One that waits for a reply counts until it has it.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Sends bytes on all connections, such as a push.
    pub fn send(&self, wire: &str) {
        for connection in self.connections.lock().unwrap().iter_mut() {
            // It may be closed.
            let _ = connection.write_all(wire.as_bytes());
        }
    }

    /// Sets the reply, in wire form, to commands that start with these words. While it is empty,
    /// they are not answered.
    pub fn reply(&self, command: &str, reply: &str) {
        self.replies.lock().unwrap().always.insert(command.to_owned(), reply.to_owned());
    }

    /// Sets the reply to the next command that starts with these words.
    pub fn reply_once(&self, command: &str, reply: &str) {
        self.replies.lock().unwrap().once.push((command.to_owned(), reply.to_owned()));
    }
}

/// Returns an entry of the reply to `CLUSTER SLOTS`. The nodes are a master and its replicas.
pub fn slots(first: u16, last: u16, nodes: &[(&ScriptedNode, &str)]) -> String {
    let node = |(node, id): &(&ScriptedNode, &str)| {
        list(&[bulk(&node.host.to_string()), format!(":{}\r\n", node.port()), bulk(id)])
    };
    let numbers = [first, last].map(|slot| format!(":{slot}\r\n"));
    list(&numbers.into_iter().chain(nodes.iter().map(node)).collect::<Vec<_>>())
}

impl ScriptedNode {
    /// Makes it a sentinel of the master `mymaster`, with `others` as the other sentinels. It knows
    /// HELLO.
    pub fn watch(&self, others: &[&ScriptedNode]) {
        self.report_mode("sentinel");
        let entry = |other: &&ScriptedNode| {
            map(&[("ip", "127.0.0.1"), ("port", &other.port.to_string()), ("runid", &other.run_id())])
        };
        self.reply("SENTINEL MYID", &bulk(&self.run_id()));
        self.reply("SENTINEL SENTINELS", &list(&others.iter().map(entry).collect::<Vec<_>>()));
        self.reply("SENTINEL REPLICAS", &list(&[]));
        // The reply to a subscription in RESP3 is a push.
        self.reply("SUBSCRIBE", &format!(">3\r\n{}{}:1\r\n", bulk("subscribe"), bulk("+switch-master")));
        self.reply("PING", "+PONG\r\n");
    }

    /// Sets the master that a sentinel names.
    pub fn name(&self, master: &ScriptedNode, epoch: u64, other_sentinels: usize) {
        let (port, epoch, others) = (master.port.to_string(), epoch.to_string(), other_sentinels.to_string());
        let details = [("config-epoch", &*epoch), ("num-other-sentinels", &others)];
        self.reply("SENTINEL MASTER", &map(&details));
        self.reply("SENTINEL GET-MASTER-ADDR-BY-NAME", &list(&[bulk("127.0.0.1"), bulk(&port)]));
    }

    fn run_id(&self) -> String {
        format!("{:040x}", self.port)
    }
}

/// Returns a map of strings in the wire form of RESP3.
fn map(fields: &[(&str, &str)]) -> String {
    let fields_in_wire_form = fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]);
    format!("%{}\r\n{}", fields.len(), fields_in_wire_form.collect::<String>())
}

/// Returns a push in wire form, as a sentinel sends it when the master of this name changes.
pub fn switch_master(name: &str, from: &ScriptedNode, to: &ScriptedNode) -> String {
    let message = format!("{name} 127.0.0.1 {} 127.0.0.1 {}", from.port, to.port);
    format!(">3\r\n{}{}{}", bulk("message"), bulk("+switch-master"), bulk(&message))
}

/// Returns a string in wire form.
pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Returns a list in wire form.
pub fn list(items: &[String]) -> String {
    format!("*{}\r\n{}", items.len(), items.concat())
}

fn serve(stream: TcpStream, replies: &Mutex<Replies>, received: &Mutex<Vec<String>>) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(command) = read(&mut reader) {
        let command = command.join(" ");
        received.lock().unwrap().push(command.clone());
        let starts = |words: &str| command.split(' ').zip(words.split(' ')).all(|(one, other)| one == other);
        let find = || {
            let mut replies = replies.lock().unwrap();
            if let Some(nth) = replies.once.iter().position(|(words, _)| starts(words)) {
                return replies.once.remove(nth).1;
            }
            let words = replies.always.keys().filter(|words| starts(words)).max_by_key(|words| words.len());
            words.and_then(|words| replies.always.get(words)).cloned().unwrap_or_else(|| "+OK\r\n".to_owned())
        };
        let mut reply = find();
        while reply.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
            reply = find();
        }
        if writer.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a command; `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let count = number(reader, '*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(reader, '$')?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        words.push(String::from_utf8_lossy(&word[..length]).into_owned());
    }
    Some(words)
}

fn number(reader: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim().strip_prefix(kind)?.parse().ok()
}
