//! Counters are exact, and always have their lifetime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use redis_keyspace::command::Ttl;
use redis_keyspace::{Counter, ErrorKind, Key, Keyspace, Redis, RedisBuilder};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    PATIENCE, both_servers, child_test, eventually, raw, shared_server, unique_namespace, wire, within,
};

#[derive(Keyspace)]
#[keyspace(prefix = "counters", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    hits: fn(id: u64) -> Counter,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u64) -> Counter,
    #[key("brief:{id}", ttl = "1s")]
    brief: fn(id: u64) -> Counter,
}

const MINUTE: Duration = Duration::from_secs(60);

both_servers! {
    async fn counters_increment_and_decrement(_redis: Redis) {
        let hits = Keys::hits(1);
        assert_eq!(hits.get().await.unwrap(), 0);
        assert!(!hits.exists().await.unwrap(), "reading creates nothing");
        assert_eq!(hits.incr().await.unwrap(), 1);
        assert_eq!(hits.incr_by(41).await.unwrap(), 42);
        assert_eq!(hits.decr().await.unwrap(), 41);
        assert_eq!(hits.decr_by(50).await.unwrap(), -9);
        assert_eq!(hits.incr_by(0).await.unwrap(), -9);
        assert_eq!(hits.incr_by(-1).await.unwrap(), -10);
        assert_eq!(hits.decr_by(-11).await.unwrap(), 1);
        assert_eq!(hits.get().await.unwrap(), 1);
        hits.set(i64::MIN).await.unwrap();
        assert_eq!(hits.get().await.unwrap(), i64::MIN);
        assert!(hits.del().await.unwrap());
        assert_eq!(hits.decr().await.unwrap(), -1, "from zero");
    }

    async fn the_lifetime_is_set_on_creation_only(_redis: Redis) {
        let hits = Keys::hits(2);
        hits.incr().await.unwrap();
        assert!(hits.ttl().await.unwrap().remaining().unwrap() > 50 * MINUTE);
        assert!(hits.expire(MINUTE).await.unwrap());
        for _ in 0..3 {
            hits.incr().await.unwrap();
            hits.decr_by(2).await.unwrap();
        }
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        hits.set(5).await.unwrap();
        assert!(hits.ttl().await.unwrap().remaining().unwrap() > MINUTE, "`set` restarts it");
        assert!(hits.persist().await.unwrap());
        hits.incr().await.unwrap();
        assert_eq!(hits.ttl().await.unwrap(), Ttl::NoExpiry, "an existing lifetime is kept");
        Keys::forever(2).incr().await.unwrap();
        assert_eq!(Keys::forever(2).ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn an_overflow_changes_nothing(_redis: Redis) {
        for (start, step) in [(i64::MAX, 1), (i64::MIN, -1), (i64::MAX - 1, 2), (-2, i64::MIN)] {
            Keys::hits(3).set(start).await.unwrap();
            let error = Keys::hits(3).incr_by(step).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            assert_eq!(error.key(), Some("counters:hits:3"), "{error}");
            assert!(error.to_string().contains("overflow"), "{error}");
            assert_eq!(Keys::hits(3).get().await.unwrap(), start);
            assert!(Keys::hits(3).ttl().await.unwrap().remaining().is_some());
        }
        let error = Keys::hits(3).decr_by(i64::MIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        Keys::hits(4).set(-1).await.unwrap();
        assert_eq!(Keys::hits(4).incr_by(i64::MAX).await.unwrap(), i64::MAX - 1);
        Keys::forever(4).set(i64::MAX).await.unwrap();
        assert_eq!(Keys::forever(4).incr().await.unwrap_err().kind(), ErrorKind::Server);
    }

    async fn a_value_that_is_not_a_number_is_an_error(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::hits(5)), "hunter2", "EX", "100"]).await;
        let error = Keys::hits(5).incr().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        redis_keyspace_tests::secrets::assert_absent("hunter2", [format!("{error} {error:?}")]);
        assert!(Keys::hits(5).get().await.unwrap_err().is_decode());
    }

    async fn many_tasks_count_exactly(redis: Redis) {
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let redis = redis.clone();
                tokio::spawn(redis.clone().scope_owned(async move {
                    let mut seen = Vec::new();
                    for nth in 0..40 {
                        let sum = if (task + nth) % 2 == 0 { Keys::hits(6).incr() } else { Keys::hits(6).incr_by(3) };
                        seen.push(sum.await.unwrap());
                        Keys::forever(6).decr().on(&redis).await.unwrap();
                    }
                    assert!(seen.is_sorted(), "the counts of a task increase");
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(Keys::hits(6).get().await.unwrap(), 25 * 40 * 4);
        assert_eq!(Keys::forever(6).get().await.unwrap(), -50 * 40);
    }

    async fn counters_work_in_batches_and_transactions(redis: Redis) {
        for round in 1..=20 {
            let (one, two) = redis.batch((Keys::hits(7).incr(), Keys::forever(7).incr_by(2))).await.unwrap();
            assert_eq!((one, two), (2 * round - 1, 4 * round - 2));
            let (one, two) = redis.transaction((Keys::hits(7).incr(), Keys::forever(7).incr_by(2))).await.unwrap();
            assert_eq!((one, two), (2 * round, 4 * round));
        }
        assert!(Keys::hits(7).ttl().await.unwrap().remaining().is_some());
    }

    async fn set_supports_its_options(_redis: Redis) {
        let hits = Keys::hits(8);
        assert!(!hits.set(1).only_if_present().await.unwrap());
        assert!(!hits.exists().await.unwrap());
        assert!(hits.set(5).ttl(MINUTE).only_if_absent().await.unwrap());
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert!(!hits.set(6).ttl(10 * MINUTE).only_if_absent().await.unwrap());
        assert_eq!(hits.get().await.unwrap(), 5);
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE, "a write that stores nothing sets no lifetime");
        hits.set(7).keep_ttl().await.unwrap();
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert_eq!(hits.incr().await.unwrap(), 8);
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert!(hits.set(-1).only_if_present().await.unwrap());
        assert!(hits.ttl().await.unwrap().remaining().unwrap() > 50 * MINUTE, "the template's");
        assert_eq!(hits.set(i64::MAX).returning_old().await.unwrap(), Some(-1));
        let error = hits.set(0).ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidInput, Some("counters:hits:8")), "{error}");
        assert_eq!(hits.get().await.unwrap(), i64::MAX);
        Keys::forever(8).set(3).await.unwrap();
        assert_eq!(Keys::forever(8).ttl().await.unwrap(), Ttl::NoExpiry);
        Keys::forever(8).set(3).ttl(MINUTE).await.unwrap();
        assert!(Keys::forever(8).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        hits.set(4).expire_at(SystemTime::now() - MINUTE).await.unwrap();
        assert!(!hits.exists().await.unwrap(), "an expiry in the past deletes the key");
    }

    async fn reads_can_replace_delete_or_renew(redis: Redis) {
        let hits = Keys::hits(9);
        assert_eq!(hits.get_set(5).await.unwrap(), None);
        assert_eq!(hits.get_set(-6).ttl(MINUTE).await.unwrap(), Some(5));
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert_eq!(hits.get_ex().await.unwrap(), Some(-6));
        assert!(hits.ttl().await.unwrap().remaining().unwrap() > 50 * MINUTE, "the template's again");
        assert_eq!(hits.get_ex().ttl(MINUTE).await.unwrap(), Some(-6));
        assert!(hits.ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert_eq!(hits.get_ex().persist().await.unwrap(), Some(-6));
        assert_eq!(hits.ttl().await.unwrap(), Ttl::NoExpiry);
        assert_eq!(hits.get_del().await.unwrap(), -6);
        assert!(!hits.exists().await.unwrap());
        assert_eq!(hits.get_del().await.unwrap(), 0, "the key does not exist");
        assert_eq!(hits.get_ex().await.unwrap(), None);
        assert!(!hits.exists().await.unwrap(), "reading creates nothing");
        assert_eq!(hits.incr().await.unwrap(), 1, "counts from zero");
        let (old, read, gone, absent) =
            redis.batch((hits.get_set(2), hits.get_ex(), hits.get_del(), hits.get())).await.unwrap();
        assert_eq!((old, read, gone, absent), (Some(1), Some(2), 2, 0));
    }

    async fn many_counters_are_read_at_once(redis: Redis) {
        assert_eq!(Key::get_many([10, 11].map(Keys::hits)).await.unwrap(), [0, 0]);
        Keys::hits(10).incr().await.unwrap();
        Keys::hits(12).set(i64::MIN).await.unwrap();
        let read = Key::get_many([10, 11, 12, 10].map(Keys::hits)).await.unwrap();
        assert_eq!(read, [1, 0, i64::MIN, 1]);
        assert_eq!(Key::get_many([Keys::hits(10), Keys::forever(10)]).await.unwrap(), [1, 0]);
        assert!(!Keys::hits(11).exists().await.unwrap(), "reading creates nothing");
        raw::<()>(&redis, &["SET", &wire(&Keys::hits(11)), "hunter2"]).await;
        let error = Key::get_many([10, 11, 12].map(Keys::hits)).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Decode, Some("counters:hits:11")), "{error}");
        redis_keyspace_tests::secrets::assert_absent("hunter2", [format!("{error} {error:?}")]);
    }

    /// Many tasks count while the counters expire all the time. No counter ever lacks an expiry.
    async fn a_counter_always_has_its_lifetime(redis: Redis) {
        let done = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        let created = Arc::new(AtomicU64::new(0));
        for task in 0..8_u64 {
            let (redis, done, created) = (redis.clone(), done.clone(), created.clone());
            tasks.push(tokio::spawn(async move {
                let mut counted = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let key = Keys::brief(task % 3);
                    counted += 1;
                    if key.incr().on(&redis).await.unwrap() == 1 {
                        created.fetch_add(1, Ordering::Relaxed);
                    }
                    key.expire(Duration::from_micros(500 + 700 * (counted % 5))).on(&redis).await.unwrap();
                    // The counter expires at any moment around the next count: before, during or
                    // after it.
                    tokio::time::sleep(Duration::from_micros((task * 977 + counted * 613) % 6000)).await;
                }
            }));
        }
        let keys = [0, 1, 2].map(|id| wire(&Keys::brief(id)));
        let enough = created.clone();
        let checked = redis.raw(|mut connection| async move {
            let mut checked = 0;
            // No limit for slow machines: the harness stops a test that hangs.
            while checked < 1000 || enough.load(Ordering::Relaxed) < 200 {
                for key in &keys {
                    let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await?;
                    assert_ne!(left, -1, "a counter without an expiry, after {checked} checks");
                    assert!(left <= 1000);
                    checked += 1;
                }
            }
            Ok(checked)
        });
        let checked = checked.await;
        done.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        checked.unwrap();
    }
}

