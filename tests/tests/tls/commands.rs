//! Everything that works without TLS works with it.

use std::time::Duration;

use redis_keyspace::config::{Protocol, Tls, TlsVersion};
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Bytes, Channel, Counter, Json, Keyspace, Lock, Redis, Text};
use redis_keyspace_tests::{PATIENCE, eventually, require_tls, unique_namespace, within};

use crate::authority::{Authority, LOCAL, Validity, at, port_of};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "tls", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
    list: fn(id: u32) -> Json<Vec<u32>>,
    large: fn(id: u32) -> Bytes,
    lock: fn(id: u32) -> Lock,
    room: fn(id: u32) -> Channel<Text>,
}

async fn push_and_pop(mut connection: RawConnection) -> redis::RedisResult<(String, String)> {
    redis::cmd("RPUSH").arg("tls-queue").arg("job").exec_async(&mut connection).await?;
    redis::cmd("BLPOP").arg("tls-queue").arg(0).query_async(&mut connection).await
}

/// Runs one of each kind of operation.
async fn everything(redis: Redis) {
    redis.connect().await.unwrap();
    redis
        .scope(async {
            Keys::text(1).set("a").await.unwrap();
            assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("a"));
            Keys::list(1).update_or_insert(Vec::new, |list| list.push(7)).await.unwrap();
            assert_eq!(Keys::list(1).get_json().await.unwrap(), Some(vec![7]));
            let loaded = Keys::list(2).get_or_set(|| async { vec![1, 2] }).await.unwrap();
            assert_eq!(loaded, [1, 2]);
            let (count, text) = redis.batch((Keys::count(1).incr(), Keys::text(1).get())).await.unwrap();
            assert_eq!((count, text.as_deref()), (1, Some("a")));
            let (count, exists) =
                redis.transaction((Keys::count(1).incr(), Keys::text(1).exists())).await.unwrap();
            assert_eq!((count, exists), (2, true));
            let gets: Vec<_> = (0..500).map(|id| Keys::text(id).get()).collect();
            assert_eq!(redis.batch(gets).await.unwrap().iter().flatten().count(), 1);
            assert_eq!(Keys::lock(1).with_lock(|_| async { 5 }).await.unwrap(), 5);
            assert!(!Keys::lock(1).is_locked().await.unwrap());
            let popped = redis.raw(push_and_pop).await.unwrap();
            assert_eq!(popped, ("tls-queue".to_owned(), "job".to_owned()));
            assert_eq!(Keys::text_keys().count().await.unwrap(), 1);
            assert!(Keys::text_keys().all().delete().await.unwrap().affected >= 1);
            // Values of many records, and of lengths around the limit of a record.
            for (id, length) in (0..).zip([1, 16_300, 16_384, 16_400, 65_536, 300_000, 5_000_000]) {
                let value: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
                Keys::large(id).set(&value).await.unwrap();
                assert!(Keys::large(id).get().await.unwrap().is_some_and(|read| read == value), "{length}");
            }
            let mut messages = Keys::room(1).subscribe().await.unwrap();
            for length in [1, 16_384, 300_000] {
                assert_eq!(Keys::room(1).publish(&"x".repeat(length)).await.unwrap(), 1);
                let message = messages.next().await.unwrap().unwrap().message();
                assert_eq!(message.map(|message| message.len()), Some(length));
            }
            redis.ping().await.unwrap();
        })
        .await;
    redis.close().await;
}

fn handle(port: u16, tls: Tls, protocol: Protocol) -> Redis {
    let builder = at(port, tls).protocol(protocol).timeout(MINUTE).connect_timeout(MINUTE);
    builder.namespace(unique_namespace()).unwrap().build().unwrap()
}

#[test]
fn every_kind_of_operation_works_on_a_real_server() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
                let tls = authority.trusted().minimum_version(version);
                everything(handle(server.tls_port(), tls, protocol)).await;
            }
        }
    });
}

#[test]
fn every_kind_of_operation_works_with_tls_1_2() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now));
        let server = server.arg("--tls-protocols").arg("TLSv1.2").start();
        everything(handle(server.tls_port(), authority.trusted(), Protocol::Auto)).await;
    });
}

#[test]
fn every_kind_of_operation_works_on_the_embedded_server() {
    within(PATIENCE, async {
        let authority = Authority::new();
        let listener = authority.embedded(&authority.issue(&LOCAL, Validity::Now)).await;
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            everything(handle(port_of(&listener), authority.trusted(), protocol)).await;
        }
    });
}

#[test]
fn client_certificates_are_presented_to_both_servers() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(&LOCAL, Validity::Now);
        let client = authority.issue(&["app"], Validity::Now);
        let server = authority.real(&issued).arg("--tls-auth-clients").arg("yes").start();
        let listener = authority.embedded_for_clients(&issued).await;
        let files = authority.files("client", &client);
        for port in [server.tls_port(), port_of(&listener)] {
            let text = authority.trusted().client_certificate_pem(&client.certificate, &client.key);
            everything(handle(port, text, Protocol::Auto)).await;
            let paths =
                Tls::new().ca_file(&files.ca).client_certificate_files(&files.certificate, &files.key);
            everything(handle(port, paths, Protocol::Auto)).await;
        }
    });
}

#[test]
fn a_dropped_command_disturbs_no_other_command() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        let builder = at(server.tls_port(), authority.trusted()).shared_connections(1).timeout(MINUTE);
        let redis = builder.build().unwrap();
        redis.connect().await.unwrap();
        let keys: Vec<_> = (0..40).map(|id| (id, format!("value {id}"))).collect();
        for (id, value) in &keys {
            Keys::text(*id).set(value).on(&redis).await.unwrap();
        }
        for round in 0..50 {
            let tasks: Vec<_> = (0..40)
                .map(|id| {
                    let redis = redis.clone();
                    tokio::spawn(async move { Keys::text(id).get().on(&redis).await })
                })
                .collect();
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            for (id, task) in tasks.into_iter().enumerate() {
                if id % 3 == round % 3 {
                    task.abort();
                } else {
                    assert_eq!(task.await.unwrap().unwrap(), Some(keys[id].1.clone()));
                }
            }
        }
        assert_eq!(redis.stats().connections[0].connects, 1, "{:?}", redis.stats());
    });
}

#[test]
fn a_cancelled_blocking_command_closes_its_exclusive_connection() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        let redis = at(server.tls_port(), authority.trusted()).timeout(MINUTE).build().unwrap();
        let blocked = {
            let redis = redis.clone();
            tokio::spawn(async move {
                redis
                    .raw(|mut connection| async move {
                        redis::cmd("BLPOP").arg("tls-empty").arg(0).exec_async(&mut connection).await
                    })
                    .await
            })
        };
        let blocking = async || server.redis_cli(&["INFO", "clients"]).contains("blocked_clients:1");
        eventually("the command blocks", blocking).await;
        blocked.abort();
        eventually("the connection closes", async || !blocking().await).await;
        redis.raw(push_and_pop).await.unwrap();
    });
}
