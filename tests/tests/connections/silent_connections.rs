//! Connections that stay open and say nothing, and attempts that outlive those who asked for them.

use std::time::Duration;

use redis_keyspace::stats::PoolStatus;
use redis_keyspace::{Counter, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::resp::Reply;
use redis_keyspace_tests::{Fault, PATIENCE, Proxy, RealServer, eventually, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "silence", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

/// The limit of the handles, which is also what a lane takes for silence. A busy machine answers within it.
const SILENCE: Duration = Duration::from_secs(2);
/// The limit of commands that are not to be answered: well below what is taken for silence.
const BRIEF: Duration = Duration::from_millis(200);

/// A GET that is not answered.
async fn unanswered(redis: &Redis) {
    let error = Keys::text(1).get().on(redis).timeout(BRIEF).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

async fn connect(redis: &Redis) {
    eventually("it is connected", async || redis.connect().await.is_ok()).await;
}

fn proxied() -> (RealServer, Proxy, RedisBuilder) {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let builder = Redis::builder().url(&server.url_through(&proxy)).unwrap().shared_connections(1);
    (server, proxy, builder.timeout(SILENCE))
}

/// Commands go through again, asked for one at a time: the silent connection is not kept for ever.
async fn comes_back(redis: &Redis) {
    eventually("the silent connection is left", async || Keys::text(1).get().on(redis).await.is_ok()).await;
}

#[test]
fn a_black_hole_is_left_when_it_is_new() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        proxy.on("silence:text:1", Fault::BlackHole);
        unanswered(&redis).await;
        comes_back(&redis).await;
    });
}

#[test]
fn a_black_hole_is_left_when_it_was_used() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        for id in 0..20 {
            Keys::text(id).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        }
        proxy.on("silence:text:1", Fault::BlackHoleReply);
        unanswered(&redis).await;
        comes_back(&redis).await;
    });
}

#[test]
fn a_black_hole_under_load_is_left() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.on("silence:text:1", Fault::BlackHole);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let redis = redis.clone();
                // As `comes_back` does, within the limit of the test.
                tokio::spawn(async move { while Keys::text(1).get().on(&redis).await.is_err() {} })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The deadline of a command may be shorter than what the lane takes for silence.
#[test]
fn a_black_hole_is_left_when_the_deadlines_are_short() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.on("silence:text:1", Fault::BlackHole);
        let brief = async || Keys::text(1).get().on(&redis).timeout(BRIEF).await;
        eventually("the silent connection is left", async || brief().await.is_ok()).await;
    });
}

/// A server that is only slow loses no connection.
#[test]
fn slow_is_not_silent() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        for _ in 0..3 {
            proxy.once(Fault::Delay(Duration::from_millis(450)));
            unanswered(&redis).await;
            eventually("the late reply arrives", async || redis.stats().connections[0].in_flight == 0).await;
        }
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.shared_connections), (0, 1), "{stats:?}");
    });
}

/// The limit of the handles of the next tests. A fifth of it is suspicious, and a busy machine answers within the rest.
const PATIENT: Duration = Duration::from_secs(20);

/// A connection that is silent while the server answers on another one is dead: no caller has to wait for the deadline.
#[test]
fn a_dead_connection_is_told_from_a_slow_server() {
    within(PATIENCE, async {
        for fault in [Fault::BlackHole, Fault::BlackHoleReply] {
            let (_server, proxy, builder) = proxied();
            let redis = builder.timeout(PATIENT).build().unwrap();
            Keys::text(1).set("x").on(&redis).await.unwrap();
            proxy.on("silence:count:1", fault);
            let counted = tokio::spawn(Keys::count(1).incr().on(&redis).into_future());
            eventually("it is swallowed", async || proxy.unused() == 0).await;
            // What may run twice runs again on a new connection.
            assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"), "{fault:?}");
            let error = counted.await.unwrap().unwrap_err();
            assert!(error.is_connection_lost(), "{fault:?}: {error}");
            assert!(error.to_string().contains("answers on another connection"), "{error}");
            assert_eq!(redis.stats().connections[0].lost_connections, 1);
        }
    });
}