/// Spawned tasks leave a scope, so they need their own.
trait ScopeOwned {
    fn scope_owned<F: Future<Output = ()> + Send>(self, future: F) -> impl Future<Output = ()> + Send;
}

impl ScopeOwned for Redis {
    async fn scope_owned<F: Future<Output = ()> + Send>(self, future: F) {
        self.scope(future).await;
    }
}

/// Counts from two runtimes with two configurations and two pools, which look like two programs to
/// the server.
fn from_two_runtimes(builder: impl Fn() -> RedisBuilder + Sync) {
    let redis = || builder().build().unwrap();
    let count = |redis: Redis| {
        within(PATIENCE, async {
            for _ in 0..500 {
                let (one, two) =
                    tokio::join!(Keys::hits(1).incr().on(&redis), Keys::hits(1).incr().on(&redis));
                assert_ne!(one.unwrap(), two.unwrap());
            }
        });
    };
    std::thread::scope(|threads| {
        let others = [redis(), redis(), builder().shared_connections(1).build().unwrap()]
            .map(|redis| threads.spawn(|| count(redis)));
        for thread in others {
            thread.join().unwrap();
        }
    });
    let redis = redis();
    within(PATIENCE, async {
        assert_eq!(Keys::hits(1).get().on(&redis).await.unwrap(), 3000);
    });
}

