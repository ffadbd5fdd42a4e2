//! Connections that stay open but silent, and connection attempts that outlive their callers.

use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::raw::RawConnection;
use redis_keyspace::stats::PoolStatus;
use redis_keyspace::{Counter, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{Fault, PATIENCE, Proxy, RealServer, eventually, require_command, within};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "silence", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

/// The timeout of the handles. After it, a lane counts as silent. A busy machine answers in time.
const SILENCE: Duration = Duration::from_secs(2);
/// The timeout of commands without a reply: well below the time after which a lane counts as
/// silent.
const BRIEF: Duration = Duration::from_millis(200);

/// Sends a GET that gets no reply.
async fn unanswered(redis: &Redis) {
    let error = Keys::text(1).get().on(redis).timeout(BRIEF).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

async fn connect(redis: &Redis) {
    eventually("the handle is connected", async || redis.connect().await.is_ok()).await;
}

fn proxied() -> (RealServer, Proxy, RedisBuilder) {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let builder = Redis::builder().url(&server.url_through(&proxy)).unwrap().shared_connections(1);
    (server, proxy, builder.timeout(SILENCE))
}

/// Waits until commands succeed again, one at a time: the silent connection is not kept forever.
async fn wait_until_recovered(redis: &Redis) {
    eventually("the silent connection is replaced", async || Keys::text(1).get().on(redis).await.is_ok())
        .await;
}

#[test]
fn a_new_silent_connection_is_replaced() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        proxy.on("silence:text:1", Fault::BlackHole);
        unanswered(&redis).await;
        wait_until_recovered(&redis).await;
    });
}

#[test]
fn a_used_silent_connection_is_replaced() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        for id in 0..20 {
            Keys::text(id).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        }
        proxy.on("silence:text:1", Fault::BlackHoleReply);
        unanswered(&redis).await;
        wait_until_recovered(&redis).await;
    });
}

#[test]
fn a_silent_connection_under_load_is_replaced() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.on("silence:text:1", Fault::BlackHole);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let redis = redis.clone();
                // Like `wait_until_recovered`, but with the limit of the test.
                tokio::spawn(async move { while Keys::text(1).get().on(&redis).await.is_err() {} })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The deadline of a command may be shorter than the time after which its lane counts as silent.
#[test]
fn a_silent_connection_is_replaced_with_short_deadlines() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.build().unwrap();
        connect(&redis).await;
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.on("silence:text:1", Fault::BlackHole);
        let brief = async || Keys::text(1).get().on(&redis).timeout(BRIEF).await;
        eventually("the silent connection is replaced", async || brief().await.is_ok()).await;
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

/// The timeout of the handles of the next tests. A fifth of it raises suspicion, and a busy machine
/// answers within the rest.
const PATIENT: Duration = Duration::from_secs(20);

/// A connection that is silent while the server answers on another one is dead. No caller waits for
/// its deadline.
#[test]
fn a_dead_connection_is_distinguished_from_a_slow_server() {
    within(PATIENCE, async {
        for fault in [Fault::BlackHole, Fault::BlackHoleReply] {
            let (_server, proxy, builder) = proxied();
            let redis = builder.timeout(PATIENT).build().unwrap();
            Keys::text(1).set("x").on(&redis).await.unwrap();
            proxy.on("silence:count:1", fault);
            let counted = tokio::spawn(Keys::count(1).incr().on(&redis));
            eventually("the request is discarded", async || proxy.unused() == 0).await;
            // Commands that may run twice run again on a new connection.
            assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"), "{fault:?}");
            let error = counted.await.unwrap().unwrap_err();
            assert!(error.is_connection_lost(), "{fault:?}: {error}");
            assert!(error.to_string().contains("answers on another connection"), "{error}");
            assert_eq!(redis.stats().connections[0].lost_connections, 1);
        }
    });
}

/// A probe on another connection gets no reply either, so no connection is closed.
#[test]
fn a_server_that_is_busy_loses_no_connection() {
    within(PATIENCE, async {
        let (server, proxy, builder) = proxied();
        let redis = builder.timeout(PATIENT).build().unwrap();
        connect(&redis).await;
        let before = proxy.traffic().connections;
        server.pause();
        let counted = tokio::spawn(Keys::count(1).incr().on(&redis));
        proxy.until(|traffic| traffic.connections > before).await;
        server.resume();
        assert_eq!(counted.await.unwrap().unwrap(), 1);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.breaker_opened), (0, 0), "{stats:?}");
        eventually("the probe is closed", async || proxy.traffic().open == 1).await;
    });
}

