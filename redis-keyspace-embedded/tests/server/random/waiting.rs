//! Random commands over several connections, some of which wait.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::{Figures, configuration};
use crate::raw::Raw;

const CONNECTIONS: usize = 4;

const WAITING: Family = Family {
    name: "waiting",
    templates: &[
        "BLPOP K+ 0",
        "BRPOP K+ 0",
        "BLMOVE K K LEFT|RIGHT LEFT|RIGHT 0",
        "BRPOPLPUSH K K 0",
        "BLMPOP 0 #K LEFT|RIGHT [ COUNT 2 ]",
        "RPUSH K E",
        "RPUSH K E+",
        "LPUSH K E+",
        "LPOP K",
        "LMOVE K K LEFT LEFT",
        "LINSERT K BEFORE E E",
        "RENAME K K",
        "COPY K K REPLACE",
        "SET K E",
        "DEL K",
        "DEL K+",
        "MULTI",
        "EXEC",
        "LRANGE K 0 -1",
    ],
    keys: &["l", "m", "n"],
    elements: &[b"a", b"b", b"c"],
    state: &[],
};

/// The connections to one server.
struct Side {
    connections: Vec<Raw>,
    ids: Vec<String>,
    control: Raw,
    waiting: BTreeSet<usize>,
}

impl Side {
    async fn new(mut connect: impl AsyncFnMut() -> Raw, protocol: &str) -> Self {
        let control = connect().await;
        let (mut connections, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            let mut connection = connect().await;
            connection.call(&["HELLO", protocol]).await.expect("HELLO is answered");
            let id = connection.line("CLIENT ID").await;
            ids.push(format!("id={}", id.trim_matches([':', '\r', '\n'])));
            connections.push(connection);
        }
        let mut side = Self { connections, ids, control, waiting: BTreeSet::new() };
        side.control.line("FLUSHALL").await;
        side
    }

    async fn is_waiting(&mut self, place: usize) -> bool {
        let list = self.control.line("CLIENT LIST").await;
        let of_connection = |line: &&str| line.contains(&format!("{} ", self.ids[place]));
        let line = list.lines().find(of_connection).expect("the connection is listed");
        let flags = line.split(' ').find_map(|field| field.strip_prefix("flags="));
        flags.expect("flags are listed").contains('b')
    }

    /// Runs a command. Returns the replies that it led to, with the connections that received them.
    async fn step(&mut self, place: usize, command: &[Vec<u8>]) -> Vec<(usize, String)> {
        let mut replies = Vec::new();
        self.connections[place].send(command).await;
        loop {
            let received = tokio::time::timeout(Duration::from_millis(2), self.connections[place].receive());
            if let Ok(reply) = received.await {
                replies.push((place, show(reply)));
                break;
            }
            if self.is_waiting(place).await {
                self.waiting.insert(place);
                break;
            }
        }
        for other in self.waiting.clone() {
            if !self.is_waiting(other).await {
                self.waiting.remove(&other);
                replies.push((other, show(self.connections[other].receive().await)));
            }
        }
        replies
    }
}

fn show(reply: Option<Vec<u8>>) -> String {
    reply.map_or("closed".to_owned(), |reply| reply.escape_ascii().to_string())
}

fn line(command: &[Vec<u8>]) -> String {
    command.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

async fn difference(real: &RealServer, protocol: &str, sequence: &[(usize, Vec<Vec<u8>>)]) -> Option<String> {
    let embedded = Server::new();
    let mut ours = Side::new(async || Raw::embedded(&embedded), protocol).await;
    let mut theirs = Side::new(async || Raw::real(real).await, protocol).await;
    for (place, command) in sequence {
        if ours.waiting.contains(place) {
            continue;
        }
        let replies = (ours.step(*place, command).await, theirs.step(*place, command).await);
        if replies.0 != replies.1 {
            return Some(format!(
                "{}\n  embedded {:?}\n  real     {:?}",
                line(command),
                replies.0,
                replies.1
            ));
        }
    }
    None
}

#[test]
fn random_commands_that_wait_get_the_same_replies() {
    waiting_sequences_agree(WAITING);
}

/// Runs random sequences of the family's commands on several connections to both servers.
pub(super) fn waiting_sequences_agree(family: Family) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = RealServer::builder().start();
    let (seed, config) = configuration(40);
    let command = (0..CONNECTIONS, family.correct_command());
    let sequences = (prop::sample::select(vec!["2", "3"]), prop::collection::vec(command, 1..40));
    let figures = Figures::default();
    let result = TestRunner::new(config).run(&sequences, |(protocol, sequence)| {
        let difference = runtime.block_on(difference(&real, protocol, &sequence));
        figures.count_sequence();
        sequence.iter().for_each(|_| figures.count_command());
        let lines: Vec<String> =
            sequence.iter().map(|(place, command)| format!("{place} {}", line(command))).collect();
        prop_assert!(
            difference.is_none(),
            "RESP{protocol} {}\nafter\n{}",
            difference.unwrap_or_default(),
            lines.join("\n")
        );
        Ok(())
    });
    figures.print(family.name, seed);
    result.unwrap_or_else(|failure| panic!("{}, seed {seed}: {failure}", family.name));
}
