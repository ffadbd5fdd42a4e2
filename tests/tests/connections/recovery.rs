//! Refused logins, servers of other protocols, and recovery from repeated connection losses.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::config::Protocol;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::stats::PoolStatus;
use redis_keyspace::{Counter, ErrorKind, Keyspace, Redis, Text};
use redis_keyspace_tests::{
    PATIENCE, Proxy, RealServer, eventually, secrets, shared_server, unique_namespace, within,
};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "recovery", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("count:{id}", ttl = none)]
    count: fn(id: u32) -> Counter,
    ending: fn(id: u32) -> Counter,
}

async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

/// Returns the errors of a command on a lane, of raw access and of `connect`.
async fn refusals(redis: &Redis) -> [redis_keyspace::Error; 4] {
    [
        Keys::text(1).get().on(redis).await.unwrap_err(),
        Keys::count(1).incr().on(redis).await.unwrap_err(),
        redis.connect().await.unwrap_err(),
        redis.raw(ping).await.unwrap_err(),
    ]
}

#[test]
fn wrong_and_missing_passwords_are_refused() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("the right one").start();
        let host = || Redis::builder().host("127.0.0.1").port(server.port());
        for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
            let host = || host().protocol(protocol);
            let wrong = host().password("the wrong one").build().unwrap();
            let stranger = host().username("stranger").password("the right one").build().unwrap();
            let none = host().build().unwrap();
            for (redis, code) in [(&wrong, "WRONGPASS"), (&stranger, "WRONGPASS"), (&none, "NOAUTH")] {
                for error in refusals(redis).await {
                    assert_eq!(
                        (error.kind(), error.code()),
                        (ErrorKind::AuthenticationFailed, Some(code)),
                        "{protocol:?}: {error}"
                    );
                    assert!(!error.is_unavailable() && !error.is_timeout());
                    let names_the_user = error.to_string().contains("rejected the user `");
                    assert_eq!(names_the_user, code == "WRONGPASS", "{error}");
                    secrets::assert_absent("the wrong one", [format!("{error} {error:?}")]);
                }
            }
            let right = host().password("the right one").build().unwrap();
            right.connect().await.unwrap();
            right.raw(ping).await.unwrap();
        }
    });
}

#[test]
fn an_acl_user_can_log_in() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.redis_cli(&[
            "ACL",
            "SETUSER",
            "app",
            "on",
            ">pass",
            "~*:recovery:*",
            "+get",
            "+set",
            "+unlink",
            "+hello",
            "+select",
            "+ping",
        ]);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
            let redis = builder
                .clone()
                .protocol(protocol)
                .client_name("app")
                .namespace("ns")
                .unwrap()
                .build()
                .unwrap();
            redis.connect().await.unwrap();
            Keys::text(1).set("x").on(&redis).await.unwrap();
            assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
            assert!(Keys::text(1).del().on(&redis).await.unwrap());
            let error = Keys::count(1).incr().on(&redis).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::PermissionDenied, Some("NOPERM")),
                "{error}"
            );
            assert!(error.to_string().to_lowercase().contains("incrby"), "{error}");
            assert_eq!(error.key(), Some("recovery:count:1"));
            redis.raw(ping).await.unwrap();
        }
    });
}

