//! Writes are batched under TLS as without it, and a cut connection recovers.

use std::time::Duration;

use redis_keyspace::{Bytes, ErrorKind, Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, Proxy, Traffic, require_tls, within};

use crate::authority::{Authority, LOCAL, Validity, at, port_of};

const MINUTE: Duration = Duration::from_secs(60);
/// What a record adds to its bytes: a header, the type and a checksum.
const OVERHEAD: usize = 22;

#[derive(Keyspace)]
#[keyspace(prefix = "tls-traffic", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    large: fn(id: u32) -> Bytes,
}

/// Runs 64 commands at once on an idle connection. Returns what the client sent for them.
fn burst(redis: &Redis, proxy: &Proxy) -> Traffic {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        redis.connect().await.unwrap();
        for _ in 0..2 {
            Keys::text(0).get().on(redis).await.unwrap();
        }
        let before = proxy.traffic();
        let tasks: Vec<_> = (0..64)
            .map(|id| {
                let redis = redis.clone();
                tokio::spawn(async move { Keys::text(id).get().on(&redis).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let after = proxy.traffic();
        Traffic {
            bytes_up: after.bytes_up - before.bytes_up,
            writes_up: after.writes_up - before.writes_up,
            ..Traffic::default()
        }
    })
}

#[test]
fn a_burst_of_64_commands_takes_two_records_and_two_writes() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
    let plain = Proxy::start(server.address());
    let encrypted = Proxy::start(server.tls_address());
    let host = |proxy: &Proxy| {
        Redis::builder()
            .host("127.0.0.1")
            .port(proxy.port())
            .shared_connections(1)
            .ping_interval(None)
            .timeout(MINUTE)
    };
    let without = burst(&host(&plain).build().unwrap(), &plain);
    let with = burst(&host(&encrypted).tls(authority.trusted()).build().unwrap(), &encrypted);
    // The first command is written at once, and the others together.
    let overhead = with.bytes_up - without.bytes_up;
    assert_eq!((overhead / OVERHEAD, overhead % OVERHEAD), (2, 0), "{with:?} {without:?}");
    // The proxy may see the two writes as one.
    assert!(with.writes_up <= 2, "{with:?} {without:?}");
}

#[test]
fn a_connection_that_is_cut_within_a_reply_fails_its_commands_and_is_replaced() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(&LOCAL, Validity::Now);
        let server = authority.real(&issued).start();
        let listener = authority.embedded(&issued).await;
        for address in [server.tls_address(), ([127, 0, 0, 1], port_of(&listener)).into()] {
            let proxy = Proxy::start(address);
            let builder = at(proxy.port(), authority.trusted()).shared_connections(1).retries(0);
            let redis = builder.timeout(MINUTE).connect_timeout(MINUTE).build().unwrap();
            let value = vec![7; 40_000_000];
            Keys::large(1).set(&value).on(&redis).await.unwrap();
            let before = proxy.traffic();
            let reading = {
                let redis = redis.clone();
                tokio::spawn(async move { Keys::large(1).get().on(&redis).await })
            };
            proxy.until(|now| now.bytes_down > before.bytes_down + 100_000).await;
            proxy.cut_all();
            match reading.await.unwrap() {
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}"),
                // The whole reply had arrived before the cut.
                Ok(read) => assert_eq!(read.map(|read| read.len()), Some(value.len())),
            }
            assert!(Keys::large(1).get().on(&redis).await.is_ok_and(|read| read.is_some()));
        }
    });
}

#[test]
fn a_value_that_the_server_does_not_read_is_written_when_it_reads_again() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        let builder = at(server.tls_port(), authority.trusted()).shared_connections(1).ping_interval(None);
        let redis = builder.timeout(PATIENCE).connect_timeout(MINUTE).build().unwrap();
        redis.connect().await.unwrap();
        // More than all buffers in between hold, in commands that share a connection.
        let value = "x".repeat(50_000);
        server.pause();
        let tasks: Vec<_> = (0..400)
            .map(|id| {
                let (redis, value) = (redis.clone(), format!("{value}{id}"));
                tokio::spawn(async move { Keys::text(id).set(&value).on(&redis).await })
            })
            .collect();
        tokio::task::yield_now().await;
        server.resume();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        for id in 0..400 {
            let read = Keys::text(id).get().on(&redis).await.unwrap();
            assert!(read.is_some_and(|read| read == format!("{value}{id}")), "{id}");
        }
        assert_eq!(redis.stats().connections[0].lost_connections, 0);
    });
}
