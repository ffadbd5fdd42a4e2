//! Fills of many keys, which load all misses together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::{ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "manyfills", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    list: fn(id: u32) -> Json<Vec<u32>>,
    #[key("maybe:{id}", negative_ttl = "1m")]
    maybe: fn(id: u32) -> Text,
}

fn texts(ids: Vec<u32>) -> HashMap<u32, String> {
    ids.into_iter().map(|id| (id, format!("text {id}"))).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

both_servers! {
    async fn all_misses_are_loaded_in_one_call(redis: Redis) {
        Keys::text(2).set("there").await.unwrap();
        let asked = Mutex::new(Vec::new());
        let load = async |ids: Vec<u32>| {
            asked.lock().unwrap().push(ids.clone());
            texts(ids)
        };
        let ids = [1, 2, 3, 1];
        let got = Key::get_or_set_many(ids, Keys::text, &load).await.unwrap();
        assert_eq!(got, some(&["text 1", "there", "text 3", "text 1"]));
        assert_eq!(*asked.lock().unwrap(), [[1, 3]]);
        let got = Key::get_or_set_many(ids, Keys::text, &load).await.unwrap();
        assert_eq!(got, some(&["text 1", "there", "text 3", "text 1"]));
        assert_eq!(asked.lock().unwrap().len(), 1);
        let fills = redis.stats().fills;
        assert_eq!((fills.hits, fills.misses, fills.superseded), (4, 2, 0));
        assert!(Keys::text(3).ttl().await.unwrap().remaining().unwrap() > 59 * MINUTE);
        let none: [u32; 0] = [];
        let got = Key::get_or_set_many(none, Keys::text, &load).await.unwrap();
        assert!(got.is_empty());
        let got = Key::get_or_set_many([9], Keys::text, &load).ttl(MINUTE).await.unwrap();
        assert_eq!(got, some(&["text 9"]));
        assert!(Keys::text(9).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
    }

    async fn ids_without_a_row_are_none_and_remembered(redis: Redis) {
        let loads = AtomicU32::new(0);
        let load = async |ids: Vec<u32>| {
            loads.fetch_add(1, Ordering::Relaxed);
            ids.into_iter().filter(|id| id % 2 == 0).map(|id| (id, id.to_string())).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            let got = Key::get_or_set_many(1..=4, Keys::maybe, &load).await.unwrap();
            assert_eq!(got, [None, Some("2".to_owned()), None, Some("4".to_owned())]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(redis.stats().fills.hits, 2);
        assert_eq!(Keys::maybe(1).get().await.unwrap(), None);
        Keys::maybe(1).set("one").await.unwrap();
        let got = Key::get_or_set_many([1], Keys::maybe, &load).await.unwrap();
        assert_eq!(got, some(&["one"]));
        // Without `negative_ttl`, every call asks the loader.
        for _ in 0..2 {
            let got = Key::get_or_set_many([1], Keys::text, &load).await.unwrap();
            assert_eq!(got, [None]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 3);
    }

    async fn undecodable_values_are_loaded_again(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::list(1)), "nonsense"]).await;
        Keys::list(2).set(&vec![2]).await.unwrap();
        let load = async |ids: Vec<u32>| ids.into_iter().map(|id| (id, vec![id])).collect::<HashMap<_, _>>();
        let got = Key::get_or_set_many([1, 2], Keys::list, &load).await.unwrap();
        assert_eq!(got, [Some(vec![1]), Some(vec![2])]);
        assert_eq!(Keys::list(1).get().await.unwrap(), Some(vec![1]));
        assert_eq!(redis.stats().fills.undecodable, 1);
    }

    async fn overlapping_calls_load_each_key_once(redis: Redis) {
        let loads: Arc<Mutex<HashMap<u32, u32>>> = Arc::default();
        let load = |loads: Arc<Mutex<HashMap<u32, u32>>>| {
            move |ids: Vec<u32>| {
                let loads = Arc::clone(&loads);
                async move {
                    for &id in &ids {
                        *loads.lock().unwrap().entry(id).or_default() += 1;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    texts(ids)
                }
            }
        };
        let many: Vec<_> = (0..50_u32)
            .map(|task| {
                let (redis, load) = (redis.clone(), load(Arc::clone(&loads)));
                tokio::spawn(async move {
                    // Each call has a different order, so all of them wait for each other.
                    let ids: Vec<u32> = (0..20).map(|id| (id * 7 + task) % 20).collect();
                    let got = Key::get_or_set_many(ids.clone(), Keys::text, &load).on(&redis);
                    let got = got.await.unwrap();
                    assert_eq!(got, ids.iter().map(|id| Some(format!("text {id}"))).collect::<Vec<_>>());
                    let one = Keys::text(task % 20).get_or_set(|| async { panic!("the key exists") }).on(&redis);
                    assert_eq!(one.await.unwrap(), format!("text {}", task % 20));
                })
            })
            .collect();
        for task in many {
            task.await.unwrap();
        }
        let loads = loads.lock().unwrap();
        assert!(loads.len() == 20 && loads.values().all(|&loads| loads == 1), "{loads:?}");
    }

    async fn a_failing_loader_stores_nothing_and_others_load(redis: Redis) {
        let (started, ends) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
        let failing = tokio::spawn({
            let (redis, started, ends) = (redis.clone(), Arc::clone(&started), Arc::clone(&ends));
            async move {
                let load = |_: Vec<u32>| {
                    let (started, ends) = (Arc::clone(&started), Arc::clone(&ends));
                    async move {
                        started.store(1, Ordering::Relaxed);
                        ends.notified().await;
                        Err::<Vec<(u32, String)>, _>("no database")
                    }
                };
                Key::try_get_or_set_many([1, 2], Keys::text, load).on(&redis).await
            }
        });
        eventually("the loader runs", async || started.load(Ordering::Relaxed) == 1).await;
        let asked = Mutex::new(Vec::new());
        let load = async |ids: Vec<u32>| {
            asked.lock().unwrap().push(ids.clone());
            // By now, this call knows that another caller loads the others.
            ends.notify_one();
            texts(ids)
        };
        let got = Key::get_or_set_many([1, 2, 3], Keys::text, &load).await.unwrap();
        assert_eq!(got, some(&["text 1", "text 2", "text 3"]));
        assert_eq!(*asked.lock().unwrap(), [vec![3], vec![1, 2]], "the remaining ids are loaded in a second call");
        let failed = failing.await.unwrap();
        assert!(matches!(failed, Err(FillError::Loader("no database"))), "{failed:?}");
    }

    async fn a_value_written_during_the_load_is_kept(redis: Redis) {
        let load = async |ids: Vec<u32>| {
            Keys::text(1).set("newer").await.unwrap();
            Keys::text(2).del().await.unwrap();
            texts(ids)
        };
        let got = Key::get_or_set_many([1, 2, 3], Keys::text, &load).await.unwrap();
        assert_eq!(got, some(&["text 1", "text 2", "text 3"]));
        let there = Key::get_many([1, 2, 3].map(Keys::text)).await.unwrap();
        assert_eq!(there, [Some("newer".to_owned()), None, Some("text 3".to_owned())]);
        assert_eq!(redis.stats().fills.superseded, 2);
    }

    async fn a_loader_can_fill_the_same_keys(redis: Redis) {
        let _ = redis;
        let load = async |ids: Vec<u32>| {
            let inner = Key::get_or_set_many(ids, Keys::text, |ids| async { texts(ids) });
            let inner = inner.await.unwrap();
            inner.into_iter().flatten().zip(1..).map(|(text, id)| (id, text)).collect::<Vec<(u32, String)>>()
        };
        let got = Key::get_or_set_many([1, 2], Keys::text, &load).await.unwrap();
        assert_eq!(got, some(&["text 1", "text 2"]));
    }
}

#[test]
fn without_redis_all_keys_are_loaded_or_the_call_fails() {
    within(PATIENCE, async {
        let away = Redis::builder().url("redis://127.0.0.1:1").unwrap().retries(0).build().unwrap();
        let many = || Key::get_or_set_many([1, 2], Keys::text, |ids| async { texts(ids) }).on(&away);
        let error = many().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(many().on_unavailable(OnUnavailable::Miss).await.unwrap(), some(&["text 1", "text 2"]));
        assert_eq!(away.stats().degraded, 1);
    });
}

#[test]
fn hits_take_one_round_trip_and_misses_three() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        redis.connect().await.unwrap();
        let trips = async || {
            let before = server.round_trips();
            let many = Key::get_or_set_many(0..20, Keys::text, |ids| async { texts(ids) }).on(&redis);
            assert_eq!(many.await.unwrap().len(), 20);
            server.round_trips() - before
        };
        // The first time, the server does not have the script.
        trips().await;
        Key::del_many((0..20).map(Keys::text)).on(&redis).await.unwrap();
        assert_eq!((trips().await, trips().await), (3, 1));
    });
}
