//! Long ids from untrusted input: they are rejected before anything is sent, and affect no other
//! command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{
    Counter, Error, ErrorKind, Group, Key, Keyspace, Lock, Once, RateLimit, Redis, RedisBuilder, Text,
};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, eventually, raw, wired, within};

const MINUTE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

#[derive(Keyspace)]
#[keyspace(prefix = "long", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: &str) -> Text,
    count: fn(id: &str) -> Counter,
    pair: fn(id: &str, nth: u32) -> Text,
    job: fn(id: &str) -> Lock,
    once: fn(id: &str) -> Once<Text>,
    group: fn(id: &str) -> Group,
    #[key("calls:{id}", ttl = none)]
    calls: fn(id: &str) -> RateLimit,
}

/// Checks that the error names the reason and is short.
fn assert_rejected(operation: &str, error: &Error) {
    let texts = [error.to_string(), format!("{error:?}"), error.key().unwrap_or_default().to_owned()];
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidInput,
        "{operation}: {}",
        texts[0].get(..500).unwrap_or(&texts[0])
    );
    for text in &texts {
        assert!(text.len() < 1000, "{operation}: {} bytes", text.len());
    }
    assert!(texts[0].contains("`max_key_bytes` (65536)"), "{operation}: {}", texts[0]);
}

both_servers! {
    async fn every_operation_rejects_a_long_key(redis: Redis) {
        let long = "x".repeat(100_000);
        let id = long.as_str();
        let text = || Keys::text(id);
        let mut rejected = 0;
        macro_rules! rejects {
            ($($operation:expr),* $(,)?) => { $(
                let outcome = $operation.await;
                assert_rejected(stringify!($operation), &outcome.map(drop).unwrap_err());
                rejected += 1;
            )* };
        }
        rejects!(
            text().get(),
            text().set("x"),
            text().set("x").only_if_absent(),
            text().get_del(),
            text().exists(),
            text().ttl(),
            text().expire(MINUTE),
            text().del(),
            Keys::count(id).incr(),
            Keys::count(id).get(),
            Key::get_many([Keys::text("short"), text()]),
            Key::set_many([(Keys::text("short"), "x"), (text(), "x")]),
            Key::del_many([Keys::text("short"), text()]),
            text().rename(&Keys::text("short")),
            Keys::text("short").rename(&text()),
            Keys::once(id).result(),
            redis.transaction((Keys::text("short").set("x"), text().set("x"))),
            text().update(|text| text.push('x')),
            text().update_or_insert(String::new, |text| text.push('x')),
            Keys::job(id).try_lock(),
            Keys::job(id).lock(),
            Keys::calls(id).check(Rate::per_hour(5)),
            Keys::calls(id).peek(Rate::per_hour(5)),
            Keys::group(id).member(&Keys::text("short")),
            Keys::group(id).invalidate(),
            Keys::group("g").member(&text()).await.unwrap().get(),
            Keys::text_keys().id(id).count(),
            Keys::pair_keys().id(id).count(),
            async { Keys::pair_keys().id(id).scan().next().await.unwrap() },
        );
        assert!(rejected > 20);
        // The loader or the work must not run if the result can't be stored.
        async fn never() -> String {
            panic!("the loader ran")
        }
        assert_rejected("get_or_set", &text().get_or_set(never).await.unwrap_err());
        assert_rejected("once", &Keys::once(id).run(never).await.unwrap_err());
        assert_rejected("across", &text().get_or_set(never).across_processes().await.unwrap_err());
        // In a batch, only this command fails.
        let (short, long) = redis.batch((Keys::text("short").set("x"), text().set("x"))).each().await.unwrap();
        short.unwrap();
        assert_rejected("batch", &long.unwrap_err());
        // Printed forms are short, too.
        let printed = [
            format!("{:?}", text()),
            format!("{:?}", text().get()),
            format!("{:?}", text().get()),
            format!("{:?}", text().set("x")),
            format!("{:?}", Keys::text_keys().id(id)),
            format!("{:?}", Keys::pair_keys().id(id).scan()),
            format!("{:?}", Keys::pair_keys().id(id).delete()),
            format!("{:?}", Keys::job(id).lock()),
            Keys::parse(&format!("other:{id}")).unwrap_err().to_string(),
        ];
        for printed in printed {
            assert!(printed.len() < 1000, "{} bytes: {}", printed.len(), &printed[..200]);
        }
        assert!(text().to_string().len() > 100_000, "the key itself is not shortened");
        assert_eq!(Keys::text("short").get().await.unwrap().as_deref(), Some("x"));
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.status), (0, redis_keyspace::stats::PoolStatus::Ready));
    }

    async fn the_limit_is_exact_and_configurable(redis: Redis) {
        let at = |bytes: usize| "x".repeat(bytes - "long:text:".len());
        Keys::text(&at(64 << 10)).set("x").await.unwrap();
        assert_rejected("one more", &Keys::text(&at((64 << 10) + 1)).get().await.unwrap_err());
        // Scans skip keys that no command can use.
        let longer = at(100_000);
        let key = format!("long:text:{longer}");
        raw::<()>(&redis, &["SET", &wired(&key), "y"]).await;
        let mut scan = Keys::text_keys().scan();
        let mut found = 0;
        while let Some(key) = scan.next().await {
            assert!(key.unwrap().key().as_str().len() <= 64 << 10);
            found += 1;
        }
        assert_eq!((found, scan.skipped() >= 1), (1, true));
        assert_eq!(Keys::text_keys().all().delete().await.unwrap().affected, 1);
    }
}