/// During a failover, servers pause writes but answer all other commands.
#[test]
fn a_server_that_pauses_writes_loses_no_connection() {
    within(PATIENCE, async {
        let (server, proxy, builder) = proxied();
        let redis = builder.timeout(PATIENT).build().unwrap();
        connect(&redis).await;
        let before = proxy.traffic().connections;
        // Like GETEX, pausing only writes needs version 6.2.
        if !require_command(&server, "GETEX") {
            return;
        }
        server.redis_cli(&["CLIENT", "PAUSE", "600000", "WRITE"]);
        let counted = tokio::spawn(Keys::count(1).incr().on(&redis));
        // If probes only logged in, the server would answer them.
        proxy.until(|traffic| traffic.connections > before + 2).await;
        server.redis_cli(&["CLIENT", "UNPAUSE"]);
        assert_eq!(counted.await.unwrap().unwrap(), 1);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.breaker_opened), (0, 0), "{stats:?}");
    });
}

/// An attempt into a black hole is lost. The next one starts before the connect timeout has passed.
#[test]
fn an_unanswered_attempt_is_overtaken() {
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
        let late = tokio::spawn(Keys::text(1).get().on(&redis).timeout(BRIEF));
        eventually("the commands are in flight", async || redis.stats().connections[0].in_flight == 2).await;
        let closed = tokio::time::timeout(PATIENCE, redis.close()).await;
        assert!(closed.is_ok(), "`close` does not wait for a silent server");
        assert!(late.await.unwrap().unwrap_err().is_timeout());
        server.resume();
    });
}

#[test]
fn a_dropped_handle_leaks_no_silent_connection() {
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

/// The connection attempt continues after the caller's deadline. Its outcome fails no other
/// command.
#[test]
fn an_old_failure_fails_no_later_command() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.retries(0).connect_timeout(SILENCE * 3 / 2).build().unwrap();
        proxy.set(Fault::BlackHole);
        assert!(Keys::text(1).get().on(&redis).await.unwrap_err().is_unavailable());
        let raw = |mut connection: RawConnection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        redis.raw(raw).await.unwrap_err();
        eventually("the attempts have failed", async || redis.stats().connections[0].failed_connects == 2)
            .await;
        proxy.set(Fault::Pass);
        let now = Keys::text(1).get().on(&redis).timeout(MINUTE).await;
        assert!(now.is_ok(), "an earlier failed attempt is reported: {now:?}");
        let now = redis.raw(raw).await;
        assert!(now.is_ok(), "an earlier failed attempt is reported: {now:?}");
    });
}

/// A connection whose caller stopped waiting is used by the next caller.
#[test]
fn an_abandoned_attempt_frees_its_slot() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.timeout(MINUTE).connect_timeout(MINUTE).build().unwrap();
        // Connecting takes longer than all abandoned commands together.
        proxy.once(Fault::Delay(Duration::from_millis(400)));
        for _ in 0..5 {
            let brief = Keys::text(1).get().on(&redis);
            assert!(tokio::time::timeout(Duration::from_millis(20), brief).await.is_err());
        }
        Keys::text(1).get().on(&redis).await.unwrap();
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.status, stats.connects), (PoolStatus::Ready, 1));
    });
}

/// Opens exclusive connections, which are idle afterwards.
async fn idle_exclusives(redis: &Redis, count: u16) {
    eventually("the connections are open", async || {
        let everyone = Arc::new(Barrier::new(usize::from(count)));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (redis, everyone) = (redis.clone(), Arc::clone(&everyone));
            tasks.spawn(async move {
                let hold = |connection: RawConnection| async move {
                    let _ = tokio::time::timeout(BRIEF, everyone.wait()).await;
                    drop(connection);
                    Ok(())
                };
                // A busy machine may miss the deadline.
                let _ = redis.raw(hold).await;
            });
        }
        tasks.join_all().await;
        redis.stats().connections[0].exclusive_connections_idle == u32::from(count)
    })
    .await;
}

async fn database_size(redis: &Redis) -> redis_keyspace::Result<i64> {
    redis.raw(|mut connection| async move { redis::cmd("DBSIZE").query_async(&mut connection).await }).await
}

/// The deadline of the callers passes before the check of the connection ends.
#[test]
fn an_idle_exclusive_connection_that_is_silent_fails_few_callers() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let builder = builder.timeout(BRIEF / 2).connect_timeout(MINUTE).exclusive_connections(3);
        let redis = builder.ping_interval(Duration::from_nanos(1)).build().unwrap();
        idle_exclusives(&redis, 3).await;
        (0..3).for_each(|_| proxy.on("PING", Fault::BlackHole));
        eventually("another connection is used", async || database_size(&redis).await.is_ok()).await;
    });
}

/// The others have been idle since its check began, so they are not tried.
#[test]
fn idle_exclusive_connections_behind_a_silent_one_are_not_used() {
    // They are returned at the same time, so that some change places.
    const MANY: u16 = 32;
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let builder = builder.timeout(5 * SILENCE).connect_timeout(MINUTE).exclusive_connections(MANY);
        let redis = builder.ping_interval(Duration::from_nanos(1)).build().unwrap();
        idle_exclusives(&redis, MANY).await;
        let before = redis.stats().connections[0].exclusive_connections_closed;
        proxy.on("PING", Fault::BlackHole);
        eventually("another connection is used", async || database_size(&redis).await.is_ok()).await;
        let after = redis.stats().connections[0].exclusive_connections_closed;
        assert!(
            after.invalid - before.invalid >= u64::from(MANY),
            "all idle connections are closed: {after:?}"
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_silent_exclusive_connection_costs_a_part_of_the_timeout() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).timeout(5 * SILENCE).build().unwrap();
    database_size(&redis).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let silent = server.inject(redis_keyspace_embedded::Fault::stall().on("PING"));
    let start = tokio::time::Instant::now();
    database_size(&redis).await.unwrap();
    assert_eq!((silent.hits(), start.elapsed().as_secs()), (1, SILENCE.as_secs()));
}

