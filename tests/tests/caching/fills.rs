//! Fills: reading a value, or loading and storing it.

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::{ErrorKind, Json, Keyspace, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, both_servers, raw, wire, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "fills", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    list: fn(id: u32) -> Json<Vec<u32>>,
    text: fn(id: u32) -> Text,
    number: fn(id: u32) -> u8,
}

#[derive(Debug)]
struct Sad(&'static str);

impl std::fmt::Display for Sad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sad: {}", self.0)
    }
}

impl std::error::Error for Sad {}

/// Returns the counts of hits, misses, undecodable values and values that were not stored.
fn counts(redis: &Redis) -> (u64, u64, u64, u64) {
    let fills = redis.stats().fills;
    (fills.hits, fills.misses, fills.undecodable, fills.not_stored)
}

both_servers! {
    async fn a_miss_loads_and_a_hit_does_not(redis: Redis) {
        let loads = AtomicU32::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            vec![1, 2, 3]
        };
        for _ in 0..3 {
            assert_eq!(Keys::list(1).get_or_set(load).await.unwrap(), [1, 2, 3]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(counts(&redis), (2, 1, 0, 0));
        assert!(Keys::list(1).ttl().await.unwrap().remaining().unwrap() > 50 * MINUTE);
        Keys::list(1).del().await.unwrap();
        Keys::list(1).get_or_set(load).ttl(MINUTE).await.unwrap();
        assert!(Keys::list(1).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        Keys::list(1).get_or_set(load).ttl(10 * MINUTE).await.unwrap();
        assert!(Keys::list(1).ttl().await.unwrap().remaining().unwrap() <= MINUTE, "a hit keeps the lifetime");
        // An empty value is a value.
        assert_eq!(Keys::text(1).get_or_set(|| async { String::new() }).await.unwrap(), "");
        assert_eq!(Keys::text(1).get_or_set(|| async { panic!("a hit") }).await.unwrap(), "");
    }

    async fn an_undecodable_value_is_loaded_again(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::number(1)), "300"]).await;
        assert_eq!(Keys::number(1).get_or_set(|| async { 7 }).await.unwrap(), 7);
        assert_eq!(Keys::number(1).get().await.unwrap(), Some(7));
        assert_eq!(counts(&redis), (0, 0, 1, 0));
    }

    async fn a_failing_loader_returns_its_error_and_stores_nothing(redis: Redis) {
        let failed = Keys::list(2).try_get_or_set(|| async { Err::<Vec<u32>, _>(Sad("no database")) }).await;
        let error = failed.unwrap_err();
        assert!(matches!(&error, FillError::Loader(Sad("no database"))));
        assert_eq!(error.to_string(), "the loader failed: sad: no database");
        assert!(error.source().is_none(), "the message contains it");
        assert!(!Keys::list(2).exists().await.unwrap(), "nothing is stored");
        let loaded = Keys::list(2).try_get_or_set(|| async { Ok::<_, Sad>(vec![1]) }).ttl(MINUTE).await;
        assert_eq!(loaded.unwrap(), [1]);
        let hit = Keys::list(2).try_get_or_set(|| async { Err::<Vec<u32>, _>(Sad("not asked")) }).await;
        assert_eq!(hit.unwrap(), [1]);
        assert_eq!(counts(&redis), (1, 2, 0, 0));
    }

    async fn a_panicking_loader_blocks_no_other_caller(_redis: Redis) {
        let redis = _redis;
        let panicking = tokio::spawn({
            let redis = redis.clone();
            async move { Keys::list(3).get_or_set(|| async { panic!("a bug in the loader") }).on(&redis).await }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(Keys::list(3).get_or_set(|| async { vec![3] }).await.unwrap(), [3]);
    }

    async fn a_dropped_loader_stores_nothing(_redis: Redis) {
        let begun = tokio::sync::Notify::new();
        let never = Keys::list(4).get_or_set(|| async {
            begun.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            ended = never.into_future() => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
        assert_eq!(Keys::list(4).get_or_set(|| async { vec![4] }).await.unwrap(), [4]);
    }

    async fn loaders_can_borrow(_redis: Redis) {
        let mut calls = 0;
        let database = vec![String::from("a"), String::from("b")];
        let id = 1;
        let text = Keys::text(5)
            .get_or_set(|| {
                calls += 1;
                let database = &database;
                async move { database[id].clone() }
            })
            .await
            .unwrap();
        assert_eq!((text.as_str(), calls), ("b", 1));
        let text: Result<String, FillError<Sad>> = Keys::text(6)
            .try_get_or_set(|| async { database.first().cloned().ok_or(Sad("empty")) })
            .await;
        assert_eq!(text.unwrap(), "a");
    }

    async fn a_loader_may_use_redis_and_fill_again(_redis: Redis) {
        let outer = Keys::list(7).get_or_set(|| async {
            let inner = Keys::list(8)
                .get_or_set(|| async {
                    let innermost = Keys::number(7).get_or_set(|| async { 7 }).await.unwrap();
                    vec![u32::from(innermost)]
                })
                .await
                .unwrap();
            Keys::text(7).set("written by a loader").await.unwrap();
            vec![inner[0], inner[0]]
        });
        assert_eq!(outer.await.unwrap(), [7, 7]);
        assert_eq!(Keys::list(8).get().await.unwrap(), Some(vec![7]));
    }

    /// A value that was set after the miss is newer than the loader's, which started before.
    async fn a_value_set_during_the_load_is_kept(redis: Redis) {
        let set_meanwhile = async |id| Keys::text(id).set("newer").ttl(MINUTE).await.unwrap();
        let filled = Keys::text(20).get_or_set(|| async {
            set_meanwhile(20).await;
            "older".to_owned()
        });
        assert_eq!(filled.await.unwrap(), "older", "the caller gets its loaded value");
        assert_eq!(Keys::text(20).get().await.unwrap().as_deref(), Some("newer"));
        assert!(Keys::text(20).ttl().await.unwrap().remaining().unwrap() <= MINUTE, "the lifetime is kept, too");
        let filled = Keys::text(21).try_get_or_set(|| async {
            set_meanwhile(21).await;
            Ok::<_, Sad>("older".to_owned())
        });
        assert_eq!(filled.ttl(10 * MINUTE).await.unwrap(), "older");
        assert_eq!(Keys::text(21).get().await.unwrap().as_deref(), Some("newer"));
        assert!(Keys::text(21).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        assert_eq!(counts(&redis), (0, 2, 0, 0), "nothing failed");
        // Two loaders at once, as in two processes: the first to finish stores its value.
        let (first, second) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let slow = Keys::text(22).get_or_set(|| async {
            first.notify_one();
            second.notified().await;
            "slow".to_owned()
        });
        let quick = async {
            first.notified().await;
            let alone = Keys::text(22).get_or_set(|| async { "quick".to_owned() }).coalesce(false);
            let quick = alone.await.unwrap();
            second.notify_one();
            quick
        };
        let (slow, quick) = tokio::join!(slow.into_future(), quick);
        assert_eq!((&*slow.unwrap(), &*quick), ("slow", "quick"));
        assert_eq!(Keys::text(22).get().await.unwrap().as_deref(), Some("quick"));
    }

    async fn a_value_that_replaced_an_undecodable_one_is_kept(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::number(23)), "300"]).await;
        let filled = Keys::number(23).get_or_set(|| async {
            Keys::number(23).set(&200).ttl(MINUTE).await.unwrap();
            7
        });
        assert_eq!(filled.await.unwrap(), 7);
        assert_eq!(Keys::number(23).get().await.unwrap(), Some(200));
        assert!(Keys::number(23).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
        // Another program deleted it, or wrote another undecodable value: the loaded value may be
        // older.
        for (command, left) in [(["UNLINK", ""], None), (["SET", "301"], Some("301"))] {
            raw::<()>(&redis, &["SET", &wire(&Keys::number(24)), "300"]).await;
            let key = wire(&Keys::number(24));
            let words = [command[0], &key, command[1]];
            let words = if command[1].is_empty() { &words[..2] } else { &words[..] };
            let filled = Keys::number(24).get_or_set(|| async {
                raw::<redis::Value>(&redis, words).await;
                8
            });
            assert_eq!(filled.await.unwrap(), 8);
            let there: Option<String> = raw(&redis, &["GET", &key]).await;
            assert_eq!(there.as_deref(), left, "after {command:?}");
        }
        assert_eq!(counts(&redis), (0, 0, 3, 0));
        assert_eq!(redis.stats().fills.superseded, 3);
    }

    async fn fills_run_concurrently(redis: Redis) {
        let tasks: Vec<_> = (0..100_u32)
            .map(|id| {
                let redis = redis.clone();
                tokio::spawn(async move { Keys::list(id).get_or_set(|| async move { vec![id] }).on(&redis).await.unwrap() })
            })
            .collect();
        for (id, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), [id as u32]);
        }
    }
}

