//! Limits: commands beyond a limit fail at once, and large values do not delay other commands.

use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Counter, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    PATIENCE, RealServer, both_servers, eventually, raw, shared_server, wire, within,
};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "overload", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    doc: fn(id: u32) -> Json<String>,
    #[key("count:{id}", ttl = none)]
    count: fn(id: u32) -> Counter,
}

/// Sends increments to a server that does not answer, then resumes it. Returns how many were
/// refused.
async fn flood(redis: &Redis, tasks: usize, resume: impl FnOnce()) -> usize {
    let running: Vec<_> = (0..tasks).map(|_| tokio::spawn(Keys::count(1).incr().on(redis))).collect();
    let refused =
        |running: &[tokio::task::JoinHandle<_>]| running.iter().filter(|task| task.is_finished()).count();
    eventually("the other commands are refused", async || refused(&running) >= tasks - 100).await;
    assert_eq!(refused(&running), tasks - 100);
    resume();
    let (mut counted, mut busy) = (0, 0);
    for task in running {
        match task.await.unwrap() {
            Ok(_) => counted += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::PoolBusy, "{error}");
                let message = error.to_string();
                assert!(
                    message.contains("connection queue full (100 requests, ")
                        && message.contains("max_in_flight"),
                    "{message}"
                );
                busy += 1;
            }
        }
    }
    assert_eq!(Keys::count(1).get().on(redis).await.unwrap(), counted, "refused commands were not sent");
    busy
}

#[test]
fn requests_beyond_the_limit_fail_at_once() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().shared_connections(1).timeout(MINUTE);
        // Half of the limit is for large requests.
        let redis = builder.max_in_flight(200).build().unwrap();
        redis.connect().await.unwrap();
        server.pause();
        assert_eq!(flood(&redis, 1000, || server.resume()).await, 900);
    });
}

/// The paused clock advances only when all tasks wait, so the delay ends after all have sent.
#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limit_of_an_embedded_server_fail_at_once() {
    let server = Server::new();
    let builder = Redis::builder().embedded(server.clone()).shared_connections(1).timeout(MINUTE);
    let redis = builder.max_in_flight(200).build().unwrap();
    redis.connect().await.unwrap();
    let slow = server.inject(Fault::delay(Duration::from_secs(2)).on("INCRBY").times(1));
    let slower = server.inject(Fault::delay(Duration::from_secs(2)).on("INCR").times(1));
    assert_eq!(flood(&redis, 1000, || ()).await, 900);
    drop((slow, slower));
}

#[test]
fn queued_bytes_are_bounded() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().shared_connections(1).timeout(MINUTE);
        let redis = builder.max_queued_bytes(1 << 20).build().unwrap();
        redis.connect().await.unwrap();
        server.pause();
        let value = "x".repeat(32 * 1024);
        let running: Vec<_> =
            (0..2000).map(|id| tokio::spawn(Keys::text(id).set(&value).on(&redis))).collect();
        // The socket buffers of the system are not limited.
        eventually("most commands are refused", async || {
            running.iter().filter(|t| t.is_finished()).count() > 1500
        })
        .await;
        server.resume();
        for task in running {
            if let Err(error) = task.await.unwrap() {
                assert_eq!(error.kind(), ErrorKind::PoolBusy, "{error}");
            }
        }
        Keys::text(1).set("y").on(&redis).await.unwrap();
    });
}

/// Commands that wait for a connection count as well.
#[test]
fn requests_without_a_connection_are_bounded() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().timeout(MINUTE).connect_timeout(MINUTE);
        let redis = builder.max_in_flight(100).max_queued_bytes(1 << 20).breaker(0, MINUTE).build().unwrap();
        server.pause();
        let value = "x".repeat(32 * 1024);
        let tasks: Vec<_> = (0..2000).map(|id| tokio::spawn(Keys::text(id).set(&value).on(&redis))).collect();
        let refused = || tasks.iter().filter(|task| task.is_finished()).count();
        eventually("almost all commands are refused", async || refused() >= 1900).await;
        let stats = redis.stats();
        assert!((1..=100).contains(&stats.connections[0].queued), "{stats:?}");
        server.resume();
        let mut kinds = std::collections::BTreeMap::new();
        for task in tasks {
            let kind = task.await.unwrap().map_err(|error| format!("{:?}", error.kind()));
            *kinds.entry(kind).or_insert(0) += 1;
        }
        assert!(kinds[&Err("PoolBusy".to_owned())] >= 1900, "{kinds:?}");
        assert_eq!(redis.stats().connections[0].queued, 0);
    });
}

