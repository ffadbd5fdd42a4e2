//! What the old master executes, and how long it accepts writes.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::resp::{Client, Reply};
use crate::{Executed, Monitor, PATIENCE, RealServer};

/// The commands of the tasks that only read. All others count as writes.
const READS: [&str; 7] = ["GET", "MGET", "EXISTS", "TTL", "PTTL", "WATCH", "TYPE"];
/// The interval between two writes of the witness.
const PACE: Duration = Duration::from_millis(50);

/// Records the writes of the tasks that a server executes (MONITOR), also after it was restarted.
pub struct Witness {
    namespace: String,
    monitors: Vec<Monitor>,
}

impl Witness {
    pub fn new(server: &RealServer, namespace: &str) -> Self {
        let mut witness = Self { namespace: namespace.to_owned(), monitors: Vec::new() };
        witness.watch(server);
        witness
    }

    /// Watches a server that was restarted.
    pub fn watch(&mut self, server: &RealServer) {
        let namespace = self.namespace.clone();
        let matters = move |executed: &Executed| is_write(executed, &namespace);
        self.monitors.push(Monitor::start(server, matters).expect("the server runs"));
    }

    /// Returns when it executed writes, in order.
    pub fn writes(&self) -> Vec<SystemTime> {
        let mut writes: Vec<_> =
            self.monitors.iter().flat_map(Monitor::executed).map(|executed| executed.at).collect();
        writes.sort_unstable();
        writes
    }
}

fn is_write(executed: &Executed, namespace: &str) -> bool {
    let Some((name, arguments)) = executed.words.split_first() else { return false };
    executed.client != "lua"
        && !READS.iter().any(|read| read.eq_ignore_ascii_case(name))
        && arguments.iter().any(|argument| argument.contains(namespace))
}

/// Writes to an old master until it refuses or closes the connection. Returns when it accepted the
/// last write, if it accepted one.
pub fn accepts_until(server: &RealServer) -> Option<Instant> {
    let start = Instant::now();
    let mut last = None;
    let mut client: Client = server.client();
    // The master of a failover may still hold the connection when it is a replica.
    while let Ok(Reply::Integer(_)) = client.call(&["INCR", "witness"]) {
        last = Some(Instant::now());
        assert!(start.elapsed() < PATIENCE, "the old master accepts writes for {PATIENCE:?}");
        thread::sleep(PACE);
    }
    last
}
