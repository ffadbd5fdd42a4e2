//! Replies and messages that a client does not read.

use std::time::Duration;

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{PATIENCE, RealServer};
use tokio::io::AsyncWriteExt;

use crate::raw::{Raw, encode};

/// Waits until the server has closed a connection.
async fn until_open(server: &Server, connections: usize) {
    let closed = async {
        while server.connection_count() > connections {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the server closes the connection");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_at_the_hard_limit() {
    for (embedded, real) in [(Some(Server::new()), None), (None, Some(RealServer::builder().start()))] {
        let connect = async || match (&embedded, &real) {
            (Some(server), _) => Raw::embedded(server),
            (_, Some(server)) => Raw::real(server).await,
            _ => unreachable!("one of the two"),
        };
        let mut admin = connect().await;
        assert_eq!(
            admin.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 20mb 0 0"]).await.unwrap(),
            b"+OK\r\n"
        );
        let value = vec![b'x'; 1_000_000];
        admin.call(&[&b"SET"[..], b"k", &value]).await.unwrap();
        let mut greedy = connect().await;
        greedy.send_bytes(&encode(&["GET", "k"]).repeat(100)).await;
        let replies = greedy.drain().await;
        assert!(replies.len() < 100_000_000, "{}", replies.len());
        // What it asks for in parts below the limit, it gets.
        let mut modest = connect().await;
        for _ in 0..30 {
            assert_eq!(
                modest.call(&["GET", "k"]).await.unwrap().len(),
                value.len() + b"$1000000\r\n\r\n".len()
            );
        }
    }
}

/// The process of a test must not run out of memory.
#[tokio::test]
async fn there_is_a_limit_by_default() {
    let server = Server::new();
    let mut admin = Raw::embedded(&server);
    let limits = admin.line("CONFIG GET client-output-buffer-limit").await;
    assert!(
        limits.contains("normal 1073741824 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        "{limits}"
    );
    let value = vec![b'x'; 50_000_000];
    admin.call(&[&b"SET"[..], b"k", &value]).await.unwrap();
    let mut greedy = Raw::embedded(&server);
    greedy.send_bytes(&encode(&["GET", "k"]).repeat(1_000)).await;
    until_open(&server, 1).await;
    assert!(server.commands() < 100, "{}", server.commands());
    drop(greedy);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_closed() {
    let server = Server::new();
    let (mut reader, mut idle, mut publisher) =
        (Raw::embedded(&server), Raw::embedded(&server), Raw::embedded(&server));
    for subscriber in [&mut reader, &mut idle] {
        subscriber.call(&["SUBSCRIBE", "news"]).await.unwrap();
    }
    let message = vec![b'x'; 1_000_000];
    let mut reached = Vec::new();
    for _ in 0..100 {
        reached.push(publisher.call(&[&b"PUBLISH"[..], b"news", &message]).await.unwrap());
        assert!(reader.receive().await.unwrap().len() > message.len());
    }
    assert_eq!(reached[0], b":2\r\n");
    assert_eq!(reached[99], b":1\r\n");
    until_open(&server, 2).await;
}

/// All messages at once, before the connection of the subscriber can take one.
#[tokio::test]
async fn messages_of_one_transaction_are_limited() {
    let server = Server::new();
    let (mut idle, mut publisher) = (Raw::embedded(&server), Raw::embedded(&server));
    idle.call(&["SUBSCRIBE", "news"]).await.unwrap();
    let message = vec![b'x'; 1_000_000];
    publisher.line("MULTI").await;
    for _ in 0..100 {
        publisher.call(&[&b"PUBLISH"[..], b"news", &message]).await.unwrap();
    }
    let replies = publisher.line("EXEC").await;
    let reached = replies.lines().filter(|line| *line == ":1").count();
    assert!((30..40).contains(&reached), "{reached}");
    until_open(&server, 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_soft_limit_leaves_time() {
    let server = Server::new();
    let mut admin = Raw::embedded(&server);
    admin.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 0 10mb 60"]).await.unwrap();
    let value = vec![b'x'; 1_000_000];
    admin.call(&[&b"SET"[..], b"k", &value]).await.unwrap();
    let request = encode(&["GET", "k"]).repeat(20);
    let (mut slow, mut stuck) = (Raw::embedded(&server), server.connect().unwrap());
    slow.send_bytes(&request).await;
    stuck.write_all(&request).await.unwrap();
    while server.commands() < 42 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(server.connection_count(), 3);
    // One of them reads so much that it is below the limit.
    for _ in 0..15 {
        slow.receive().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(server.connection_count(), 2);
    for _ in 0..5 {
        slow.receive().await.unwrap();
    }
}

/// A limit that is lowered holds for replies that wait already.
#[tokio::test]
async fn a_lower_limit_holds_at_the_next_event() {
    let server = Server::new();
    let (mut admin, mut idle) = (Raw::embedded(&server), Raw::embedded(&server));
    let value = vec![b'x'; 1_000_000];
    admin.call(&[&b"SET"[..], b"k", &value]).await.unwrap();
    idle.send_bytes(&encode(&["GET", "k"]).repeat(3)).await;
    while server.commands() < 4 {
        tokio::task::yield_now().await;
    }
    let shown = admin.line("CLIENT LIST").await;
    assert!(shown.contains("omem=2") || shown.contains("omem=3"), "{shown}");
    admin.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"]).await.unwrap();
    idle.send(&["PING"]).await;
    until_open(&server, 1).await;
}