/// The server is asked on another connection, says nothing there either, and so no connection is closed.
#[test]
fn a_server_that_is_busy_loses_no_connection() {
    within(PATIENCE, async {
        let (server, proxy, builder) = proxied();
        let redis = builder.timeout(PATIENT).build().unwrap();
        connect(&redis).await;
        let before = proxy.traffic().connections;
        server.pause();
        let counted = tokio::spawn(Keys::count(1).incr().on(&redis).into_future());
        proxy.until(|traffic| traffic.connections > before).await;
        server.resume();
        assert_eq!(counted.await.unwrap().unwrap(), 1);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.breaker_opened), (0, 0), "{stats:?}");
        eventually("the probe is closed", async || proxy.traffic().open == 1).await;
    });
}

/// During a failover, servers pause writes and answer everything else.
#[test]
fn a_server_that_pauses_writes_loses_no_connection() {
    within(PATIENCE, async {
        let (server, proxy, builder) = proxied();
        let redis = builder.timeout(PATIENT).build().unwrap();
        connect(&redis).await;
        let before = proxy.traffic().connections;
        let paused = server.client().call(&["CLIENT", "PAUSE", "600000", "WRITE"]).unwrap();
        if !server.supports("GETEX") {
            // Before version 6.2, writes can't be paused alone.
            return assert!(matches!(paused, Reply::Error(_)), "{paused}");
        }
        assert_eq!(paused, Reply::Status("OK".to_owned()));
        let counted = tokio::spawn(Keys::count(1).incr().on(&redis).into_future());
        // Probes that would be answered, if they only logged in.
        proxy.until(|traffic| traffic.connections > before + 2).await;
        server.redis_cli(&["CLIENT", "UNPAUSE"]);
        assert_eq!(counted.await.unwrap().unwrap(), 1);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.breaker_opened), (0, 0), "{stats:?}");
    });
}

/// What an attempt has sent into a black hole is lost; the next one is made before the limit for connecting has passed.
#[test]
fn an_attempt_that_is_not_answered_is_overtaken() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.timeout(PATIENCE).connect_timeout(PATIENCE).build().unwrap();
        proxy.once(Fault::BlackHole);
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(proxy.traffic().connections, 2);
        assert_eq!(redis.stats().connections[0].failed_connects, 0);
        proxy.until(|traffic| traffic.open == 1).await;
    });
}

#[test]
fn closing_waits_no_longer_than_the_deadlines() {
    within(PATIENCE, async {
        let (server, _proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        server.pause();
        unanswered(&redis).await;
        let late = tokio::spawn(Keys::text(1).get().on(&redis).timeout(BRIEF).into_future());
        eventually("it is under way", async || redis.stats().connections[0].in_flight == 2).await;
        let closed = tokio::time::timeout(PATIENCE, redis.close()).await;
        assert!(closed.is_ok(), "`close` waits for a server that says nothing");
        assert!(late.await.unwrap().unwrap_err().is_timeout());
        server.resume();
    });
}

#[test]
fn a_dropped_handle_leaves_no_silent_connection_behind() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        proxy.on("silence:text:1", Fault::BlackHole);
        unanswered(&redis).await;
        drop(redis);
        proxy.until(|traffic| traffic.open == 0).await;
    });
}

