//! Servers and connections that fail, hang or send invalid replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_keyspace::command::IntoCommand;
use redis_keyspace::error::Budget;
use redis_keyspace::stats::PoolStatus;
use redis_keyspace::{Counter, Error, ErrorKind, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{Fault, PATIENCE, Proxy, RealServer, eventually, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "faults", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("count:{id}", ttl = none)]
    count: fn(id: u32) -> Counter,
    #[key("ending:{id}", ttl = "1h")]
    ending: fn(id: u32) -> Counter,
}

fn to(url: &str) -> RedisBuilder {
    Redis::builder().url(url).unwrap().timeout(MINUTE).connect_timeout(MINUTE)
}

/// Starts a server behind a proxy, and a handle that connects through it with one lane.
fn proxied() -> (RealServer, Proxy, Redis) {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let redis = to(&server.url_through(&proxy)).shared_connections(1).build().unwrap();
    (server, proxy, redis)
}

#[track_caller]
fn assert_lost(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert!(error.is_connection_lost() && error.is_unavailable());
    assert!(error.to_string().contains("connection was lost"), "{error}");
}

#[test]
fn without_a_server_a_command_fails_after_few_attempts_and_names_the_address() {
    within(PATIENCE, async {
        let proxy = Proxy::start(([127, 0, 0, 1], 1).into());
        proxy.refuse(true);
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let redis = to(&url).timeout(Duration::from_secs(5)).build().unwrap();
        let address = proxy.address().to_string();
        for error in [
            Keys::text(1).get().on(&redis).await.unwrap_err(),
            Keys::count(1).incr().on(&redis).await.unwrap_err(),
            redis.batch([Keys::text(1).get()]).await.unwrap_err(),
            redis.ping().await.unwrap_err(),
            redis.connect().await.unwrap_err(),
            redis
                .raw(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await })
                .await
                .unwrap_err(),
        ] {
            assert!(error.is_unavailable() && error.kind() == ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains(&address), "{error}");
        }
        let attempts = || redis.stats().connections[0].failed_connects;
        let before = attempts();
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert!(attempts() - before <= 3, "{} attempts to connect", attempts() - before);
        assert_eq!((error.command(), error.key()), (Some("GET"), Some("faults:text:1")));
        let pool = &redis.stats().connections[0];
        assert_eq!(pool.status, PoolStatus::Disconnected);
        assert!(pool.failed_connects > 0 && pool.connects == 0);
        assert!(pool.last_error.as_deref().unwrap().contains(&address), "{pool:?}");
    });
}

#[test]
fn commands_recover_after_a_crash_and_restart() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = to(&server.url()).build().unwrap();
        assert_eq!(redis.stats().total, 0);
        redis.connect().await.unwrap();
        assert_eq!(redis.stats().connections[0].status, PoolStatus::Ready);
        redis
            .scope(async {
                Keys::count(1).incr().await.unwrap();
                for round in 0..3 {
                    server.pause();
                    // In flight: the requests are written, and the server does not reply.
                    let running: Vec<_> =
                        (0..20).map(|_| tokio::spawn(Keys::count(1).incr().on(&redis))).collect();
                    eventually("the commands are in flight", async || {
                        redis.stats().connections.iter().map(|pool| pool.in_flight).sum::<usize>() == 20
                    })
                    .await;
                    server.kill();
                    for command in running {
                        assert_lost(&command.await.unwrap().unwrap_err());
                    }
                    let error = Keys::text(1).get().await.unwrap_err();
                    assert!(error.is_unavailable(), "{error}");
                    assert_eq!(redis.stats().connections[0].status, PoolStatus::Disconnected);
                    server.restart();
                    // The pool recovers by itself.
                    eventually("the breaker is closed", async || redis.ping().await.is_ok()).await;
                    for _ in 0..10 {
                        Keys::count(2).incr().await.unwrap();
                        assert_eq!(Keys::text(1).get().await.unwrap(), None, "round {round}");
                    }
                    assert_eq!(redis.stats().connections[0].status, PoolStatus::Ready);
                }
            })
            .await;
    });
}

#[test]
fn a_read_outlives_a_restart() {
    within(PATIENCE, async {
        let server = RealServer::start();
        // Without a breaker, which would end the retries before a slow machine has restarted the
        // server.
        let redis = to(&server.url()).retries(50).breaker(0, MINUTE).build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        server.kill();
        let reads: Vec<_> = (0..20).map(|_| tokio::spawn(Keys::text(1).get().on(&redis))).collect();
        let write = tokio::spawn(Keys::text(2).set("y").on(&redis));
        tokio::task::block_in_place(|| server.restart());
        for read in reads {
            assert_eq!(read.await.unwrap().unwrap(), None, "the new server is empty");
        }
        write.await.unwrap().unwrap();
    });
}

