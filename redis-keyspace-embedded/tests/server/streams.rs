//! Large, hostile and broken streams.

use proptest::prelude::*;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::{Raw, encode};

/// Writes everything before it reads anything, which fills the 64 KiB of the stream many times
/// over.
#[tokio::test]
async fn a_client_that_reads_last_does_not_dead_lock() {
    let server = Server::new();
    let mut stream = server.connect().unwrap();
    let value = vec![b'x'; 1000];
    let mut request = encode(&[&b"SET"[..], b"k", &value]);
    for _ in 0..10_000 {
        request.extend(encode(&["GET", "k"]));
    }
    let expected = 5 + 10_000 * (1000 + b"$1000\r\n\r\n".len());
    let exchange = async {
        stream.write_all(&request).await.unwrap();
        let mut replies = vec![0; expected];
        stream.read_exact(&mut replies).await.unwrap();
        assert!(replies.ends_with(b"x\r\n"));
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("no dead-lock");
    assert_eq!(server.commands(), 10_001);
}

#[tokio::test]
async fn values_larger_than_the_stream_pass() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let value: Vec<u8> = (0..8_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let request = encode(&[&b"SET"[..], b"k", &value]);
    connection.send_bytes(&request).await;
    assert_eq!(connection.receive().await.unwrap(), b"+OK\r\n");
    let reply = connection.call(&["GET", "k"]).await.unwrap();
    assert_eq!(reply.len(), value.len() + b"$8000000\r\n\r\n".len());
    assert_eq!(server.get(0, b"k").unwrap(), value);
}

#[tokio::test]
async fn replies_of_a_pipeline_come_in_one_piece() {
    let server = Server::new();
    let mut stream = server.connect().unwrap();
    stream.write_all(&b"PING\r\n".repeat(100)).await.unwrap();
    let mut replies = vec![0; 4096];
    let read = stream.read(&mut replies).await.unwrap();
    assert_eq!(read, 100 * b"+PONG\r\n".len());
    assert_eq!(server.round_trips(), 1);
}

#[tokio::test]
async fn announced_lengths_allocate_nothing() {
    let server = Server::new();
    for _ in 0..200 {
        let mut connection = Raw::embedded(&server);
        connection.send_bytes(b"*1048576\r\n$536870912\r\nabc").await;
        std::mem::forget(connection); // stays open while the others come
    }
    let mut connection = Raw::embedded(&server);
    assert_eq!(connection.line("PING").await, "+PONG\r\n");
    assert_eq!(server.connection_count(), 201);
}

/// A dead client must not be given an element, however much it has sent behind its BLPOP.
#[tokio::test]
async fn a_blocked_client_that_goes_is_noticed_behind_megabytes() {
    let server = Server::new();
    let mut blocked = Raw::embedded(&server);
    blocked.send(&["BLPOP", "q", "0"]).await;
    let value = vec![b'x'; 3_000_000];
    blocked.send(&[&b"SET"[..], b"k", &value]).await;
    drop(blocked);
    while server.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
    let mut other = Raw::embedded(&server);
    assert_eq!(other.line("RPUSH q a").await, ":1\r\n");
    assert_eq!(other.line("LLEN q").await, ":1\r\n");
}

#[tokio::test]
async fn a_half_closed_client_gets_its_replies() {
    let server = Server::new();
    let mut stream = server.connect().unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut replies = Vec::new();
    stream.read_to_end(&mut replies).await.unwrap();
    assert_eq!(replies, b"+PONG\r\n");
}

/// Bytes that look enough like requests to reach deep into the server.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "*",
            "$",
            "\r\n",
            "\r",
            "\n",
            "0",
            "1",
            "2",
            "3",
            "-1",
            "99999999999",
            "\"",
            "'",
            "\\x",
            " ",
            "*3\r\n",
            "$3\r\n",
            "$0\r\n\r\n",
            "SET",
            "GET",
            "MULTI\r\n",
            "EXEC\r\n",
            "EVAL",
            "HELLO 3\r\n",
            "SUBSCRIBE a\r\n",
            "CLIENT ",
            "KILL ",
            "BLPOP k 0\r\n",
            "SCAN 0 COUNT 1 MATCH [a-\r\n",
            "SETRANGE k 100 x\r\n",
            "ZADD z nan m\r\n",
            "EXPIRE k -9223372036854775808\r\n",
            "RESET\r\n",
            "INCRBYFLOAT k 1e-300\r\n",
            "INCRBYFLOAT k 1e30\r\n",
            "LPOP l -9223372036854775808\r\n",
            "LRANGE l -9223372036854775808 9223372036854775807\r\n",
            "GETRANGE k 9223372036854775807 -9223372036854775808\r\n",
            "RPUSH l a\r\n",
            "SET k 0 PXAT 9223372036854775807\r\n",
            "TTL k\r\n",
            "OBJECT ENCODING k\r\n",
            "DEBUG SLEEP 0\r\n",
            "COMMAND\r\n",
            "INFO\r\n",
            "CLIENT LIST\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_end_in_an_error_or_a_close_but_never_in_a_panic(bytes in hostile(), cut in 1..40_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = Server::new();
            let (mut client, stream) = tokio::io::duplex(64 * 1024);
            let session = tokio::spawn(server.serve(stream));
            for piece in bytes.chunks(cut) {
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(client.shutdown().await);
            let mut replies = Vec::new();
            drop(client.read_to_end(&mut replies).await);
            session.await.expect("the session does not panic");
            assert_eq!(server.connection_count(), 0);
            assert_eq!(Raw::embedded(&server).line("PING").await, "+PONG\r\n");
        });
    }
}