/// A user that the server accepts with any password needs none here, and does not become the
/// default user.
#[test]
fn a_user_without_a_password_can_log_in() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.redis_cli(&["ACL", "SETUSER", "guest", "on", "nopass", "~*", "+@all"]);
        let guests = || {
            let list = server.redis_cli(&["CLIENT", "LIST"]);
            list.lines().filter(|line| line.contains(" user=guest ")).count()
        };
        for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
            let by_name = Redis::builder().host("127.0.0.1").port(server.port()).username("guest");
            let by_url = Redis::builder().url(&format!("redis://guest@127.0.0.1:{}", server.port())).unwrap();
            for builder in [by_name, by_url] {
                let redis = builder.protocol(protocol).build().unwrap();
                redis.connect().await.unwrap();
                let who = |mut connection: RawConnection| async move {
                    redis::cmd("ACL").arg("WHOAMI").query_async::<String>(&mut connection).await
                };
                assert_eq!(redis.raw(who).await.unwrap(), "guest", "{protocol:?}");
                Keys::text(1).set("x").on(&redis).await.unwrap();
                assert_eq!(guests(), 3, "the lanes, too: {protocol:?}");
                redis.close().await;
                eventually("all are closed", async || guests() == 0).await;
            }
            let stranger = Redis::builder().host("127.0.0.1").port(server.port()).username("stranger");
            let stranger = stranger.protocol(protocol).build().unwrap();
            for error in refusals(&stranger).await {
                assert_eq!(
                    (error.kind(), error.code()),
                    (ErrorKind::AuthenticationFailed, Some("WRONGPASS")),
                    "{error}"
                );
            }
        }
    });
}

#[test]
fn a_server_at_maxclients_is_reported() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let mut only = server.client();
        only.call(&["CONFIG", "SET", "maxclients", "1"]).unwrap();
        for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
            let builder = Redis::builder().url(&server.url()).unwrap().db(3).protocol(protocol);
            let redis = builder.timeout(MINUTE).build().unwrap();
            // The server sends the error and closes the connection. Which of them arrives first is
            // a race.
            for _ in 0..4 {
                for error in refusals(&redis).await {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    assert!(error.is_unavailable() && !error.is_timeout());
                    assert!(error.to_string().contains("max number of clients"), "{protocol:?}: {error}");
                }
            }
            assert!(
                redis.stats().connections[0].last_error.as_ref().unwrap().contains("max number of clients")
            );
        }
        let redis = Redis::open(&server.url()).unwrap();
        assert!(redis.ping().await.unwrap_err().is_unavailable());
        drop(only);
        eventually("a connection is free", async || redis.ping().await.is_ok()).await;
    });
}

/// A user with permission to count, but not for MULTI or EVAL: a refused command changes nothing.
#[test]
fn a_refused_transaction_changes_nothing() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-multi", "-eval"]);
        let builder = Redis::builder().host("127.0.0.1").port(server.port());
        let redis = builder.username("app").password("pass").build().unwrap();
        let error = Keys::ending(1).incr().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(Keys::ending(1).get().on(&redis).await.unwrap(), 0, "`incr` was denied, and counted");
    });
}

#[test]
fn a_missing_database_is_reported() {
    within(PATIENCE, async {
        for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
            let redis = Redis::builder()
                .url(&shared_server().url())
                .unwrap()
                .db(64)
                .protocol(protocol)
                .build()
                .unwrap();
            for error in refusals(&redis).await {
                assert_eq!(error.kind(), ErrorKind::Server, "{error}");
                let text = error.to_string();
                assert!(text.contains("DB index is out of range") && text.contains("database 64"), "{text}");
                assert!(text.contains("`databases`") && text.contains("127.0.0.1:"), "{text}");
            }
        }
    });
}

/// Answers every connection with these bytes, and optionally closes it.
fn lying_server(answer: &'static [u8], stays: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The thread lives as long as the process, and holds only a port.
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            if stays {
                kept.push(stream);
            }
        }
    });
    port
}

#[test]
fn servers_of_other_protocols_are_reported() {
    within(PATIENCE, async {
        for (answer, stays) in [
            (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>"[..], false),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", true),
            (b"SSH-2.0-OpenSSH_9.6\r\n", true),
            (b"\x15\x03\x03\x00\x02\x02\x28", true),
            (b"", false),
            (b"", true),
            (b"+OK", true),
            (b"$99999999999999999999\r\n", true),
            (b"*-7\r\n", true),
            (b"\r\n\r\n", true),
        ] {
            let port = lying_server(answer, stays);
            // A complete reply is checked at once. Without one, the client waits for its deadline.
            let speaks = answer.starts_with(b"HTTP");
            let limit = if speaks { MINUTE } else { Duration::from_millis(300) };
            let builder = Redis::builder().host("127.0.0.1").port(port).connect_timeout(limit);
            let redis = builder.timeout(limit * 3).build().unwrap();
            for error in refusals(&redis).await {
                assert!(error.is_unavailable(), "{:?}: {error}", String::from_utf8_lossy(answer));
                let text = error.to_string();
                assert!(!text.contains("html") && text.len() < 300, "{text}");
            }
            if speaks {
                let error = redis.connect().await.unwrap_err().to_string();
                assert!(error.contains("does not speak the Redis protocol"), "{error}");
                let error = redis.raw(ping).await.unwrap_err().to_string();
                assert!(error.contains(&port.to_string()), "raw access names the address, too: {error}");
            }
        }
    });
}

