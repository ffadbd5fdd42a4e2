//! The breaker: while a server is down, commands fail at once; when it is back, they work again
//! within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_keyspace::stats::BreakerState;
use redis_keyspace::{Counter, Error, ErrorKind, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::{Fault as Injected, Server};
use redis_keyspace_tests::{Fault, PATIENCE, Proxy, RealServer, eventually, manager, pool_builder, within};

const MINUTE: Duration = Duration::from_secs(60);
/// The timeout of a connection attempt to a silent server.
const ATTEMPT: Duration = Duration::from_millis(200);

#[derive(Keyspace)]
#[keyspace(prefix = "breaker", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    ending: fn(id: u32) -> Counter,
    #[key("count:{id}", ttl = none)]
    count: fn(id: u32) -> Counter,
}

fn state(redis: &Redis) -> BreakerState {
    redis.stats().connections[0].breaker
}

/// Sends commands until the breaker is open.
async fn open(redis: &Redis) -> Error {
    for _ in 0..100 {
        let error = Keys::text(1).get().on(redis).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        if error.is_breaker_open() {
            return error;
        }
    }
    panic!("the breaker does not open: {:?}", redis.stats());
}

async fn away_and_back(redis: Redis, leave: impl Fn(), come_back: impl Fn()) {
    Keys::text(1).set("x").on(&redis).await.unwrap();
    for round in 1..=3 {
        assert_eq!(state(&redis), BreakerState::Closed);
        leave();
        let error = open(&redis).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = error.to_string();
        assert!(message.contains("consecutive failures"), "{message}");
        assert!(
            message.contains("command not attempted") && message.contains("the last failure: "),
            "{message}"
        );
        assert_ne!(state(&redis), BreakerState::Closed);
        assert_eq!(redis.stats().connections[0].breaker_opened, round);

        // No command waits, and only the pool itself tries to connect.
        let before = redis.stats().connections[0].failed_connects;
        for _ in 0..1000 {
            assert!(Keys::count(1).incr().on(&redis).await.unwrap_err().is_breaker_open());
        }
        let raw = redis.raw(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await }).await;
        assert!(raw.unwrap_err().is_breaker_open());
        let tried = redis.stats().connections[0].failed_connects - before;
        assert!(tried < 10, "{tried} attempts to connect");

        come_back();
        eventually("the pool notices the server", async || state(&redis) == BreakerState::Closed).await;
        assert_eq!(Keys::count(2).incr().on(&redis).await.unwrap(), i64::try_from(round).unwrap());
    }
}

fn one_lane(builder: RedisBuilder) -> Redis {
    builder.shared_connections(1).build().unwrap()
}

#[test]
fn the_breaker_opens_and_closes_by_itself() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = one_lane(Redis::builder().embedded(server.clone()));
        let leave = || {
            server.refuse_connections(true);
            server.disconnect_all();
        };
        away_and_back(redis, leave, || server.refuse_connections(false)).await;

        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = one_lane(Redis::builder().url(&server.url_through(&proxy)).unwrap());
        let leave = || {
            proxy.refuse(true);
            proxy.cut_all();
        };
        away_and_back(redis, leave, || proxy.refuse(false)).await;
    });
}

/// A pool of the application has no breaker in its own connections.
#[test]
fn an_application_pool_has_a_breaker() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let builder = pool_builder().connection_timeout(Duration::from_millis(200));
        let pool = builder.build(manager(&server.url_through(&proxy))).await.unwrap();
        let redis =
            Redis::builder().pool(pool).retries(0).timeout(Duration::from_millis(500)).build().unwrap();
        // Only the failing commands have short limits. Commands that must succeed are retried.
        eventually("the value is stored", async || Keys::text(1).set("x").on(&redis).await.is_ok()).await;
        proxy.refuse(true);
        proxy.cut_all();
        let error = open(&redis).await;
        assert!(error.to_string().contains("command not attempted"), "{error}");
        for _ in 0..200 {
            assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_breaker_open());
        }
        proxy.refuse(false);
        eventually("the pool notices the server", async || state(&redis) == BreakerState::Closed).await;
        let read = async || Keys::text(1).get().on(&redis).await;
        eventually("the value is read", async || read().await.is_ok_and(|text| text.as_deref() == Some("x")))
            .await;
    });
}