#[test]
fn deadlines_can_have_any_length() {
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
                let outcomes = outcome.await.unwrap_or_else(|_| panic!("a deadline of {limit:?} panics"));
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

/// The clock is paused, so an hour passes at once.
#[tokio::test(start_paused = true)]
async fn idle_connections_are_probed() {
    let server = Server::builder().log_commands(10_000).build();
    let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
    Keys::text(1).set("x").ttl(MINUTE * 600).on(&redis).await.unwrap();
    let pings = || server.command_log().iter().filter(|logged| logged.arguments[0] == "PING").count();
    tokio::time::sleep(MINUTE * 60).await;
    let asked = pings();
    assert!((170..=181).contains(&asked), "{asked} times in an hour");
    // An active connection is not probed.
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
        "the connection is closed before a command needs it"
    );
    drop(silent);
    let start = tokio::time::Instant::now();
    assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// Returns the number of PINGs in an hour without commands, and at the checkout of a raw connection
/// that was unused for a minute. The clock is paused, so the hour passes at once.
async fn pings_of_an_idle_hour(configure: impl FnOnce(RedisBuilder) -> RedisBuilder) -> (usize, usize) {
    let server = Server::builder().log_commands(10_000).build();
    let builder = Redis::builder().embedded(server.clone()).shared_connections(1);
    let redis = configure(builder).build().unwrap();
    let raw = || redis.raw(|mut c| async move { redis::cmd("DBSIZE").query_async::<i64>(&mut c).await });
    Keys::text(1).set("x").ttl(MINUTE * 600).on(&redis).await.unwrap();
    raw().await.unwrap();
    let log = || server.command_log().into_iter();
    let pings = |connection: Option<u64>| {
        let is_of = |of| connection.is_none_or(|connection| connection == of);
        log().filter(|logged| logged.arguments[0] == "PING" && is_of(logged.connection)).count()
    };
    tokio::time::sleep(MINUTE * 60).await;
    let idle = pings(None);
    raw().await.unwrap();
    let exclusive =
        log().filter(|logged| logged.arguments[0] == "DBSIZE").last().map(|logged| logged.connection);
    tokio::time::sleep(MINUTE).await;
    // The shared connections may send some at the same time.
    let before = pings(exclusive);
    raw().await.unwrap();
    (idle, pings(exclusive) - before)
}

#[tokio::test(start_paused = true)]
async fn the_ping_interval_is_a_setting() {
    let (idle, at_checkout) = pings_of_an_idle_hour(|builder| builder.ping_interval(5 * MINUTE)).await;
    assert!((5..=6).contains(&idle), "{idle} times in an hour");
    assert_eq!(at_checkout, 0, "an exclusive connection was unused for less than the interval");
    let (_, at_checkout) = pings_of_an_idle_hour(|builder| builder.ping_interval(MINUTE / 2)).await;
    assert_eq!(at_checkout, 1);
    assert_eq!(pings_of_an_idle_hour(|builder| builder.ping_interval(None)).await, (0, 0));
    let error = Redis::builder().ping_interval(Duration::ZERO).build().unwrap_err();
    assert!(error.to_string().contains("`ping_interval` is 0"), "{error}");
    let error = Redis::builder().ping_interval(Duration::MAX).build().unwrap_err();
    assert!(error.to_string().contains("`ping_interval` is longer than 7 days"), "{error}");
}

#[test]
fn idle_connections_to_a_real_server_are_probed() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap();
        let redis = builder.ping_interval(Duration::from_millis(20)).build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        eventually("the connection sends PING", async || {
            let info = server.redis_cli(&["INFO", "commandstats"]);
            info.contains("cmdstat_ping:")
        })
        .await;
    });
}

#[test]
fn an_idle_connection_that_died_costs_no_command_its_deadline() {
    within(PATIENCE, async {
        let (_server, proxy, builder) = proxied();
        let redis = builder.ping_interval(Duration::from_secs(1)).build().unwrap();
        Keys::text(1).set("x").on(&redis).timeout(MINUTE).await.unwrap();
        proxy.set(Fault::BlackHole);
        eventually("the connection is probed and closed", async || {
            redis.stats().connections[0].shared_connections == 0
        })
        .await;
        proxy.set(Fault::Pass);
        let read = Keys::text(1).get().on(&redis).timeout(MINUTE).await;
        assert_eq!(read.unwrap().as_deref(), Some("x"));
    });
}