#[test]
fn commands_recover_after_a_pause() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = to(&server.url()).timeout(Duration::from_millis(400)).build().unwrap();
        // Only the failing commands have short limits. Commands that must succeed have a longer
        // one, or are retried.
        eventually("the handle is connected", async || redis.connect().await.is_ok()).await;
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        server.pause();
        let start = Instant::now();
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        let took = start.elapsed();
        assert_eq!((error.kind(), error.budget()), (ErrorKind::Timeout, Some(Budget::Reply)), "{error}");
        assert!(error.is_timeout() && error.to_string().contains("400ms"), "{error}");
        assert!(took >= Duration::from_millis(400), "{took:?}");
        let short = Keys::text(1).get().on(&redis).timeout(Duration::from_millis(50));
        let error = short.await.unwrap_err();
        assert_eq!(error.budget(), Some(Budget::Reply), "{error}");
        assert!(error.to_string().contains("50ms"), "{error}");
        server.resume();
        // Late replies are discarded.
        for id in 0..50 {
            Keys::text(id).set(&id.to_string()).on(&redis).timeout(MINUTE).await.unwrap();
            let read = Keys::text(id).get().on(&redis).timeout(MINUTE).await;
            assert_eq!(read.unwrap(), Some(id.to_string()));
        }
    });
}

#[test]
fn a_paused_server_fails_the_connection_attempt() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.pause();
        let builder = || to(&server.url()).timeout(Duration::from_millis(300));
        // Either the limit of the attempt is shorter, or the limit of the command.
        for connect in [Duration::from_millis(100), Duration::from_secs(2)] {
            let redis = builder().connect_timeout(connect).build().unwrap();
            let ping = |mut c: redis_keyspace::raw::RawConnection| async move {
                redis::cmd("PING").query_async::<()>(&mut c).await
            };
            // The server is paused while these commands run, so each of them must end by its limit.
            for outcome in [
                Keys::text(1).get().on(&redis).await.map(drop),
                redis.connect().await.map(drop),
                redis.raw(ping).await,
            ] {
                let error = outcome.unwrap_err();
                assert_eq!(
                    (error.kind(), error.budget()),
                    (ErrorKind::Unavailable, Some(Budget::Connect)),
                    "{error}"
                );
            }
        }
        server.resume();
    });
}

#[test]
fn a_request_cut_before_it_arrives_does_not_run() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        redis.connect().await.unwrap();
        proxy.on("faults:count:1", Fault::CutRequest);
        assert_lost(&Keys::count(1).incr().on(&redis).await.unwrap_err());
        assert_eq!(Keys::count(1).get().on(&redis).await.unwrap(), 0);
        proxy.on("faults:ending:1", Fault::CutRequest);
        assert_lost(&Keys::ending(1).incr().on(&redis).await.unwrap_err());
        assert_eq!(Keys::ending(1).get().on(&redis).await.unwrap(), 0);
        proxy.on("faults:text:1", Fault::CutRequest);
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap(), None, "a read is retried");
        proxy.on("faults:text:1", Fault::CutRequest);
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
        assert_eq!(proxy.unused(), 0);
    });
}

#[test]
fn a_write_cut_after_it_arrives_is_not_repeated() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        redis.connect().await.unwrap();
        for fault in [Fault::CutReply, Fault::TruncateReply(1), Fault::TruncateReply(3)] {
            let key = Keys::count(1).on(&redis);
            key.set(0).await.unwrap();
            proxy.on("INCRBY", fault);
            assert_lost(&key.incr().await.unwrap_err());
            assert_eq!(key.get().await.unwrap(), 1, "once, because it is not retried");
            let key = Keys::text(1).on(&redis);
            key.set("hello").await.unwrap();
            proxy.on("GETDEL", fault);
            assert_lost(&key.get_del().await.unwrap_err());
            assert!(!key.exists().await.unwrap());
            key.set("hello").await.unwrap();
            proxy.on("GET", fault);
            assert_eq!(key.get().await.unwrap().as_deref(), Some("hello"));
            // Commands whose second execution returns something else are not retried.
            key.del().await.unwrap();
            proxy.on("SET", fault);
            assert_lost(&key.set("x").only_if_absent().await.unwrap_err());
            // On a counter, because `del` of a value sends two commands.
            let count = Keys::count(1).on(&redis);
            proxy.on("UNLINK", fault);
            assert_lost(&count.del().await.unwrap_err());
            key.del().await.unwrap();
            proxy.on("MGET", fault);
            assert_eq!(redis_keyspace::Key::get_many([key.clone()]).await.unwrap(), [None]);
            assert_eq!(redis_keyspace::Key::get_many([count]).await.unwrap(), [0]);
            assert_eq!(proxy.unused(), 0, "{fault:?}");
        }
    });
}