async fn limited(redis: Redis, limited: Redis) {
    const LIMIT: usize = 5000;
    let (fits, long) = ("x".repeat(LIMIT), "x".repeat(LIMIT + 1));
    let too_large = |error: redis_keyspace::Error, words: &[&str]| {
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(!error.is_unavailable() && !error.is_decode());
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word:?}: {error}"));
        assert!(!format!("{error:?}").contains("xxx"));
    };
    Keys::text(1).set(&fits).on(&limited).await.unwrap();
    assert_eq!(Keys::text(1).get().on(&limited).await.unwrap().as_deref(), Some(&*fits));
    let words = ["5001 bytes", "5000", "nothing was sent", "overload:text:1", "Keys::text"];
    too_large(Keys::text(1).set(&long).on(&limited).await.unwrap_err(), &words);
    too_large(
        Key::set_many([(Keys::text(1), "x"), (Keys::text(2), &long)]).on(&limited).await.unwrap_err(),
        &[],
    );
    let [first, second] =
        limited.batch([Keys::text(1).set("y"), Keys::text(1).set(&long)]).each().await.unwrap();
    first.unwrap();
    too_large(second.unwrap_err(), &[]);
    assert_eq!(
        Keys::text(1).get().on(&limited).await.unwrap().as_deref(),
        Some("y"),
        "each command is checked separately"
    );
    let both = (Keys::text(1).set(&fits), Keys::text(1).set(&long));
    too_large(limited.transaction(both).await.map(drop).unwrap_err(), &[]);
    assert_eq!(Keys::text(1).get().on(&limited).await.unwrap().as_deref(), Some("y"), "all or nothing");
    Keys::text(1).set(&fits).on(&limited).await.unwrap();

    // The stored value is longer than the limit: the reply is discarded, and the connection is
    // kept.
    Keys::text(2).set(&long).on(&redis).await.unwrap();
    Keys::doc(2).set(&long).on(&redis).await.unwrap();
    let lanes = limited.stats().connections.iter().map(|pool| pool.connects).sum::<u64>();
    for _ in 0..3 {
        too_large(Keys::text(2).get().on(&limited).await.unwrap_err(), &["5001 bytes", "dropped"]);
        too_large(Key::get_many([1, 2].map(Keys::text)).on(&limited).await.unwrap_err(), &[]);
        too_large(Keys::doc(2).get_or_set(|| async { "y".into() }).on(&limited).await.unwrap_err(), &[]);
        let (first, second) = limited.batch((Keys::text(2).get(), Keys::text(1).get())).each().await.unwrap();
        too_large(first.unwrap_err(), &[]);
        assert_eq!(second.unwrap().as_deref(), Some(&*fits));
    }
    assert_eq!(limited.stats().connections.iter().map(|pool| pool.connects).sum::<u64>(), lanes);
    assert_eq!(Keys::doc(2).strlen().on(&redis).await.unwrap(), 5003, "a fill does not replace it");
}

#[test]
fn values_longer_than_the_limit_are_refused() {
    within(PATIENCE, async {
        let server = Server::new();
        let handle = || Redis::builder().embedded(server.clone()).shared_connections(1);
        limited(handle().build().unwrap(), handle().max_value_bytes(5000).build().unwrap()).await;
        let own = RealServer::start();
        let handle = || Redis::builder().url(&own.url()).unwrap().shared_connections(1);
        limited(handle().build().unwrap(), handle().max_value_bytes(5000).build().unwrap()).await;
        let one = handle().keyspace::<Keys>(|options| options.max_value_bytes(4096)).build().unwrap();
        let error = Keys::text(1).set(&"x".repeat(4097)).on(&one).await.unwrap_err();
        assert!(one.health().await.version.is_some());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    });
}