/// A server that accepts connections and is silent.
#[test]
fn a_hanging_server_opens_the_breaker() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().timeout(Duration::from_millis(500));
        let redis = one_lane(builder.connect_timeout(Duration::from_millis(300)));
        // Only the failing commands have short limits. Commands that must succeed are retried.
        eventually("the value is stored", async || Keys::text(1).set("x").on(&redis).await.is_ok()).await;
        server.pause();
        eventually("it opens", async || {
            let failed = Keys::text(1).get().on(&redis).await.unwrap_err();
            failed.is_breaker_open()
        })
        .await;
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert!(error.is_breaker_open(), "{error}");
        server.resume();
        eventually("it closes", async || state(&redis) == BreakerState::Closed).await;
        let read = async || Keys::text(1).get().on(&redis).await;
        eventually("the value is read", async || read().await.is_ok_and(|text| text.as_deref() == Some("x")))
            .await;
    });
}

#[test]
fn only_one_probe_runs_at_a_time() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let builder = Redis::builder().url(&server.url_through(&proxy)).unwrap();
        let redis = builder.shared_connections(4).connect_timeout(ATTEMPT).build().unwrap();
        proxy.set(Fault::BlackHole);
        open(&redis).await;
        let failed = || redis.stats().connections[0].failed_connects;
        let (before, start) = (failed(), Instant::now());
        let done = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (redis, done) = (redis.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    while !done.load(Ordering::Relaxed) {
                        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_breaker_open());
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                })
            })
            .collect();
        eventually("the server is probed", async || failed() >= before + 3).await;
        let (probes, took) = (failed() - before, start.elapsed());
        done.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        // Each probe takes at least `ATTEMPT`, so a larger number means parallel probes. The first
        // one may have started earlier.
        let most = took.as_millis() / ATTEMPT.as_millis() + 1;
        assert!(u128::from(probes) <= most, "{probes} probes in {took:?}");
    });
}

#[test]
fn only_server_faults_count_as_failures() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("right").start();
        let host = || Redis::builder().host("127.0.0.1").port(server.port()).breaker(2, MINUTE);
        let wrong = host().password("wrong").build().unwrap();
        for _ in 0..20 {
            let error = Keys::text(1).get().on(&wrong).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AuthenticationFailed, "{error}");
        }
        let right = host()
            .password("right")
            .timeout(Duration::from_millis(200))
            .exclusive_connections(1)
            .build()
            .unwrap();
        // Only the failing commands have short limits. Commands that must succeed are retried.
        // Afterwards, there is an idle connection to hold.
        eventually("the value is stored", async || Keys::text(1).set("no number").on(&right).await.is_ok())
            .await;
        eventually("the connection is open", async || {
            right.raw(|_connection| async { Ok(()) }).await.is_ok()
        })
        .await;
        let other = right.clone();
        let hold = right.raw(|connection| async move {
            for _ in 0..3 {
                let busy = other.raw(|_connection| async { Ok(()) }).await.unwrap_err();
                assert_eq!(busy.kind(), ErrorKind::PoolBusy, "{busy}");
            }
            drop(connection);
            Ok(())
        });
        hold.await.unwrap();
        assert_eq!((state(&wrong), state(&right)), (BreakerState::Closed, BreakerState::Closed));
    });
}

/// Waits until commands report that the server rejects the login.
async fn wait_for_rejection(redis: &Redis) {
    let rejected = async || {
        let error = Keys::text(1).get().on(redis).await.unwrap_err();
        assert!(error.is_breaker_open() || error.kind() == ErrorKind::AuthenticationFailed, "{error}");
        !error.is_breaker_open()
    };
    eventually("the breaker does not hide the rejection", rejected).await;
    assert!(rejected().await && rejected().await);
    assert_eq!(state(redis), BreakerState::Closed);
}

/// The server comes back with another password.
#[test]
fn a_rejected_login_ends_an_outage() {
    within(PATIENCE, async {
        let server = Server::new();
        server.refuse_connections(true);
        let redis = one_lane(Redis::builder().embedded(server.clone()));
        open(&redis).await;
        server.inject(Injected::error("WRONGPASS invalid username-password pair").on("HELLO")).keep();
        server.refuse_connections(false);
        wait_for_rejection(&redis).await;

        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = one_lane(Redis::builder().url(&server.url_through(&proxy)).unwrap());
        proxy.refuse(true);
        open(&redis).await;
        assert_eq!(server.redis_cli(&["CONFIG", "SET", "requirepass", "hunter2"]), "OK");
        proxy.refuse(false);
        wait_for_rejection(&redis).await;
    });
}

