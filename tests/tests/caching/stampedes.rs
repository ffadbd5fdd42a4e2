//! Concurrent misses of a key load once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::{Json, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, eventually};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "stampede", ttl = 3600, on_unavailable = "miss")]
struct Keys {
    list: fn(id: u32) -> Json<Vec<u32>>,
    text: fn(id: u32) -> Text,
}

both_servers! {
    async fn ten_thousand_callers_of_a_cold_key_load_once(redis: Redis) {
        let loads = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (loads, key) = (Arc::clone(&loads), Keys::list(1).on(&redis));
                tokio::spawn(async move {
                    let load = || async move {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        vec![1, 2, 3]
                    };
                    key.get_or_set(load).timeout(MINUTE).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), [1, 2, 3]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        let fills = redis.stats().fills;
        assert_eq!((fills.misses, fills.hits + fills.coalesced), (1, 9_999));
        assert!(fills.coalesced > 0);
    }

    async fn a_dropped_leader_is_replaced(redis: Redis) {
        for ending in ["dropped", "panicked", "failed"] {
            let (loads, id) = (Arc::new(AtomicU32::new(0)), u32::try_from(ending.len()).unwrap());
            let (started, end) = (Arc::clone(&loads), Arc::new(Notify::new()));
            let key = Keys::text(id).on(&redis);
            let leader = tokio::spawn({
                let (key, end) = (key.clone(), Arc::clone(&end));
                async move {
                    let load = || async move {
                        started.fetch_add(1, Ordering::Relaxed);
                        end.notified().await;
                        match ending {
                            "panicked" => panic!("expected by the test"),
                            "failed" => Err("the loader's own"),
                            _ => std::future::pending().await,
                        }
                    };
                    key.try_get_or_set(load).await
                }
            });
            eventually("the leader loads", async || loads.load(Ordering::Relaxed) == 1).await;
            let asked = Arc::new(AtomicU32::new(0));
            let others: Vec<_> = (0..100)
                .map(|_| {
                    let (loads, asked, key) = (Arc::clone(&loads), Arc::clone(&asked), key.clone());
                    tokio::spawn(async move {
                        asked.fetch_add(1, Ordering::Relaxed);
                        let load = || async move {
                            loads.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            "loaded".to_owned()
                        };
                        key.get_or_set(load).await.unwrap()
                    })
                })
                .collect();
            // Most wait for the leader by then. Later callers find the value that the next leader
            // loaded.
            eventually("all callers have started", async || asked.load(Ordering::Relaxed) == 100).await;
            if ending == "dropped" {
                leader.abort();
            }
            end.notify_one();
            for other in others {
                assert_eq!(other.await.unwrap(), "loaded", "{ending}");
            }
            match leader.await {
                Ok(Err(FillError::Loader(error))) => assert_eq!((ending, error), ("failed", "the loader's own")),
                Ok(other) => panic!("{ending}: {other:?}"),
                Err(gone) => assert_eq!(gone.is_panic(), ending == "panicked"),
            }
            assert_eq!(loads.load(Ordering::Relaxed), 2, "{ending}: one more load");
        }
    }

    async fn different_keys_load_independently(redis: Redis) {
        let load = |id: u32| {
            let key = Keys::list(id).on(&redis);
            tokio::spawn(async move {
                let load = || async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    vec![id]
                };
                (id, key.get_or_set(load).await.unwrap())
            })
        };
        let tasks: Vec<_> = (0..200).map(|n| load(n % 20)).collect();
        for task in tasks {
            let (id, list) = task.await.unwrap();
            assert_eq!(list, [id]);
        }
        assert_eq!(redis.stats().fills.misses, 20);
    }

    async fn coalescing_can_be_turned_off(redis: Redis) {
        let loads = Arc::new(AtomicU32::new(0));
        // No load ends before all ten run.
        let all_load = Arc::new(tokio::sync::Barrier::new(10));
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (loads, key) = (Arc::clone(&loads), Keys::list(1).on(&redis));
                let all_load = Arc::clone(&all_load);
                tokio::spawn(async move {
                    let load = || async move {
                        loads.fetch_add(1, Ordering::Relaxed);
                        all_load.wait().await;
                        vec![7]
                    };
                    key.get_or_set(load).coalesce(false).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), [7]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 10);
    }

    async fn a_loader_can_fill_its_own_key(redis: Redis) {
        let key = Keys::text(1).on(&redis);
        let inner = key.clone();
        let outer = key.get_or_set(|| async move {
            inner.get_or_set(|| async { "inner".to_owned() }).await.unwrap() + " and outer"
        });
        let value = tokio::time::timeout(PATIENCE, outer.into_future()).await.expect("no deadlock");
        assert_eq!(value.unwrap(), "inner and outer");
    }
}

/// Without Redis, the database is asked once as well. The paused clock advances when all callers
/// wait for the loader.
#[tokio::test(start_paused = true)]
async fn a_stampede_without_redis_loads_once() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    Keys::list(9).set(&vec![]).on(&redis).await.unwrap();
    server.refuse_connections(true);
    server.disconnect_all();
    let loads = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let (loads, key) = (Arc::clone(&loads), Keys::list(1).on(&redis));
            tokio::spawn(async move {
                let load = || async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    vec![7]
                };
                key.get_or_set(load).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), [7]);
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert!(redis.stats().degraded >= 500);
}
