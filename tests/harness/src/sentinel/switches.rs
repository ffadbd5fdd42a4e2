//! Which sentinel announces a new master, and when.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime};

use super::RealSentinels;
use crate::resp::{Client, Reply};
use crate::sync::lock;
use crate::wait::PATIENCE;

/// A sentinel announced a new master (`+switch-master`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The sentinel.
    pub sentinel: usize,
    /// The new master.
    pub node: usize,
    /// When it was announced.
    pub at: Instant,
    /// The same moment by the clock of the system, which servers use.
    pub clock: SystemTime,
}

/// Subscriptions to `+switch-master` on the sentinels that were live when they were created. They
/// do not use the library, and end when this is dropped.
#[derive(Debug)]
pub struct Switches {
    seen: Arc<Seen>,
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    switches: Mutex<Vec<Switch>>,
    arrived: Condvar,
}

impl RealSentinels {
    /// Subscribes to `+switch-master` on all live sentinels, and returns when all are subscribed.
    pub fn switches(&self) -> Switches {
        let seen = Arc::new(Seen::default());
        let (mut sockets, mut threads) = (Vec::new(), Vec::new());
        let ports: Vec<u16> = (0..self.nodes.len()).map(|node| self.node_address(node).port()).collect();
        for sentinel in self.live_sentinels() {
            let server = &self.sentinels[sentinel];
            let socket = TcpStream::connect(server.address()).expect("the sentinel accepts connections");
            sockets.push(socket.try_clone().expect("a socket can be cloned"));
            let mut client = Client::over(socket).expect("the socket is open");
            server.authenticate(&mut client).expect("the sentinel accepts the password");
            let subscribed = client.call(&["SUBSCRIBE", "+switch-master"]);
            assert!(matches!(subscribed, Ok(Reply::Array(_))), "SUBSCRIBE: {subscribed:?}");
            let (seen, ports) = (Arc::clone(&seen), ports.clone());
            threads.push(thread::spawn(move || seen.listen(sentinel, client, &ports)));
        }
        Switches { seen, sockets, threads }
    }
}

impl Seen {
    /// Records the announcements of a sentinel until its connection ends.
    fn listen(&self, sentinel: usize, mut client: Client, ports: &[u16]) {
        while let Ok(message) = client.receive() {
            let (at, clock) = (Instant::now(), SystemTime::now());
            let Reply::Array(parts) = message else { continue };
            let Some(text) = parts.get(2).map(Reply::to_string) else { continue };
            // The name, the old host and port, and the new host and port.
            let port = text.split(' ').nth(4).and_then(|port| port.parse().ok());
            let Some(node) = ports.iter().position(|known| Some(*known) == port) else { continue };
            lock(&self.switches).push(Switch { sentinel, node, at, clock });
            self.arrived.notify_all();
        }
    }
}

impl Switches {
    /// Returns what was announced so far, in the order of time.
    pub fn seen(&self) -> Vec<Switch> {
        lock(&self.seen.switches).clone()
    }

    /// Waits until a sentinel announces a new master, and returns the first announcement.
    pub fn first(&self) -> Switch {
        self.until("a sentinel announces a new master", |seen| seen.first().copied())
    }

    /// Waits until this sentinel announces a new master, and returns its first announcement.
    pub fn first_of(&self, sentinel: usize) -> Switch {
        self.until("the sentinel announces a new master", |seen| {
            seen.iter().find(|switch| switch.sentinel == sentinel).copied()
        })
    }

    /// Waits until all these sentinels have announced a new master, and returns the last of their
    /// first announcements.
    pub fn last(&self, sentinels: &[usize]) -> Switch {
        let switches = sentinels.iter().map(|sentinel| self.first_of(*sentinel));
        switches.max_by_key(|switch| switch.at).expect("at least one sentinel")
    }

    fn until(&self, what: &str, mut found: impl FnMut(&[Switch]) -> Option<Switch>) -> Switch {
        let deadline = Instant::now() + PATIENCE;
        let mut switches = lock(&self.seen.switches);
        loop {
            if let Some(switch) = found(&switches) {
                return switch;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}: not within {PATIENCE:?}; seen: {switches:?}");
            let waited = self.seen.arrived.wait_timeout(switches, left);
            switches = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

impl Drop for Switches {
    fn drop(&mut self) {
        for socket in &self.sockets {
            // Fails only if the connection ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