#[test]
fn without_a_breaker_every_command_is_attempted() {
    within(PATIENCE, async {
        let server = Server::new();
        server.refuse_connections(true);
        let redis = Redis::builder().embedded(server.clone()).breaker(0, MINUTE).retries(0).build().unwrap();
        for _ in 0..20 {
            let error = Keys::text(1).get().on(&redis).await.unwrap_err();
            assert!(error.is_unavailable() && !error.is_breaker_open(), "{error}");
        }
        server.refuse_connections(false);
        Keys::text(1).set("x").on(&redis).await.unwrap();
    });
}

/// Sends one command per second during an outage. All of them fail.
async fn used_for(redis: &Redis, outage: Duration) {
    let end = tokio::time::Instant::now() + outage;
    while tokio::time::Instant::now() < end {
        Keys::text(1).get().on(redis).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The clock is paused, so an hour passes quickly.
#[tokio::test(start_paused = true)]
async fn recovery_is_noticed_within_a_second_after_any_outage() {
    // The configured pause, and the longest pause that results. A pause of zero must not keep a
    // processor busy.
    for (pause, longest) in [(None, 500), (Some(Duration::MAX), 500), (Some(Duration::ZERO), 20)] {
        for outage in [2, 60, 3600] {
            if outage > 60 && longest < 500 {
                continue;
            }
            let server = Server::new();
            server.refuse_connections(true);
            let builder = Redis::builder().embedded(server.clone());
            let builder = if let Some(pause) = pause { builder.breaker(5, pause) } else { builder };
            let redis = one_lane(builder);
            open(&redis).await;
            let failed = || redis.stats().connections[0].failed_connects;
            let before = failed();
            used_for(&redis, Duration::from_secs(outage)).await;
            let probes = failed() - before;
            // Jitter shortens each pause by up to a half, and the first pauses are shorter.
            let most = outage * 1000 / longest * 2 + 10;
            let least = outage * 1000 / longest - 1;
            assert!(
                (least..=most).contains(&probes),
                "{probes} probes in {outage} s, at most {longest} ms apart"
            );
            server.refuse_connections(false);
            tokio::time::sleep(Duration::from_millis(longest + 1)).await;
            assert_eq!(state(&redis), BreakerState::Closed, "{outage} s");
            Keys::text(1).set("x").on(&redis).await.unwrap();
        }
    }
}

/// A server that no command uses is not probed for long: the next command notices its return.
#[tokio::test(start_paused = true)]
async fn an_unused_pool_is_probed_for_a_minute() {
    const HOUR: Duration = Duration::from_secs(3600);
    let server = Server::new();
    server.refuse_connections(true);
    let redis = one_lane(Redis::builder().embedded(server.clone()).retries(0));
    let failed = || redis.stats().connections[0].failed_connects;
    open(&redis).await;
    for _ in 0..3 {
        let before = failed();
        tokio::time::sleep(MINUTE * 2).await;
        let probes = failed() - before;
        assert!((120..=270).contains(&probes), "{probes} probes");
        tokio::time::sleep(HOUR).await;
        assert_eq!(failed() - before, probes, "it rests");
        assert_eq!(state(&redis), BreakerState::HalfOpen);
        // The command is attempted, fails because of the server, and restarts the probes.
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert!(error.is_unavailable() && !error.is_breaker_open(), "{error}");
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_breaker_open());
    }
    tokio::time::sleep(HOUR).await;
    server.refuse_connections(false);
    tokio::time::sleep(HOUR).await;
    Keys::text(1).set("x").on(&redis).await.unwrap();
    assert_eq!(state(&redis), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn probes_end_with_their_pool() {
    for closes in [false, true] {
        let server = Server::new();
        let logins = server.inject(Injected::error("LOADING Redis is loading").on("HELLO"));
        let redis = one_lane(Redis::builder().embedded(server.clone()));
        open(&redis).await;
        let before = logins.hits();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(logins.hits() >= before + 60, "the server is probed");
        let clone = closes.then(|| redis.clone());
        if closes {
            redis.close().await;
        }
        drop(redis);
        let before = logins.hits();
        tokio::time::sleep(MINUTE * 60).await;
        assert_eq!(logins.hits(), before, "closed: {closes}");
        drop(clone);
    }
}

/// A probe ends with its pool even if its server is silent.
#[test]
fn a_waiting_probe_ends_with_its_pool() {
    within(PATIENCE, async {
        for closes in [false, true] {
            let server = Server::new();
            server.refuse_connections(true);
            let redis = one_lane(Redis::builder().embedded(server.clone()).connect_timeout(MINUTE * 60));
            open(&redis).await;
            let stalled = server.inject(Injected::stall().on("HELLO"));
            server.refuse_connections(false);
            eventually("a probe waits", async || stalled.hits() > 0).await;
            let clone = closes.then(|| redis.clone());
            if closes {
                redis.close().await;
            }
            drop(redis);
            eventually("its connection is closed", async || server.connection_count() == 0).await;
            drop(clone);
        }
    });
}

/// A waiting command retries after at most half a second.
#[tokio::test(start_paused = true)]
async fn a_waiting_command_is_sent_soon_after_recovery() {
    let server = Server::new();
    let builder = Redis::builder().embedded(server.clone()).breaker(0, MINUTE).retries(100).timeout(MINUTE);
    let redis = one_lane(builder);
    Keys::text(1).set("x").on(&redis).await.unwrap();
    for outage in [1, 5, 20] {
        server.refuse_connections(true);
        server.disconnect_all();
        let failed = || redis.stats().connections[0].failed_connects;
        let before = failed();
        let waiting = tokio::spawn(Keys::text(1).get().on(&redis));
        tokio::time::sleep(Duration::from_secs(outage)).await;
        let attempts = failed() - before;
        assert!(attempts >= outage && attempts <= outage * 4 + 10, "{attempts} in {outage} s");
        server.refuse_connections(false);
        let back = tokio::time::Instant::now();
        waiting.await.unwrap().unwrap();
        assert!(back.elapsed() <= Duration::from_millis(700), "{:?} after {outage} s", back.elapsed());
    }
}

/// Errors of a server that does not run commands yet. Nothing ran, so every command can be retried.
#[test]
fn a_server_that_is_not_ready_is_probed_again() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(5).build().unwrap();
        for refusal in [
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "READONLY You can't write against a read only replica.",
            "BUSY Redis is busy running a script.",
        ] {
            let before = Keys::count(1).get().on(&redis).await.unwrap();
            let fault = server.inject(Injected::error(refusal).on("INCRBY").times(3));
            assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), before + 1, "{refusal}");
            assert_eq!(fault.hits(), 3);
            let fault = server.inject(Injected::error(refusal).on("INCRBY"));
            let error = Keys::count(1).incr().on(&redis).await.unwrap_err();
            assert_eq!(error.code(), refusal.split(' ').next(), "{error}");
            assert_eq!(error.is_unavailable(), !refusal.starts_with("READONLY"), "{error}");
            assert_eq!(fault.hits(), 6, "the retries are bounded");
        }
        let fault = server.inject(Injected::error("OOM command not allowed").on("INCRBY"));
        Keys::count(1).incr().on(&redis).await.unwrap_err();
        assert_eq!(fault.hits(), 1, "errors that a retry can't fix are not retried");
    });
}