#[test]
fn impossible_limits_are_refused() {
    for bytes in [0, 1023] {
        let error = Redis::builder().max_key_bytes(bytes).build().unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("max_key_bytes"), "{error}");
    }
    Redis::builder().max_key_bytes(1024).build().unwrap();
    Redis::builder().max_key_bytes(usize::MAX).build().unwrap();
}

/// Runs an attack next to other tasks, on a server that closes connections with more than 1 MB of
/// pending input.
async fn with_other_tasks(builder: RedisBuilder, attack: impl AsyncFnOnce(&Redis)) {
    let redis = builder.timeout(MINUTE).build().unwrap();
    redis.connect().await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8_u32)
        .map(|task| {
            let (redis, done) = (redis.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut counted = 0;
                while !done.load(Ordering::Relaxed) {
                    Keys::text(&task.to_string()).set("x").on(&redis).await.unwrap();
                    counted += 1;
                    // Not retried after a lost connection.
                    assert_eq!(Keys::count(&task.to_string()).incr().on(&redis).await.unwrap(), counted);
                }
                counted
            })
        })
        .collect();
    attack(&redis).await;
    let commands = redis.stats().connections[0].connects;
    done.store(true, Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.unwrap() > 0, "{commands}");
    }
}

fn strict_server() -> (RealServer, RedisBuilder) {
    let server = RealServer::builder().arg("--client-query-buffer-limit").arg("1mb").start();
    let builder = Redis::builder().url(&server.url()).unwrap();
    (server, builder)
}

#[test]
fn a_long_id_does_not_fail_commands_of_other_tasks() {
    within(PATIENCE, async {
        let (_server, builder) = strict_server();
        let long = "x".repeat(2 * MIB);
        let attack = async |redis: &Redis| {
            for _ in 0..3 {
                assert_rejected("get", &Keys::text(&long).get().on(redis).await.unwrap_err());
                assert_rejected("incr", &Keys::count(&long).incr().on(redis).await.unwrap_err());
            }
            assert_eq!(redis.stats().connections[0].lost_connections, 0);
        };
        with_other_tasks(builder, attack).await;

        // Where long keys are permitted, they use a separate connection, and the server closes only
        // that one.
        let (_server, builder) = strict_server();
        let attack = async |redis: &Redis| {
            for _ in 0..2 {
                for error in [
                    Keys::text(&long).get().on(redis).await.unwrap_err(),
                    Keys::count(&long).incr().on(redis).await.unwrap_err(),
                ] {
                    assert!(error.is_unavailable() && error.to_string().len() < 1000, "{:?}", error.kind());
                }
            }
            assert!(redis.stats().connections[0].lost_connections >= 2);
        };
        with_other_tasks(builder.max_key_bytes(4 * MIB).retries(0).breaker(0, MINUTE), attack).await;
    });
}

/// Many short keys are as long as a long one.
#[test]
fn all_arguments_count_when_choosing_the_connection() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let lanes = |redis: &Redis| redis.stats().connections[0].shared_connections;
        let connected = async || {
            let builder = Redis::builder().url(&server.url()).unwrap().shared_connections(1).timeout(MINUTE);
            let redis = builder.build().unwrap();
            redis.connect().await.unwrap();
            assert_eq!(lanes(&redis), 1);
            redis
        };
        let id = "x".repeat(100);
        let redis = connected().await;
        let keys = |count: u32| (0..count).map(|nth| Keys::pair(&id, nth)).collect::<Vec<_>>();
        Key::get_many(keys(100)).on(&redis).await.unwrap();
        assert_eq!(lanes(&redis), 1);
        Key::get_many(keys(1000)).on(&redis).await.unwrap();
        assert_eq!(lanes(&redis), 2, "keys of 110,000 bytes");
        drop(redis); // handles with the same options share a pool
        let redis = connected().await;
        redis.batch(keys(1000).into_iter().map(|key| key.get()).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(lanes(&redis), 2, "in a batch");
        drop(redis); // handles with the same options share a pool
        let redis = connected().await;
        Keys::text(&"x".repeat(60_000)).update_or_insert(String::new, |_| ()).on(&redis).await.unwrap();
        assert_eq!(lanes(&redis), 2, "and with the companion of a key");
    });
}

/// Keys wait in the same queues as values.
#[test]
fn keys_count_towards_the_queue_of_a_connection() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().timeout(MINUTE).connect_timeout(MINUTE);
        let redis = builder.max_queued_bytes(MIB).breaker(0, MINUTE).build().unwrap();
        server.pause();
        let id = "x".repeat(60_000);
        let running: Vec<_> = (0..100).map(|_| tokio::spawn(Keys::text(&id).get().on(&redis))).collect();
        eventually("most commands are refused", async || {
            running.iter().filter(|task| task.is_finished()).count() > 70
        })
        .await;
        server.resume();
        for task in running {
            if let Err(error) = task.await.unwrap() {
                assert_eq!(error.kind(), ErrorKind::PoolBusy, "{error}");
            }
        }
    });
}
