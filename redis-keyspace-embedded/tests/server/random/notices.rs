//! Random commands cause the same notifications.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::{Figures, Pair, configuration};
use crate::raw::{Raw, children};

/// A connection that receives the events of one server.
struct Listener {
    connection: Raw,
    rounds: usize,
}

impl Listener {
    async fn new(mut connection: Raw) -> Self {
        connection.line("CONFIG SET notify-keyspace-events KEAn").await;
        connection.line("PSUBSCRIBE __key*__:*").await;
        Self { connection, rounds: 0 }
    }

    /// Returns the channels and messages since the last call.
    async fn events(&mut self) -> Vec<String> {
        self.rounds += 1;
        let mark = self.rounds.to_string();
        self.connection.send(&["PING", &mark]).await;
        let mut events = Vec::new();
        loop {
            let frame = self.connection.receive().await.expect("the listener stays connected");
            let words = children(&frame).1;
            if words.len() == 2 {
                assert!(words[1].ends_with(format!("{mark}\r\n").as_bytes()));
                return events;
            }
            events.push(words[2..].concat().escape_ascii().to_string());
        }
    }
}

/// Runs random sequences of the family's commands on both servers, and compares the events.
pub(super) fn notices_agree(family: Family, real: &RealServer) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (seed, config) = configuration(60);
    let sequences = prop::collection::vec(family.command(), 1..60);
    let figures = Figures::default();
    let result = TestRunner::new(config).run(&sequences, |sequence| {
        let difference = runtime.block_on(async {
            let embedded = Server::new();
            let mut pair = Pair::new(&embedded, real, "2").await;
            let mut ours = Listener::new(Raw::embedded(&embedded)).await;
            let mut theirs = Listener::new(Raw::real(real).await).await;
            for command in &sequence {
                figures.count_command();
                if let Some(difference) = pair.compare(command).await {
                    return Some(difference);
                }
                let events = (ours.events().await, theirs.events().await);
                // The test makes the sets equal again after random members were removed, and lets
                // keys expire in a millisecond, which may have passed when the command runs.
                let is_exact =
                    ![&b"SPOP"[..], b"EXPIRED"].iter().any(|name| command[0].eq_ignore_ascii_case(name));
                if events.0 != events.1 && is_exact {
                    let words: Vec<_> = command.iter().map(|word| word.escape_ascii().to_string()).collect();
                    return Some(format!(
                        "{words:?}\n  embedded {:#?}\n  real     {:#?}",
                        events.0, events.1
                    ));
                }
            }
            None
        });
        figures.count_sequence();
        prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
        Ok(())
    });
    figures.print(&format!("notices of {}", family.name), seed);
    if let Err(failure) = result {
        panic!("notices of {}, seed {seed}: {}", family.name, failure);
    }
}

const STRINGS: Family = Family {
    name: "strings",
    templates: &[
        "SET K E",
        "SET K E [ NX|XX ] [ GET ] [ EX 100|-1|x ] [ KEEPTTL ]",
        "SETEX K 100|0 E",
        "PSETEX K 100000 E",
        "SETNX K E",
        "GETSET K E",
        "GETDEL K",
        "GETEX K [ EX 100|-1 ] [ PERSIST ]",
        "GETEX K PXAT 1|4000000000000",
        "MSET K E K E",
        "MSETNX K E K E",
        "APPEND K E",
        "SETRANGE K 0|2|-1 E",
        "INCR K",
        "DECRBY K I",
        "INCRBYFLOAT K 1.5|x|0.1",
        "EXPIRE K 100|-1",
        "PERSIST K",
        "EXPIRED K",
        "RENAME K K",
        "RENAMENX K K",
        "COPY K K [ REPLACE ]",
        "DEL K+",
        "UNLINK K+",
        "CARRY K K 0|100000|-1|x [ REPLACE ]",
        "CARRY K K 1 ABSTTL REPLACE",
        "LPUSH K E",
        "FLUSHALL",
        "GET K",
    ],
    keys: &["k", "l", "m"],
    elements: &[b"a", b"1", b"", b"\x00\xff\r\n"],
    state: &[],
};

#[test]
fn random_commands_cause_the_same_notifications() {
    let real = RealServer::builder().arg("--databases").arg("16").start();
    for family in [STRINGS].into_iter().chain(super::FAMILIES) {
        notices_agree(family, &real);
    }
}
