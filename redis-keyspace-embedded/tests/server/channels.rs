//! Channels, patterns, sharded channels, and notifications of changed keys.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{RealServer, eventually_blocking};

use crate::random::{Family, Figures, configuration};
use crate::raw::{Raw, Running, children, sorted};

const CONNECTIONS: usize = 3;

/// `K` is a channel and `E` a pattern.
const CHANNELS: Family = Family {
    name: "channels",
    templates: &[
        "SUBSCRIBE K+",
        "SUBSCRIBE K",
        "PSUBSCRIBE E+",
        "PSUBSCRIBE E",
        "SSUBSCRIBE K",
        "SSUBSCRIBE K+",
        "UNSUBSCRIBE K+",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE E+",
        "PUNSUBSCRIBE",
        "SUNSUBSCRIBE K+",
        "SUNSUBSCRIBE",
        "PUBLISH K X",
        "PUBLISH K X",
        "PUBLISH K X",
        "SPUBLISH K X",
        "SPUBLISH K X",
        "PUBSUB CHANNELS [ E ] [ X ]",
        "PUBSUB SHARDCHANNELS [ E ] [ X ]",
        "PUBSUB NUMSUB [ K+ ]",
        "PUBSUB SHARDNUMSUB [ K+ ]",
        "PUBSUB NUMPAT [ X ]",
        "PUBSUB nothing",
        "GET K",
        "RESET",
    ],
    keys: &["news", "news:1", "n*", "a{b}c", ""],
    elements: &[b"n*", b"news*", b"news:?", b"*", b"[a-z]ews", b"n\\*", b""],
    state: &[],
};

/// The connections to one server.
struct Side {
    connections: Vec<Raw>,
    protocol: &'static str,
    rounds: usize,
}

impl Side {
    async fn new(mut connect: impl AsyncFnMut() -> Raw, protocol: &'static str) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = connect().await;
            connection.call(&["HELLO", protocol]).await.expect("HELLO is answered");
            connections.push(connection);
        }
        Self { connections, protocol, rounds: 0 }
    }

    /// Runs a command, and returns what each connection received because of it.
    async fn step(&mut self, place: usize, command: &[Vec<u8>]) -> Vec<Vec<String>> {
        self.rounds += 1;
        let resets = command[0] == b"RESET";
        let ends_all = command.len() == 1 && command[0].to_ascii_uppercase().ends_with(b"UNSUBSCRIBE");
        self.connections[place].send(command).await;
        let mark = format!("mark {}", self.rounds);
        let mut received = Vec::new();
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.send(&["PING", &mark]).await;
            let mut frames = Vec::new();
            loop {
                let frame = connection.receive().await.expect("the connection stays open");
                let words = children(&frame).1;
                let bulk = format!("${}\r\n{mark}\r\n", mark.len()).into_bytes();
                let is_pong = words.first().is_some_and(|word| word == b"$4\r\npong\r\n");
                if frame == bulk || is_pong && words.last() == Some(&bulk) {
                    frames.push(format!("pong in {} words", words.len()));
                    break;
                }
                // The order of channels is not promised.
                let is_list = command[0] == b"PUBSUB" && index == place;
                let frame = if is_list { sorted(&frame).concat() } else { frame };
                if ends_all && index == place && words.len() == 3 {
                    // The subscriptions end in no promised order, but their number counts down.
                    frames.push(words[..2].concat().escape_ascii().to_string());
                    frames.push(format!("left {}", words[2].escape_ascii()));
                    continue;
                }
                frames.push(frame.escape_ascii().to_string());
            }
            // Patterns match in no promised order.
            frames.sort();
            received.push(frames);
        }
        if resets {
            self.connections[place].call(&["HELLO", self.protocol]).await;
        }
        received
    }
}

/// Each connection receives the same messages and confirmations, with the same counts.
#[test]
fn random_subscriptions_receive_the_same_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = RealServer::builder().start();
    let (seed, config) = configuration(120);
    let command = (0..CONNECTIONS, CHANNELS.command());
    let sequences = (prop::sample::select(vec!["2", "3"]), prop::collection::vec(command, 1..60));
    let figures = Figures::default();
    let result = TestRunner::new(config).run(&sequences, |(protocol, sequence)| {
        // The server may still count the subscriptions of the last sequence.
        let subscribers = || real.redis_cli(&["CLIENT", "LIST", "TYPE", "PUBSUB"]);
        eventually_blocking("the connections are closed", || subscribers().trim().is_empty());
        let difference = runtime.block_on(async {
            let embedded = Server::new();
            let mut ours = Side::new(async || Raw::embedded(&embedded), protocol).await;
            let mut theirs = Side::new(async || Raw::real(&real).await, protocol).await;
            for (place, command) in &sequence {
                figures.count_command();
                let seen = (ours.step(*place, command).await, theirs.step(*place, command).await);
                if seen.0 != seen.1 {
                    return Some(format!(
                        "{place} {command:?}\n  embedded {:?}\n  real     {:?}",
                        seen.0, seen.1
                    ));
                }
            }
            None
        });
        figures.count_sequence();
        prop_assert!(difference.is_none(), "RESP{protocol} {}", difference.unwrap_or_default());
        Ok(())
    });
    figures.print("channels", seed);
    if let Err(failure) = result {
        panic!("channels, seed {seed}: {failure}");
    }
}