/// A counter has no fills, so a write has none to end.
#[test]
fn writes_are_one_command_each() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        let key = Keys::hits(1).on(&redis);
        key.set(1).await.unwrap();
        assert!(!key.set(2).only_if_absent().await.unwrap());
        assert_eq!(key.get_set(3).await.unwrap(), Some(1));
        assert_eq!(key.get_ex().expire_at(SystemTime::now() + PATIENCE).await.unwrap(), Some(3));
        let names: Vec<_> = server.command_log().iter().map(|logged| logged.arguments[0].clone()).collect();
        let of_the_counter: Vec<_> = names
            .iter()
            .filter(|name| !matches!(&name[..], b"HELLO" | b"CLIENT" | b"INFO" | b"MULTI" | b"EXEC"))
            .collect();
        assert_eq!(of_the_counter, ["SET", "SET", "SET", "GETEX"]);
    });
}

#[test]
fn several_runtimes_count_exactly_embedded() {
    let server = Server::new();
    from_two_runtimes(|| Redis::builder().embedded(server.clone()));
}

#[test]
fn several_runtimes_count_exactly_real() {
    let namespace = unique_namespace();
    from_two_runtimes(|| {
        Redis::builder().url(&shared_server().url()).unwrap().namespace(&namespace).unwrap()
    });
}

/// The environment variable that turns the test below into its own child process.
const CHILD: &str = "REDIS_KEYSPACE_COUNTING_CHILD";

#[test]
fn two_processes_count_exactly() {
    let count = |url: &str, namespace: &str| {
        let redis = Redis::builder().url(url).unwrap().namespace(namespace).unwrap().build().unwrap();
        within(PATIENCE, async {
            for _ in 0..500 {
                Keys::hits(1).incr().on(&redis).await.unwrap();
            }
            eventually("both processes have counted", async || {
                Keys::hits(1).get().on(&redis).await.unwrap() == 1000
            })
            .await;
        });
    };
    if let Ok(told) = std::env::var(CHILD) {
        let (url, namespace) = told.split_once(' ').unwrap();
        return count(url, namespace);
    }
    let (url, namespace) = (shared_server().url(), unique_namespace());
    let child = child_test!("two_processes_count_exactly").env(CHILD, format!("{url} {namespace}"));
    let child = child.spawn();
    count(&url, &namespace);
    child.passes();
}