/// A hundred loaders wait for each other on a handle with one connection of each kind.
#[test]
fn loaders_hold_no_connection() {
    within(PATIENCE, async {
        let server = Server::new();
        let builder =
            Redis::builder().embedded(server.clone()).shared_connections(1).exclusive_connections(1);
        let redis = builder.timeout(MINUTE).build().unwrap();
        let all_here = std::sync::Arc::new(tokio::sync::Barrier::new(100));
        let tasks: Vec<_> = (0..100)
            .map(|id| {
                let (redis, all_here) = (redis.clone(), all_here.clone());
                tokio::spawn(async move {
                    let load = || async {
                        all_here.wait().await;
                        redis.ping().await.unwrap();
                        let one: i64 = redis
                            .raw(|mut connection| async move {
                                redis::cmd("INCR").arg("raw").query_async(&mut connection).await
                            })
                            .await
                            .unwrap();
                        vec![u32::try_from(one).unwrap()]
                    };
                    Keys::list(id).get_or_set(load).on(&redis).await.unwrap()[0]
                })
            })
            .collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=100).collect::<Vec<_>>());
        assert!(server.connection_count() <= 2);
    });
}

#[test]
fn a_value_that_can_not_be_stored_is_still_returned() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        redis
            .scope(async {
                redis.connect().await.unwrap();
                // One script takes the lease and another stores the value. The loader runs between
                // them.
                let oom =
                    || Fault::error("OOM command not allowed when used memory > 'maxmemory'.").on("EVALSHA");
                let full = || server.inject(oom().times(1)).keep();
                let load = || async {
                    full();
                    vec![1]
                };
                assert_eq!(Keys::list(1).get_or_set(load).await.unwrap(), [1]);
                let load = || async {
                    full();
                    Ok::<_, Sad>(vec![2])
                };
                assert_eq!(Keys::list(1).try_get_or_set(load).await.unwrap(), [2]);
                assert_eq!(counts(&redis), (0, 2, 0, 2));
                let load = || async {
                    server.inject(Fault::close_before().on("EVALSHA").times(1)).keep();
                    vec![3]
                };
                assert_eq!(Keys::list(1).get_or_set(load).await.unwrap(), [3]);
                assert_eq!(counts(&redis), (0, 3, 0, 3));
                assert!(!Keys::list(1).exists().await.unwrap());
            })
            .await;
    });
}

#[test]
fn an_unavailable_server_does_not_run_the_loader() {
    within(PATIENCE, async {
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        let load = || async { panic!("the loader must not run") };
        let error = Keys::list(1).get_or_set(load).on(&nowhere).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        let load = || async { Err::<Vec<u32>, Sad>(Sad("the loader must not run")) };
        let error = Keys::list(1).try_get_or_set(load).on(&nowhere).await.unwrap_err();
        assert!(matches!(&error, FillError::Redis(error) if error.is_unavailable()), "{error}");
        let error = Keys::list(1).get_or_set(|| async { vec![] }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServerNotConfigured);
    });
}