/// Deleting through a time in the past would return a different result in a retry, so it is not
/// retried.
#[test]
fn deleting_commands_are_not_retried() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        let key = Keys::text(1).on(&redis);
        let past = std::time::SystemTime::now() - MINUTE;
        key.set("read once").await.unwrap();
        proxy.on("GETEX", Fault::CutReply);
        let read = key.get_ex().expire_at(past).await;
        assert!(
            read.as_ref().is_err_and(Error::is_connection_lost),
            "the value was deleted, but the result is {read:?}"
        );
        key.set("x").await.unwrap();
        proxy.on("PEXPIRE", Fault::CutReply);
        let there = key.expire(Duration::ZERO).await;
        assert!(
            there.as_ref().is_err_and(Error::is_connection_lost),
            "the key existed, but the result is {there:?}"
        );
    });
}

/// A second execution finds the key gone or the target taken, and would report that.
#[test]
fn transfers_are_not_retried() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        let [from, to] = [1, 2].map(|id| Keys::text(id).on(&redis));
        from.set("x").await.unwrap();
        let dump = from.dump().await.unwrap().expect("it exists");
        for (name, transfer) in [
            ("RENAME", from.rename(&to)),
            ("RENAMENX", from.rename_if_absent(&to)),
            ("COPY", from.copy(&to).into_command()),
            ("RESTORE", to.restore(&dump).into_command()),
        ] {
            from.set("x").await.unwrap();
            to.del().await.unwrap();
            proxy.on(name, Fault::CutReply);
            assert_lost(&transfer.await.unwrap_err());
            assert_eq!(to.get().await.unwrap().as_deref(), Some("x"), "{name} ran");
            assert_eq!(proxy.unused(), 0, "{name} was sent once");
        }
    });
}

/// A second execution would not count the keys that the first one deleted.
#[test]
fn deletions_of_a_sweep_are_not_retried() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        let keys = || Keys::ending_keys().all().on(&redis);
        for (command, sweep) in [("UNLINK", keys().delete()), ("PEXPIRE", keys().expire(Duration::ZERO))] {
            for id in 0..3 {
                Keys::ending(id).set(1).on(&redis).await.unwrap();
            }
            proxy.on(command, Fault::CutReply);
            let error = sweep.await.expect_err("the outcome is not known");
            assert_lost(error.error());
            assert_eq!((error.progress().matched, error.progress().affected), (3, 0), "{command}");
            // Each PEXPIRE is a command, and the connection was cut during the first.
            assert!(keys().count().await.unwrap() < 3, "{command} ran");
        }
        for id in 0..3 {
            Keys::ending(id).set(1).on(&redis).await.unwrap();
        }
        proxy.on("PEXPIRE", Fault::CutReply);
        assert_eq!(keys().expire(MINUTE).await.unwrap().affected, 3, "a TTL can be set twice");
        assert_eq!(proxy.unused(), 0);
    });
}

#[test]
fn all_commands_in_flight_learn_of_a_cut() {
    within(PATIENCE, async {
        let (_server, proxy, redis) = proxied();
        redis.connect().await.unwrap();
        for _ in 0..10 {
            let reads: Vec<_> = (0..100).map(|id| tokio::spawn(Keys::text(id).get().on(&redis))).collect();
            let counts: Vec<_> = (0..100).map(|id| tokio::spawn(Keys::count(id).incr().on(&redis))).collect();
            proxy.cut_all();
            for read in reads {
                read.await.unwrap().unwrap();
            }
            for count in counts {
                if let Err(error) = count.await.unwrap() {
                    assert_lost(&error);
                }
            }
        }
        redis.ping().await.unwrap();
    });
}

/// A server accepts no more connections: the open ones serve all commands.
#[test]
fn one_working_lane_is_enough() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(4).build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        Keys::text(2).set("x").on(&redis).await.unwrap();
        assert!(redis.stats().connections[0].shared_connections < 4);
        server.refuse_connections(true);
        for _ in 0..20 {
            assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
            let [text] = redis.batch([Keys::text(1).get()]).await.unwrap();
            assert_eq!(text.as_deref(), Some("x"));
            assert_eq!(Keys::text_keys().on(&redis).count().await.unwrap(), 2);
            Keys::text(2).set(&"x".repeat(100_000)).on(&redis).await.unwrap();
        }
        let stats = &redis.stats().connections[0];
        assert!(
            stats.shared_connections < 4 && stats.breaker == redis_keyspace::stats::BreakerState::Closed,
            "{stats:?}"
        );
    });
}

/// A panic in code of the application does not disable the pool.
#[test]
fn a_panic_in_the_address_map_is_an_error() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let panics = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&panics);
        let redis = to(&server.url()).exclusive_connections(2).address_map(move |host, port| {
            assert!(!flag.load(Ordering::Relaxed), "a panic of the test");
            (host.to_owned(), port)
        });
        let redis = redis.build().unwrap();
        let raw = || redis.raw(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await });
        for _ in 0..5 {
            for error in [Keys::text(1).get().on(&redis).await.unwrap_err(), raw().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
                assert!(error.to_string().contains("`address_map` panicked"), "{error}");
            }
        }
        panics.store(false, Ordering::Relaxed);
        Keys::text(1).set("x").on(&redis).await.unwrap();
        raw().await.unwrap();
    });
}