/// A master that became a replica: its lanes reconnect, and writes succeed when a master is back.
#[test]
fn commands_wait_for_a_failover() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().shared_connections(1).retries(50);
        let redis = builder.retry_delay(Duration::from_millis(5)).build().unwrap();
        assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), 1);
        assert_eq!(server.redis_cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
        let connects = redis.stats().connections[0].connects;
        let counting = tokio::spawn(Keys::count(1).incr().on(&redis));
        eventually("the lane reconnects", async || redis.stats().connections[0].connects > connects).await;
        assert!(!counting.is_finished());
        assert_eq!(server.redis_cli(&["REPLICAOF", "NO", "ONE"]), "OK");
        assert_eq!(counting.await.unwrap().unwrap(), 2);
    });
}

/// A host name now points to another server: every kind of request to the old one leads to the new
/// one.
#[test]
fn every_kind_of_request_notices_a_failover() {
    within(PATIENCE, async {
        async fn counter(redis: &Redis) -> redis_keyspace::Result<()> {
            Keys::ending(1).incr().on(redis).await.map(drop)
        }
        async fn batch(redis: &Redis) -> redis_keyspace::Result<()> {
            redis.batch((Keys::text(1).get(), Keys::text(2).set("x"))).await.map(drop)
        }
        async fn transaction(redis: &Redis) -> redis_keyspace::Result<()> {
            redis.transaction((Keys::text(1).get(), Keys::text(2).set("x"))).await.map(drop)
        }
        async fn update(redis: &Redis) -> redis_keyspace::Result<()> {
            Keys::text(3).update_or_insert(String::new, |text| text.push('x')).on(redis).await.map(drop)
        }
        async fn raw(redis: &Redis) -> redis_keyspace::Result<()> {
            let set = |mut connection| async move {
                redis::cmd("SET").arg("k").arg("v").query_async::<()>(&mut connection).await
            };
            redis.raw(set).await
        }
        macro_rules! each {
            // In parallel: a connection younger than a second is not replaced, so each kind of
            // request is rejected for a while.
            ($($request:ident),*) => { tokio::join!($(async {
                let servers = [RealServer::start(), RealServer::start()];
                let proxy = Proxy::start(servers[0].address());
                let url = servers[0].url_through(&proxy);
                let builder = Redis::builder().url(&url).unwrap().shared_connections(2);
                let redis = builder.timeout(MINUTE).build().unwrap();
                for _ in 0..4 {
                    $request(&redis).await.unwrap();
                }
                servers[0].redis_cli(&["REPLICAOF", "127.0.0.1", "1"]);
                proxy.redirect(servers[1].address());
                eventually(stringify!($request), async || {
                    for _ in 0..20 {
                        if $request(&redis).await.is_err() {
                            return false;
                        }
                    }
                    true
                })
                .await;
                assert_ne!(servers[1].redis_cli(&["DBSIZE"]), "0", "{}", stringify!($request));
            }),*) };
        }
        each!(counter, batch, transaction, update, raw);
    });
}

