//! Connections that stay open and say nothing, and attempts that outlive those who asked for them.

use std::time::{Duration, Instant};

use redis_keyspace::{Counter, Keyspace, Redis, RedisBuilder, Status, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{Fault, Proxy, RealServer, eventually, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "silence", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

fn proxied() -> (RealServer, Proxy, RedisBuilder) {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let builder = Redis::builder().url(&server.url_through(&proxy)).unwrap().lanes(1);
    (server, proxy, builder.timeout(Duration::from_millis(300)))
}

/// Whether commands go through again within a few seconds, asked for one at a time.
async fn comes_back(redis: &Redis) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        if Keys::text(1).get().on(redis).await.is_ok() {
            return true;
        }
    }
    false
}

#[test]
fn a_black_hole_is_left_when_it_is_new() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        redis.connect_now().await.unwrap();
        proxy.once(Fault::BlackHole);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_timeout());
        assert!(comes_back(&redis).await, "the silent connection is kept for ever");
    });
}

#[test]
fn a_black_hole_is_left_when_it_was_used() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        for id in 0..20 {
            Keys::text(id).set("x").on(&redis).await.unwrap();
        }
        proxy.once(Fault::BlackHoleReply);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_timeout());
        assert!(comes_back(&redis).await, "the silent connection is kept for ever");
    });
}

#[test]
fn a_black_hole_under_load_is_left() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        proxy.once(Fault::BlackHole);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let redis = redis.clone();
                tokio::spawn(async move { comes_back(&redis).await })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
    });
}

/// The deadline of a command may be shorter than what the lane takes for silence.
#[test]
fn a_black_hole_is_left_when_the_deadlines_are_short() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.timeout(Duration::from_secs(1)).build().unwrap();
        redis.ping().await.unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        proxy.once(Fault::BlackHole);
        let start = Instant::now();
        while Keys::text(1).get().on(&redis).timeout(Duration::from_millis(100)).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(8), "the silent connection is kept for ever");
        }
    });
}

/// A server that is only slow loses no connection.
#[test]
fn slow_is_not_silent() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        redis.connect_now().await.unwrap();
        let before = proxy.traffic().connections;
        for _ in 0..3 {
            proxy.once(Fault::Delay(Duration::from_millis(450)));
            assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_timeout());
            eventually("the late reply arrives", async || redis.stats().connections[0].in_flight == 0).await;
        }
        assert_eq!(proxy.traffic().connections, before);
    });
}

#[test]
fn closing_waits_no_longer_than_the_deadlines() {
    within(MINUTE, async {
        let (server, _proxy, builder) = proxied();
        let redis = builder.timeout(Duration::from_secs(2)).build().unwrap();
        redis.connect_now().await.unwrap();
        server.pause();
        let early = Keys::text(1).get().on(&redis).timeout(Duration::from_millis(100));
        assert!(early.await.unwrap_err().is_timeout());
        let late =
            tokio::spawn(Keys::text(1).get().on(&redis).timeout(Duration::from_millis(300)).into_future());
        eventually("it is under way", async || redis.stats().connections[0].in_flight == 2).await;
        let closed = tokio::time::timeout(Duration::from_secs(10), redis.close()).await;
        assert!(closed.is_ok(), "`close` waits for a server that says nothing");
        assert!(late.await.unwrap().unwrap_err().is_timeout());
        server.resume();
    });
}

#[test]
fn a_dropped_handle_leaves_no_silent_connection_behind() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        redis.connect_now().await.unwrap();
        proxy.once(Fault::BlackHole);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_timeout());
        drop(redis);
        proxy.until(|traffic| traffic.open == 0).await;
    });
}

/// The attempt goes on when the caller's deadline passes; what comes of it is nobody else's failure.
#[test]
fn an_old_failure_is_nobody_else_s() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.retries(0).connect_timeout(Duration::from_millis(900)).build().unwrap();
        proxy.set(Fault::BlackHole);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_unavailable());
        let raw = |mut connection: redis_keyspace::RawConnection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        redis.raw(raw).await.unwrap_err();
        eventually("the attempts have failed", async || redis.stats().connections[0].failed_connects == 2)
            .await;
        proxy.set(Fault::Pass);
        let now = Keys::text(1).get().on(&redis).await;
        assert!(now.is_ok(), "the server is there, and the attempt of a while ago is reported: {now:?}");
        let now = redis.raw(raw).await;
        assert!(now.is_ok(), "the server is there, and the attempt of a while ago is reported: {now:?}");
    });
}

/// A connection that was made for someone who has left is used by the next.
#[test]
fn an_attempt_that_was_given_up_leaves_room() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.timeout(Duration::from_secs(3)).build().unwrap();
        proxy.once(Fault::Delay(Duration::from_millis(300)));
        for _ in 0..5 {
            let brief = Keys::text(1).get().on(&redis).into_future();
            assert!(tokio::time::timeout(Duration::from_millis(20), brief).await.is_err());
        }
        Keys::text(1).get().on(&redis).await.unwrap();
        assert_eq!(redis.stats().connections[0].status, Status::Ready);
        assert_eq!(proxy.traffic().connections, 1);
    });
}

#[test]
fn deadlines_of_any_length() {
    within(MINUTE, async {
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
    let redis = Redis::builder().embedded(server.clone()).lanes(1).build().unwrap();
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
    assert_eq!((stats.lanes, stats.lost_lanes), (0, 1), "it is given up before anybody needs it");
    drop(silent);
    let start = tokio::time::Instant::now();
    assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_connection_that_went_dead_while_idle_costs_nobody_a_deadline() {
    within(MINUTE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        proxy.set(Fault::BlackHole);
        let start = Instant::now();
        while redis.stats().connections[0].lanes > 0 {
            assert!(start.elapsed() < Duration::from_secs(25), "nobody looks after it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        proxy.set(Fault::Pass);
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
    });
}
