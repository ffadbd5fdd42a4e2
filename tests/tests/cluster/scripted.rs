//! Nodes whose replies a test chooses, for states of a cluster that real nodes leave too soon.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Replies = Arc<Mutex<HashMap<String, String>>>;

/// A node with scripted replies. Its thread ends with the process.
pub struct ScriptedNode {
    port: u16,
    replies: Replies,
    /// The commands that were received.
    received: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl ScriptedNode {
    /// Starts a node that does not know HELLO, and answers all other commands with OK.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let replies = Replies::default();
        let (received, connections) = (Arc::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let node = Self {
            port,
            replies: Arc::clone(&replies),
            received: Arc::clone(&received),
            connections: Arc::clone(&connections),
        };
        node.reply("HELLO", "-ERR unknown command\r\n");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.lock().unwrap().extend(stream.try_clone());
                let (replies, received) = (Arc::clone(&replies), Arc::clone(&received));
                std::thread::spawn(move || serve(stream, &replies, &received));
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

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the reply, in wire form, to commands that start with these words. While it is empty,
    /// they are not answered.
    pub fn reply(&self, command: &str, reply: &str) {
        self.replies.lock().unwrap().insert(command.to_owned(), reply.to_owned());
    }
}

/// Returns an entry of the reply to `CLUSTER SLOTS`. The nodes are a master and its replicas.
pub fn slots(first: u16, last: u16, nodes: &[(&ScriptedNode, &str)]) -> String {
    let node = |(node, id): &(&ScriptedNode, &str)| {
        list(&[bulk("127.0.0.1"), format!(":{}\r\n", node.port()), bulk(id)])
    };
    let numbers = [first, last].map(|slot| format!(":{slot}\r\n"));
    list(&numbers.into_iter().chain(nodes.iter().map(node)).collect::<Vec<_>>())
}

/// Returns a string in wire form.
pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Returns a list in wire form.
pub fn list(items: &[String]) -> String {
    format!("*{}\r\n{}", items.len(), items.concat())
}

fn serve(stream: TcpStream, replies: &Replies, received: &Mutex<Vec<String>>) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(command) = read(&mut reader) {
        let command = command.join(" ");
        received.lock().unwrap().push(command.clone());
        let starts =
            |words: &&String| command.split(' ').zip(words.split(' ')).all(|(one, other)| one == other);
        let find = || {
            let replies = replies.lock().unwrap();
            let words = replies.keys().filter(starts).max_by_key(|words| words.len());
            words.and_then(|words| replies.get(words)).cloned().unwrap_or_else(|| "+OK\r\n".to_owned())
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