/// The server is replaced while a connection to the old one is opened.
#[tokio::test(start_paused = true)]
async fn a_new_connection_to_a_replaced_server_is_not_used() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).shared_connections(2).retries(0).build().unwrap();
    let stats = || redis.stats().connections.remove(0);
    Keys::text(1).set("x").on(&redis).await.unwrap();
    let late = server.inject(Injected::delay(Duration::from_millis(300)).on("HELLO").times(1));
    Keys::text(1).get().on(&redis).await.unwrap();
    eventually("the second connection is opened", async || late.hits() == 1).await;
    server
        .inject(Injected::error("READONLY You can't write against a read only replica.").on("SET").times(1))
        .keep();
    let error = Keys::text(1).set("x").on(&redis).await.unwrap_err();
    assert_eq!((error.code(), stats().connects), (Some("READONLY"), 1), "{error}");
    eventually("a third connection takes the place of the second", async || {
        Keys::text(1).get().on(&redis).await.unwrap();
        (stats().connects, stats().shared_connections) == (3, 2)
    })
    .await;
}

/// One lane is lost and cannot reconnect: the other lanes work.
#[test]
fn a_permanently_broken_lane_does_not_block_other_lanes() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = Redis::builder()
            .url(&server.url_through(&proxy))
            .unwrap()
            .shared_connections(2)
            .retries(0)
            .build()
            .unwrap();
        redis.connect().await.unwrap();
        proxy.refuse(true);
        let open = proxy.traffic().open;
        proxy.cut_oldest();
        proxy.until(|traffic| traffic.open < open).await;
        let mut failed = 0;
        for _ in 0..200 {
            failed += usize::from(Keys::text(1).get().on(&redis).await.is_err());
        }
        assert!(failed <= 1, "{failed} of 200 failed");
        proxy.refuse(false);
        eventually("the other one is connected again", async || {
            Keys::text(1).get().on(&redis).await.unwrap();
            redis.stats().connections[0].shared_connections == 2
        })
        .await;
    });
}

/// Many lanes end together for a harmless reason.
#[test]
fn losing_all_lanes_at_once_is_one_failure() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().url(&server.url()).unwrap().shared_connections(8).build().unwrap();
        redis.connect().await.unwrap();
        for _ in 0..5 {
            server.redis_cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            eventually("the lanes are lost", async || redis.stats().connections[0].shared_connections == 0)
                .await;
            Keys::text(1).get().on(&redis).await.unwrap();
            redis.connect().await.unwrap();
        }
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.breaker_opened, stats.failed_connects), (0, 0), "{stats:?}");
    });
}