both_servers! {
    async fn large_values_use_a_separate_lane(redis: Redis) {
        let big = "x".repeat(200_000);
        Keys::text(1).set("small").await.unwrap();
        let lanes = redis.stats().connections[0].shared_connections;
        Keys::text(2).set(&big).await.unwrap();
        Key::set_many((3..9).map(|id| (Keys::text(id), &big[..20_000]))).await.unwrap();
        assert_eq!(redis.stats().connections[0].shared_connections, lanes + 1);
        assert_eq!(raw::<usize>(&redis, &["STRLEN", &wire(&Keys::text(2))]).await, 200_000);
        assert_eq!(Keys::text(8).get().await.unwrap().map(|text| text.len()), Some(20_000));
    }
}

/// An upload over a slow network delays no other command.
#[test]
fn a_slow_upload_does_not_delay_other_commands() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        Keys::text(1).set("small").on(&redis).await.unwrap();
        Keys::text(2).set(&"x".repeat(100_000)).on(&redis).await.unwrap();
        let log = server.command_log();
        let of = |key: &str| {
            let command = log.iter().find(|logged| logged.arguments.get(1).is_some_and(|a| a == key));
            command.unwrap().connection
        };
        assert_ne!(of("overload:text:1"), of("overload:text:2"));
    });
}

/// The time that callers wait counts, also if they stop waiting.
#[tokio::test(start_paused = true)]
async fn waiting_in_vain_is_counted() {
    let builder = Redis::builder().embedded(Server::new()).exclusive_connections(1);
    let redis = builder.timeout(MINUTE).build().unwrap();
    let hold = |connection: RawConnection| async {
        for _ in 0..2 {
            let busy = redis.raw(|_connection| async { Ok(()) }).await.unwrap_err();
            assert_eq!(busy.kind(), ErrorKind::PoolBusy, "{busy}");
        }
        drop(connection);
        Ok(())
    };
    redis.raw(hold).await.unwrap();
    let waited = redis.stats().connections[0].exclusive_connections_wait_ms;
    assert!((120_000..125_000).contains(&waited), "{waited} ms");
}

#[test]
fn the_error_of_a_full_pool_names_its_load() {
    within(PATIENCE, async {
        let builder = Redis::builder().url(&shared_server().url()).unwrap();
        let redis = builder.exclusive_connections(2).timeout(Duration::from_secs(2)).build().unwrap();
        let release = Arc::new(Notify::new());
        let hold = |redis: Redis| {
            let release = Arc::clone(&release);
            tokio::spawn(async move {
                redis
                    .raw(|connection| async move {
                        release.notified().await;
                        drop(connection);
                        Ok(())
                    })
                    .await
            })
        };
        let held = [hold(redis.clone()), hold(redis.clone())];
        eventually("both connections are in use", async || {
            redis.stats().connections.first().is_some_and(|p| p.exclusive_connections_in_use == 2)
        })
        .await;
        let mut waiting: Vec<_> = (0..3).map(|_| hold(redis.clone())).collect();
        eventually("three wait", async || redis.stats().connections[0].exclusive_connections_waiting == 3)
            .await;
        let error = waiting.remove(0).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PoolBusy);
        let message = error.to_string();
        assert!(message.contains("all 2 are busy") && message.contains("more callers wait"), "{message}");
        assert!(message.contains("2s") && message.contains("waiting for a connection"), "{message}");
        for task in waiting {
            task.await.unwrap().unwrap_err();
        }
        // The task waits for both, because they hold a connection.
        release.notify_one();
        release.notify_one();
        for task in held {
            task.await.unwrap().unwrap();
        }
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.exclusive_connections_waiting, stats.exclusive_connections_in_use), (0, 0));
    });
}

#[test]
fn limits_of_zero_are_refused() {
    for (builder, name) in [
        (Redis::builder().max_in_flight(0), "max_in_flight"),
        (Redis::builder().max_queued_bytes(0), "max_queued_bytes"),
        (Redis::builder().max_value_bytes(4095), "max_value"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains(name), "{error}");
    }
}
