//! The output buffers of connections, and their limits.

use std::time::Duration;

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{PATIENCE, eventually};
use tokio::io::{AsyncWriteExt, DuplexStream};

use crate::raw::{Raw, Running, encode};

/// Waits until the embedded server has no more than this number of connections.
async fn until_open(server: &Server, connections: usize) {
    let closed = async {
        while server.connection_count() > connections {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the server closes the connection");
}

/// Waits until a server of either kind has closed the connection with this id.
async fn until_closed(admin: &mut Raw, id: &str) {
    let list = format!("CLIENT LIST ID {id}");
    eventually("the server closes the connection", async || !admin.line(&list).await.contains("id=")).await;
}

async fn id(connection: &mut Raw) -> String {
    connection.line("CLIENT ID").await.trim_start_matches(':').trim().to_owned()
}

async fn limit(admin: &mut Raw, value: &str) {
    let reply = admin.call(&["CONFIG", "SET", "client-output-buffer-limit", value]).await.unwrap();
    assert_eq!(reply, b"+OK\r\n", "{value}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_at_the_hard_limit() {
    for server in Running::both() {
        let mut admin = server.connect().await;
        limit(&mut admin, "normal 20mb 0 0").await;
        let value = vec![b'x'; 1_000_000];
        admin.call(&[&b"SET"[..], b"k", &value]).await.unwrap();
        let get = encode(&["GET", "k"]);
        let many_keys = encode(&[&["MGET"][..], &["k"; 1_000]].concat());
        let transaction = [encode(&["MULTI"]), get.repeat(1_000), encode(&["EXEC"])].concat();
        // Many replies, a long one, and one that consists of many.
        for request in [get.repeat(100), many_keys, transaction] {
            let mut greedy = server.connect().await;
            greedy.send_bytes(&request).await;
            let replies = greedy.drain().await;
            assert!(replies.len() < 100_000_000, "{}: {}", server.name(), replies.len());
        }
        // What it asks for in parts below the limit, it gets.
        let mut modest = server.connect().await;
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
}

/// Requests can name a command a million times. The reply is not built first.
#[tokio::test]
async fn descriptions_of_commands_are_limited() {
    for server in Running::both() {
        let mut admin = server.connect().await;
        limit(&mut admin, "normal 1mb 0 0").await;
        for subcommand in ["INFO", "DOCS"] {
            let mut greedy = server.connect().await;
            let names = vec!["client"; 20_000];
            greedy.send(&[&["COMMAND", subcommand][..], &names].concat()).await;
            assert!(greedy.drain().await.len() < 10_000_000, "{}", server.name());
        }
    }
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

/// A subscriber whose output is full is closed after the transaction, and counts until then.
#[tokio::test]
async fn messages_of_one_transaction_are_limited() {
    for server in Running::both() {
        let (mut idle, mut publisher) = (server.connect().await, server.connect().await);
        limit(&mut publisher, "pubsub 4mb 0 0").await;
        let id = id(&mut idle).await;
        idle.call(&["SUBSCRIBE", "news"]).await.unwrap();
        let message = vec![b'x'; 1_000_000];
        publisher.line("MULTI").await;
        for _ in 0..20 {
            publisher.call(&[&b"PUBLISH"[..], b"news", &message]).await.unwrap();
        }
        let replies = publisher.line("EXEC").await;
        assert_eq!(replies, format!("*20\r\n{}", ":1\r\n".repeat(20)), "{}", server.name());
        until_closed(&mut publisher, &id).await;
        assert!(idle.drain().await.len() < 10_000_000, "{}", server.name());
        assert_eq!(publisher.line("PUBLISH news x").await, ":0\r\n", "{}", server.name());
    }
}

/// A connection that closes itself leaves the channels that it joins before the transaction ends.
#[tokio::test]
async fn a_publisher_that_overflows_itself_leaves_no_subscription() {
    for server in Running::both() {
        let (mut client, mut admin) = (server.connect().await, server.connect().await);
        limit(&mut admin, "pubsub 1mb 0 0").await;
        let id = id(&mut client).await;
        client.call(&["HELLO", "3"]).await.unwrap();
        client.call(&["SUBSCRIBE", "a"]).await.unwrap();
        client.line("MULTI").await;
        client.call(&[&b"PUBLISH"[..], b"a", &vec![b'x'; 2_000_000]]).await.unwrap();
        client.line("SUBSCRIBE b").await;
        client.send(&["EXEC"]).await;
        until_closed(&mut admin, &id).await;
        assert_eq!(admin.line("PUBLISH b x").await, ":0\r\n", "{}", server.name());
        assert_eq!(admin.line("PUBSUB CHANNELS").await, "*0\r\n", "{}", server.name());
    }
}

/// Each reply of a transaction has the protocol version of its moment.
#[tokio::test]
async fn a_transaction_can_change_the_protocol() {
    for server in Running::both() {
        let mut client = server.connect().await;
        for line in ["HSET h f v", "MULTI", "HGETALL h", "HELLO 3", "HGETALL h"] {
            client.line(line).await;
        }
        let replies = client.line("EXEC").await;
        assert!(replies.starts_with("*3\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n%7\r\n"), "{replies}");
        assert!(replies.ends_with("%1\r\n$1\r\nf\r\n$1\r\nv\r\n"), "{replies}");
    }
}

/// The effects of a transaction add up.
#[tokio::test]
async fn a_connection_that_closes_itself_and_sleeps_is_closed() {
    let mut seen = Vec::new();
    for server in Running::both() {
        let mut client = server.connect().await;
        let id = id(&mut client).await;
        let kill = format!("CLIENT KILL ID {id} SKIPME no");
        for line in ["MULTI", "PING", &kill, "DEBUG SLEEP 0", "INCR after"] {
            client.line(line).await;
        }
        client.send(&["EXEC"]).await;
        let replies = client.drain().await.escape_ascii().to_string();
        let executed = server.connect().await.line("GET after").await;
        seen.push((replies, executed));
    }
    assert_eq!(seen[0], seen[1]);
}

/// Sends requests for replies of 5 MB, and reads none.
async fn without_reading(server: &Server) -> DuplexStream {
    let mut stuck = server.connect().unwrap();
    stuck.write_all(&encode(&["GET", "k"]).repeat(5)).await.unwrap();
    stuck
}

async fn fill(server: &Server) -> Raw {
    let mut admin = Raw::embedded(server);
    admin.call(&[&b"SET"[..], b"k", &vec![b'x'; 1_000_000]]).await.unwrap();
    admin
}

#[tokio::test(start_paused = true)]
async fn the_soft_limit_leaves_more_than_its_seconds() {
    for seconds in [0, 60] {
        let server = Server::new();
        let mut admin = fill(&server).await;
        limit(&mut admin, &format!("normal 0 1mb {seconds}")).await;
        let stuck = without_reading(&server).await;
        let mut reader = Raw::embedded(&server);
        for _ in 0..5 {
            assert!(reader.call(&["GET", "k"]).await.unwrap().len() > 1_000_000);
        }
        while server.commands() < 12 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1000 * seconds + 500)).await;
        assert_eq!(server.connection_count(), 3, "{seconds}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.connection_count(), 2, "{seconds}");
        drop(stuck);
    }
}

#[tokio::test]
async fn the_soft_limit_closes_a_client_that_does_not_read() {
    for server in Running::both() {
        let (mut stuck, mut admin) = (server.connect().await, server.connect().await);
        admin.call(&[&b"SET"[..], b"k", &vec![b'x'; 5_000_000]]).await.unwrap();
        limit(&mut admin, "normal 0 1mb 0").await;
        let id = id(&mut stuck).await;
        stuck.send(&["GET", "k"]).await;
        until_closed(&mut admin, &id).await;
        assert!(stuck.drain().await.len() < 5_000_000, "{}", server.name());
    }
}

/// The time runs from the moment at which the limit was exceeded.
#[tokio::test(start_paused = true)]
async fn the_soft_limit_follows_its_setting() {
    let server = Server::new();
    let mut admin = fill(&server).await;
    limit(&mut admin, "normal 0 1mb 10").await;
    let stuck = without_reading(&server).await;
    while server.commands() < 7 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    limit(&mut admin, "normal 0 1mb 3600").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(server.connection_count(), 2);
    limit(&mut admin, "normal 0 1mb 500").await;
    until_open(&server, 1).await;
    drop(stuck);
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

/// A limit that is lowered holds for replies that wait already, also if the client does nothing
/// more.
#[tokio::test]
async fn a_lower_limit_closes_idle_clients() {
    for server in Running::both() {
        let (mut admin, mut idle) = (server.connect().await, server.connect().await);
        admin.call(&[&b"SET"[..], b"k", &vec![b'x'; 1_000_000]]).await.unwrap();
        let id = id(&mut idle).await;
        idle.send_bytes(&encode(&["GET", "k"]).repeat(4)).await;
        let list = format!("CLIENT LIST ID {id}");
        eventually("the replies wait", async || {
            let shown = admin.line(&list).await;
            let waiting =
                shown.split_once("omem=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            waiting.is_some_and(|bytes: usize| bytes > 2_500_000)
        })
        .await;
        limit(&mut admin, "normal 1mb 0 0").await;
        until_closed(&mut admin, &id).await;
    }
}