/// A slot has one owner, so one command names channels of one slot.
#[tokio::test]
async fn sharded_channels_of_several_slots_are_refused_on_a_cluster() {
    let server = Server::builder().cluster().build();
    let mut client = Raw::embedded(&server);
    let refused = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
    assert_eq!(client.line("SSUBSCRIBE a b").await, refused);
    assert_eq!(client.line("SSUBSCRIBE {a}1").await, "*3\r\n$10\r\nssubscribe\r\n$4\r\n{a}1\r\n:1\r\n");
    let mut other = Raw::embedded(&server);
    assert_eq!(other.line("SPUBLISH {a}1 x").await, ":1\r\n");
    assert_eq!(other.line("PUBLISH {a}1 x").await, ":0\r\n");
}

/// A subscriber of patterns that does not read is closed at the limit, too.
#[tokio::test]
async fn a_subscriber_of_patterns_that_does_not_read_is_closed() {
    let server = Server::new();
    let (mut idle, mut publisher) = (Raw::embedded(&server), Raw::embedded(&server));
    idle.call(&["PSUBSCRIBE", "n*"]).await.unwrap();
    let message = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        publisher.call(&[&b"PUBLISH"[..], b"news", &message]).await.unwrap();
    }
    assert_eq!(publisher.line("PUBSUB NUMPAT").await, ":0\r\n");
}

/// Expiry is noticed without a command, as a real server does.
#[tokio::test]
async fn keys_that_expire_are_told_while_nobody_asks() {
    for server in Running::both() {
        let (mut listener, mut writer) = (server.connect().await, server.connect().await);
        listener.call(&["PSUBSCRIBE", "__keyevent@*__:expired"]).await.unwrap();
        writer.line("CONFIG SET notify-keyspace-events Ex").await;
        writer.line("SET k v PX 1").await;
        let event = listener.receive().await.unwrap();
        let event = String::from_utf8_lossy(&event).into_owned();
        assert!(
            event.ends_with("$22\r\n__keyevent@0__:expired\r\n$1\r\nk\r\n"),
            "{}: {event}",
            server.name()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_tells_expiry() {
    let server = Server::new();
    let (mut listener, mut writer) = (Raw::embedded(&server), Raw::embedded(&server));
    writer.line("CONFIG SET notify-keyspace-events KEA").await;
    listener.call(&["SUBSCRIBE", "__keyspace@0__:k"]).await.unwrap();
    writer.line("SET k v EX 5").await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events
            .push(String::from_utf8(children(&listener.receive().await.unwrap()).1.pop().unwrap()).unwrap());
    }
    assert_eq!(events, ["$3\r\nset\r\n", "$6\r\nexpire\r\n", "$7\r\nexpired\r\n"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// MOVE and COPY change a key of another database.
#[tokio::test]
async fn events_of_two_databases_come_in_the_order_of_a_real_server() {
    let lines = "SET k v EX 100|COPY k l DB 1|COPY k l DB 1 REPLACE|COPY k l DB 1|MOVE k 1|MOVE k 1|SELECT 1|\
                 COPY k m DB 0|MOVE k 0|HSET h f v|MOVE h 0|SELECT 0|COPY h h DB 1 REPLACE|FLUSHALL";
    let mut seen = Vec::new();
    for server in Running::both() {
        let (mut listener, mut writer) = (server.connect().await, server.connect().await);
        listener.call(&["PSUBSCRIBE", "__key*__:*"]).await.unwrap();
        writer.line("CONFIG SET notify-keyspace-events KEAn").await;
        let mut log = Vec::new();
        for line in lines.split('|') {
            let words: Vec<&str> = line.split_whitespace().collect();
            log.push(format!("{line}: {:?}", writer.line(&words.join(" ")).await));
            writer.line("PUBLISH __key__:end x").await;
            loop {
                let event = listener.receive().await.unwrap();
                let event = children(&event).1[2..].concat().escape_ascii().to_string();
                if event.contains("__key__:end") {
                    break;
                }
                log.push(event);
            }
        }
        seen.push(log);
    }
    assert_eq!(seen[0], seen[1]);
}

/// Only newer servers have lifetimes of fields.
#[tokio::test(start_paused = true)]
async fn lifetimes_of_fields_follow_a_hash_to_another_database() {
    let server = Server::new();
    let mut client = Raw::embedded(&server);
    for (moves, database) in [("MOVE h 1", 1), ("SWAPDB 0 2", 2), ("COPY h h DB 3", 3)] {
        client.line("SELECT 0").await;
        client.line("HSET h f v g w").await;
        assert_eq!(client.line("HEXPIRE h 60 FIELDS 1 f").await, "*1\r\n:1\r\n");
        client.line(moves).await;
        client.line(&format!("SELECT {database}")).await;
        assert_eq!(client.line("HTTL h FIELDS 1 f").await, "*1\r\n:60\r\n", "{moves}");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(client.line("HKEYS h").await, "*1\r\n$1\r\ng\r\n", "{moves}");
    }
}

/// Notifications are off until they are configured.
#[tokio::test]
async fn changes_of_keys_are_not_told_by_default() {
    for server in Running::both() {
        let (mut listener, mut writer) = (server.connect().await, server.connect().await);
        listener.call(&["PSUBSCRIBE", "__key*"]).await.unwrap();
        assert_eq!(
            writer.line("CONFIG GET notify-keyspace-events").await,
            "*2\r\n$22\r\nnotify-keyspace-events\r\n$0\r\n\r\n"
        );
        writer.line("SET k v").await;
        writer.line("CONFIG SET notify-keyspace-events K").await;
        writer.line("SET k v").await;
        writer.line("CONFIG SET notify-keyspace-events Kx").await;
        writer.line("SET k v").await;
        writer.line("PUBLISH __keys over").await;
        let first = String::from_utf8_lossy(&listener.receive().await.unwrap()).into_owned();
        assert!(first.contains("over"), "{}: {first}", server.name());
    }
}