#[test]
fn a_thousand_tasks_make_few_attempts() {
    within(PATIENCE, async {
        // In front of a closed port: the proxy accepts the connection and closes it at once.
        let proxy = Proxy::start(([127, 0, 0, 1], 1).into());
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let redis = Redis::builder().url(&url).unwrap().timeout(MINUTE).build().unwrap();
        let start = Arc::new(tokio::sync::Barrier::new(1000));
        let tasks: Vec<_> = (0..1000)
            .map(|id| {
                let (redis, start) = (redis.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    Keys::text(id).get().on(&redis).await
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().unwrap_err().is_unavailable());
        }
        let attempts = proxy.traffic().connections;
        // Three attempts of a thousand tasks on two lanes.
        assert!(attempts <= 60, "{attempts} attempts to connect");
    });
}

#[test]
fn killed_connections_are_replaced() {
    within(PATIENCE, async {
        let server = RealServer::start();
        // A command may fail repeatedly.
        let redis = Redis::builder().url(&server.url()).unwrap().timeout(MINUTE).retries(50).build().unwrap();
        let (done, mut lost) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), 0);
        let tasks: Vec<_> = (0..10)
            .map(|id| {
                let (redis, done) = (redis.clone(), done.clone());
                tokio::spawn(async move {
                    let (mut counted, mut lost) = (0, 0);
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        Keys::text(id).get().on(&redis).await.unwrap();
                        match Keys::count(id).incr().on(&redis).await {
                            Ok(_) => counted += 1,
                            Err(error) if error.is_connection_lost() => lost += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    let count = Keys::count(id).get().on(&redis).await.unwrap();
                    assert!(
                        count >= counted && count <= counted + lost,
                        "{counted} <= {count} <= {counted} + {lost}"
                    );
                    lost
                })
            })
            .collect();
        for _ in 0..30 {
            server.redis_cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for task in tasks {
            lost += task.await.unwrap();
        }
        assert!(lost <= 30 * 10, "at most the commands in flight");
        assert_eq!(redis.stats().connections[0].status, PoolStatus::Ready);
    });
}

#[test]
fn killed_connections_are_not_leaked() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        for _ in 0..200 {
            server.redis_cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            Keys::text(1).get().on(&redis).await.unwrap();
            if let Err(error) = redis.raw(ping).await {
                assert!(error.is_unavailable(), "{error}");
            }
        }
        let clients =
            || server.redis_cli(&["CLIENT", "LIST"]).lines().filter(|line| line.starts_with("id=")).count();
        // Two lanes, a raw connection, and the connection of `redis-cli`.
        assert!(clients() <= 2 + 1 + 1 + 1, "{}", server.redis_cli(&["CLIENT", "LIST"]));
        drop(redis);
        eventually("all are closed", async || clients() == 1).await;
    });
}

/// The connection broke while it was idle: the next command must not fail.
#[test]
fn an_idle_raw_connection_that_broke_is_replaced() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder()
            .url(&server.url())
            .unwrap()
            .namespace(unique_namespace())
            .unwrap()
            .build()
            .unwrap();
        for _ in 0..20 {
            redis.raw(ping).await.unwrap();
            server.redis_cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            eventually("the lost connection is noticed", async || redis.raw(ping).await.is_ok()).await;
        }
    });
}
