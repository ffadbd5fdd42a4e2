//! OBJECT IDLETIME: which commands count as a use of a key.

use std::time::Duration;

use redis_keyspace_embedded::Server;

use crate::raw::{Raw, Running, children};

/// A command that creates `k`, commands that use it, and commands that do not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "SET k 10",
        &[
            "GET k",
            "SET k 2",
            "APPEND k x",
            "SETRANGE k 0 x",
            "SETBIT k 0 1",
            "INCR k",
            "EXPIRE k 100",
            "EXPIRE k 100 XX",
            "GETEX k EX 100",
            "COPY k other",
            "TOUCH k",
        ],
        &["EXISTS k", "TYPE k", "TTL k", "PTTL k", "OBJECT ENCODING k"],
    ),
    (
        "RPUSH k a b c",
        &[
            "RPUSH k d",
            "LPUSH k d",
            "LPOP k",
            "RPOP k",
            "LSET k 0 x",
            "LREM k 1 a",
            "LTRIM k 0 1",
            "LINSERT k BEFORE b x",
            "RPOPLPUSH k other",
            "LLEN k",
            "PERSIST k",
        ],
        &["TYPE k"],
    ),
    (
        "HSET k a 1 b 2",
        &["HSET k a 2", "HDEL k a", "HINCRBY k a 1", "HSETNX k c 1", "HGET k a"],
        &["EXISTS k"],
    ),
    ("SADD k a b c", &["SADD k d", "SREM k a", "SPOP k", "SMOVE k other a", "SCARD k"], &["EXISTS k"]),
    (
        "ZADD k 1 a 2 b 3 c",
        &["ZADD k 2 a", "ZINCRBY k 1 a", "ZREM k a", "ZPOPMIN k", "ZREMRANGEBYRANK k 0 0", "ZCARD k"],
        &["EXISTS k"],
    ),
    ("XADD k 1-1 f v", &["XADD k 2-1 f v", "XDEL k 1-1", "XTRIM k MAXLEN 0", "XLEN k"], &["EXISTS k"]),
];

/// Sets `k` as if it had not been used for a long time, and returns its idle time after a command.
async fn idle_after(connection: &mut Raw, create: &str, command: &str) -> u64 {
    connection.line("DEL k other").await;
    connection.line(create).await;
    let payload = connection.call(&["DUMP", "k"]).await.expect("a payload");
    let header = children(&payload).0.len();
    let restore: [&[u8]; 7] =
        [b"RESTORE", b"k", b"0", &payload[header..payload.len() - 2], b"REPLACE", b"IDLETIME", b"1000"];
    assert_eq!(connection.call(&restore).await.as_deref(), Some(&b"+OK\r\n"[..]));
    let reply = connection.line(command).await;
    assert!(!reply.starts_with('-'), "{command}: {reply}");
    let idle = connection.line("OBJECT IDLETIME k").await;
    idle.trim_matches([':', '\r', '\n']).parse().expect("a number")
}

#[tokio::test]
async fn reads_and_writes_are_uses() {
    for server in Running::both() {
        let mut connection = server.connect().await;
        for (create, uses, others) in CASES {
            for command in *uses {
                let idle = idle_after(&mut connection, create, command).await;
                assert!(idle < 500, "{}: {idle} after {command}", server.name());
            }
            for command in *others {
                let idle = idle_after(&mut connection, create, command).await;
                assert!(idle >= 1_000, "{}: {idle} after {command}", server.name());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_grows_until_the_next_use() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    connection.line("RPUSH k a").await;
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(connection.line("OBJECT IDLETIME k").await, ":7\r\n");
    connection.line("RPUSH k b").await;
    assert_eq!(connection.line("OBJECT IDLETIME k").await, ":0\r\n");
}