/// The attempt goes on when the caller's deadline passes; what comes of it is nobody else's failure.
#[test]
fn an_old_failure_is_nobody_else_s() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.retries(0).connect_timeout(SILENCE * 3 / 2).build().unwrap();
        proxy.set(Fault::BlackHole);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_unavailable());
        let raw = |mut connection: redis_keyspace::raw::RawConnection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        redis.raw(raw).await.unwrap_err();
        eventually("the attempts have failed", async || redis.stats().connections[0].failed_connects == 2)
            .await;
        proxy.set(Fault::Pass);
        let now = Keys::text(1).get().on(&redis).timeout(MINUTE).await;
        assert!(now.is_ok(), "the server is there, and the attempt of a while ago is reported: {now:?}");
        let now = redis.raw(raw).await;
        assert!(now.is_ok(), "the server is there, and the attempt of a while ago is reported: {now:?}");
    });
}

/// A connection that was made for someone who has left is used by the next.
#[test]
fn an_attempt_that_was_given_up_leaves_room() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.timeout(MINUTE).connect_timeout(MINUTE).build().unwrap();
        // It takes longer to connect than all that give up take together.
        proxy.once(Fault::Delay(Duration::from_millis(400)));
        for _ in 0..5 {
            let brief = Keys::text(1).get().on(&redis).into_future();
            assert!(tokio::time::timeout(Duration::from_millis(20), brief).await.is_err());
        }
        Keys::text(1).get().on(&redis).await.unwrap();
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.status, stats.connects), (PoolStatus::Ready, 1));
    });
}

#[test]
fn deadlines_of_any_length() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        for limit in
            [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(1 << 40), Duration::ZERO]
        {
            for warm in [false, true] {
                let outcome = tokio::spawn({
                    let redis = if warm { redis.clone() } else { Redis::embedded() };
                    async move {
                        let alone = Keys::text(1).get().on(&redis).timeout(limit).await;
                        let batch = redis.batch([Keys::text(1).get()]).timeout(limit).await;
                        let filled = Keys::text(2)
                            .get_or_set(|| async { "x".to_owned() })
                            .timeout(limit)
                            .on(&redis)
                            .await;
                        [alone.map(drop), batch.map(drop), filled.map(drop)]
                    }
                });
                let outcomes = outcome.await.unwrap_or_else(|_| panic!("a limit of {limit:?} panics"));
                if limit.is_zero() {
                    assert!(
                        outcomes
                            .iter()
                            .flat_map(|outcome| outcome.as_ref().err())
                            .all(|error| error.is_timeout())
                    );
                } else {
                    for outcome in outcomes {
                        outcome.unwrap();
                    }
                }
            }
        }
    });
}

/// The time is the runtime's, so an hour takes none.
#[tokio::test(start_paused = true)]
async fn idle_connections_are_asked_for_a_sign_of_life() {
    let server = Server::builder().log_commands(10_000).build();
    let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
    Keys::text(1).set("x").ttl(MINUTE * 600).on(&redis).await.unwrap();
    let pings = || server.command_log().iter().filter(|logged| logged.arguments[0] == "PING").count();
    tokio::time::sleep(MINUTE * 60).await;
    let asked = pings();
    assert!((170..=181).contains(&asked), "{asked} times in an hour");
    // Who talks is not asked.
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        Keys::text(1).get().on(&redis).await.unwrap();
    }
    assert!(pings() - asked <= 1, "{}", pings() - asked);
    assert_eq!(redis.stats().connections[0].connects, 1);

    let silent = server.inject(redis_keyspace_embedded::Fault::stall().on("PING"));
    tokio::time::sleep(MINUTE).await;
    let stats = &redis.stats().connections[0];
    assert_eq!(
        (stats.shared_connections, stats.lost_connections),
        (0, 1),
        "it is given up before anybody needs it"
    );
    drop(silent);
    let start = tokio::time::Instant::now();
    assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_connection_that_went_dead_while_idle_costs_nobody_a_deadline() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.set(Fault::BlackHole);
        eventually("it is looked after and given up", async || {
            redis.stats().connections[0].shared_connections == 0
        })
        .await;
        proxy.set(Fault::Pass);
        let read = Keys::text(1).get().on(&redis).timeout(MINUTE).await;
        assert_eq!(read.unwrap().as_deref(), Some("x"));
    });
}
