//! Transactions lose no write, whatever the order in which tasks run.

use redis_keyspace_embedded::Server;

use crate::raw::Raw;

const TASKS: usize = 32;
const ROUNDS: usize = 25;

/// Adds 1 by WATCH, GET, MULTI, SET, EXEC until it succeeds; returns how often it had to try again.
async fn increment(connection: &mut Raw, key: &str) -> usize {
    for retries in 0.. {
        connection.line(&format!("WATCH {key}")).await;
        let value = connection.line(&format!("GET {key}")).await;
        let value: u64 = value.lines().nth(1).map_or(0, |value| value.parse().expect("a number"));
        tokio::task::yield_now().await;
        connection.line("MULTI").await;
        connection.line(&format!("SET {key} {}", value + 1)).await;
        match connection.line("EXEC").await.as_str() {
            "*-1\r\n" => {}
            "*1\r\n+OK\r\n" => return retries,
            other => panic!("{other:?}"),
        }
    }
    unreachable!("the loop has no other end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost() {
    let server = Server::new();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let mut connection = Raw::embedded(&server);
            tokio::spawn(async move {
                let mut retries = 0;
                for _ in 0..ROUNDS {
                    retries += increment(&mut connection, "n").await;
                }
                retries
            })
        })
        .collect();
    let mut retries = 0;
    for task in tasks {
        retries += task.await.unwrap();
    }
    let expected = (TASKS * ROUNDS).to_string();
    assert_eq!(server.get(0, b"n").as_deref(), Some(expected.as_bytes()));
    assert!(retries > 0, "tasks that never meet prove nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_is_never_seen_half_done() {
    let server = Server::new();
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let mut connection = Raw::embedded(&server);
            tokio::spawn(async move {
                for round in 0..200 {
                    for line in [
                        "MULTI".into(),
                        format!("SET a {number}-{round}"),
                        format!("SET b {number}-{round}"),
                        "EXEC".into(),
                    ] {
                        connection.line(&line).await;
                    }
                }
            })
        })
        .collect();
    let mut reader = Raw::embedded(&server);
    for _ in 0..1_000 {
        let reply = reader.line("MGET a b").await;
        let lines: Vec<&str> = reply.lines().collect();
        match lines.as_slice() {
            ["*2", "$-1", "$-1"] => {}
            ["*2", _, a, _, b] => assert_eq!(a, b),
            other => panic!("{other:?}"),
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
