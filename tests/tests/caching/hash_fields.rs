//! Hashes whose missing fields are loaded.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::{ErrorKind, Hash, Json, Keyspace, Redis, RedisBuilder, Text, catalog};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    CommandLog, PATIENCE, RealServer, both_servers, eventually, raw, shared_cluster, shared_server,
    unique_namespace, wire, within,
};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "fields", ttl = "1h")]
struct Keys {
    #[key("prices:{id}", hash_tag = id, fills = true)]
    prices: fn(id: u32) -> Hash<u64, u32>,
    #[key("names:{id}", hash_tag = id, fills = true, renew = "write")]
    names: fn(id: u32) -> Hash<Text, Json<Vec<String>>>,
    #[key("forever:{id}", hash_tag = id, fills = true, ttl = none, negative_ttl = "1h", stale_for = "1h")]
    forever: fn(id: u32) -> Hash<u64, Text>,
    #[key("plain:{id}", hash_tag = id)]
    plain: fn(id: u32) -> Hash<u64, u32>,
}

catalog!(CATALOG = [Keys]);

/// The loader must not run.
async fn unused(fields: Vec<u64>) -> HashMap<u64, u32> {
    panic!("{fields:?} are stored")
}

/// Finds the even fields.
async fn even(fields: Vec<u64>) -> HashMap<u64, u32> {
    fields.into_iter().filter(|field| field % 2 == 0).map(|field| (field, field as u32 * 10)).collect()
}

async fn only_what_is_missing_is_loaded() {
    let key = Keys::prices(1);
    key.hset(&2, &7).await.unwrap();
    key.expire(MINUTE).await.unwrap();
    let asked = Mutex::new(Vec::new());
    let load = |fields: Vec<u64>| {
        asked.lock().unwrap().push(fields.clone());
        even(fields)
    };
    let prices = key.hget_or_set_many([4, 2, 3, 4, 6], load).await.unwrap();
    assert_eq!(prices, [Some(40), Some(7), None, Some(40), Some(60)]);
    assert_eq!(*asked.lock().unwrap(), [vec![4, 3, 6]]);
    assert_eq!(key.hget_all().await.unwrap(), HashMap::from([(2, 7), (4, 40), (6, 60)]));
    // The hash existed.
    assert!(key.ttl().await.unwrap().remaining() <= Some(MINUTE));
    assert_eq!(key.hget_or_set_many([6, 2, 6], unused).await.unwrap(), [Some(60), Some(7), Some(60)]);
    assert_eq!(key.hget_or_set_many([], unused).await.unwrap(), []);
    // A new hash gets the declared lifetime, or that of the call.
    assert_eq!(Keys::prices(2).hget_or_set_many([2], even).await.unwrap(), [Some(20)]);
    assert!(Keys::prices(2).ttl().await.unwrap().remaining() > Some(59 * MINUTE));
    assert_eq!(Keys::prices(3).hget_or_set_many([2], even).ttl(MINUTE).await.unwrap(), [Some(20)]);
    assert!(Keys::prices(3).ttl().await.unwrap().remaining() <= Some(MINUTE));
    // Nothing found, nothing stored.
    assert_eq!(Keys::prices(4).hget_or_set_many([1, 3], even).await.unwrap(), [None, None]);
    assert!(!Keys::prices(4).exists().await.unwrap());
    let names = Keys::names(1);
    let load =
        |fields: Vec<String>| async move { fields.into_iter().map(|field| (field.clone(), vec![field])) };
    for field in ["", "a:1,\0\r\n"] {
        let loaded = names.hget_or_set_many([field.to_owned()], load).await.unwrap();
        assert_eq!(loaded, [Some(vec![field.to_owned()])]);
        names.expire(MINUTE).await.unwrap();
        // Each write renews the lifetime.
        let other = names.hget_or_set_many([format!("{field}x")], load).await.unwrap();
        assert_eq!(other.len(), 1);
        assert!(names.ttl().await.unwrap().remaining() > Some(59 * MINUTE));
    }
    assert_eq!(names.hlen().await.unwrap(), 4);
    let forever = Keys::forever(1);
    let load = |fields: Vec<u64>| async move { fields.into_iter().map(|field| (field, "v".to_owned())) };
    let loaded = forever.hget_or_set_many(0..3992, load).await.unwrap();
    assert!(loaded.iter().all(Option::is_some));
    assert_eq!(forever.ttl().await.unwrap().remaining(), None);
    let error = forever.hget_or_set_many(0..4000, load).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("at most 3992"), "{error}");
}

/// Every write ends the loads of all fields.
async fn writes_end_loads(redis: &Redis) {
    macro_rules! ends {
        ($($write:expr),+ $(,)?) => {$(
            let key = Keys::prices(5);
            for exists in [false, true] {
                key.del().await.unwrap();
                if exists {
                    key.hset(&100, &1).await.unwrap();
                }
                let before = redis.stats().fills.superseded;
                let load = async |fields: Vec<u64>| {
                    $write.await.unwrap();
                    even(fields).await
                };
                assert_eq!(key.hget_or_set_many([2, 4], |fields| load(fields)).await.unwrap(), [Some(20), Some(40)]);
                assert_eq!(redis.stats().fills.superseded - before, 2, "{}, exists: {exists}", stringify!($write));
                assert_eq!(key.hmget_raw().await, [None, None], "{}", stringify!($write));
            }
        )+};
    }
    let written = Keys::prices(5);
    ends!(
        written.hset(&7, &1),
        written.hset_many([(7, 1)]),
        written.hset(&7, &1).only_if_absent(),
        written.hdel(&2),
        written.hdel_many([2, 100]),
        written.del(),
        written.expire(MINUTE),
        Keys::prices_keys().id(5).delete(),
        Keys::prices_keys().all().delete(),
        redis.transaction((written.hset(&7, &1), written.hlen())),
    );
}

trait Loaded {
    /// Returns the fields that the loads above would have stored.
    async fn hmget_raw(&self) -> Vec<Option<u32>>;
}

impl Loaded for redis_keyspace::Key<Keys, Hash<u64, u32>> {
    async fn hmget_raw(&self) -> Vec<Option<u32>> {
        self.hget_many([2, 4]).await.unwrap()
    }
}

async fn a_failed_or_dropped_load_stores_nothing() {
    let key = Keys::prices(6);
    let failed = key.try_hget_or_set_many([2], |_| async { Err::<Vec<(u64, u32)>, _>("no database") }).await;
    assert!(matches!(failed, Err(FillError::Loader("no database"))));
    let hung = key.hget_or_set_many([2], |_| std::future::pending::<HashMap<u64, u32>>());
    let error = hung.hard_timeout(Duration::from_millis(10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoaderTimeout);
    let dropped = key.hget_or_set_many([2], |_| std::future::pending::<HashMap<u64, u32>>()).into_future();
    tokio::time::timeout(Duration::from_millis(20), dropped).await.unwrap_err();
    assert!(!key.exists().await.unwrap());
    assert_eq!(
        key.try_hget_or_set_many([2], |fields| async { Ok::<_, ()>(even(fields).await) }).await.unwrap(),
        [Some(20)]
    );
}

async fn everything(redis: Redis) {
    only_what_is_missing_is_loaded().await;
    writes_end_loads(&redis).await;
    a_failed_or_dropped_load_stores_nothing().await;
}

#[test]
fn on_a_cluster() {
    let builder = Redis::builder().url(&shared_cluster().seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(everything(redis.clone())));
}

both_servers! {
    async fn fields_and_writes(redis: Redis) {
        everything(redis).await;
    }

    async fn each_field_is_loaded_once(redis: Redis) {
        let loads = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
        let tasks: Vec<_> = (0..500_u64)
            .map(|nth| {
                let (loads, key) = (Arc::clone(&loads), Keys::prices(1).on(&redis));
                tokio::spawn(async move {
                    let load = |fields: Vec<u64>| {
                        for field in &fields {
                            *loads.lock().unwrap().entry(*field).or_default() += 1;
                        }
                        async move {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            fields.into_iter().map(|field| (field, 1)).collect::<HashMap<_, _>>()
                        }
                    };
                    // Fields that overlap with those of other callers, in another order.
                    let fields = if nth % 2 == 0 { [nth % 7, 8, 9] } else { [9, 8, nth % 7] };
                    key.hget_or_set_many(fields, load).timeout(MINUTE).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), [Some(1), Some(1), Some(1)]);
        }
        let loads = loads.lock().unwrap();
        assert_eq!(loads.len(), 9);
        assert!(loads.values().all(|&count| count == 1), "{loads:?}");
    }

    async fn loads_of_different_fields_do_not_disturb_each_other(redis: Redis) {
        let (key, both) = (Keys::prices(1), Arc::new(Notify::new()));
        let first = tokio::spawn({
            let (key, both) = (key.on(&redis), Arc::clone(&both));
            async move {
                let load = |fields| {
                    let both = Arc::clone(&both);
                    async move {
                        both.notified().await;
                        even(fields).await
                    }
                };
                key.hget_or_set_many([2, 3], load).await.unwrap()
            }
        });
        eventually("the first one loads", async || redis.stats().fills.misses == 2).await;
        let key = Keys::prices(1);
        assert_eq!(key.hget_or_set_many([4], even).await.unwrap(), [Some(40)]);
        assert_eq!(key.hget(&4).await.unwrap(), Some(40));
        both.notify_one();
        assert_eq!(first.await.unwrap(), [Some(20), None]);
        assert_eq!(key.hget_all().await.unwrap(), HashMap::from([(2, 20), (4, 40)]));
        assert_eq!(redis.stats().fills.superseded, 0);
    }

    async fn a_dropped_leader_is_replaced(redis: Redis) {
        let loads = Arc::new(AtomicU32::new(0));
        let key = Keys::prices(1).on(&redis);
        let leader = tokio::spawn({
            let (loads, key) = (Arc::clone(&loads), key.clone());
            async move {
                let load = |_| {
                    loads.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<HashMap<u64, u32>>()
                };
                key.hget_or_set_many([2, 4], load).await
            }
        });
        eventually("the leader loads", async || loads.load(Ordering::Relaxed) == 1).await;
        let other = tokio::spawn({
            let key = key.clone();
            async move { key.hget_or_set_many([4, 6], even).await }
        });
        eventually("the other one waits", async || redis.stats().fills.misses == 3).await;
        leader.abort();
        assert_eq!(other.await.unwrap().unwrap(), [Some(40), Some(60)]);
        // Without other callers, its lease is released.
        let key = Keys::prices(2).on(&redis);
        let dropped = key.hget_or_set_many([2], |_| std::future::pending::<HashMap<u64, u32>>()).into_future();
        tokio::time::timeout(Duration::from_millis(50), dropped).await.unwrap_err();
        let companion = format!("{}%fill", wire(&key));
        eventually("the lease is released", async || {
            raw::<i64>(&redis, &["HEXISTS", &companion, "lease"]).await == 0
        })
        .await;
    }

    async fn other_programs(redis: Redis) {
        // What they set meanwhile stays.
        let key = Keys::prices(1);
        let name = wire(&key);
        let load = |fields: Vec<u64>| {
            let (redis, name) = (&redis, &name);
            async move {
                let _: () = raw(redis, &["HSET", name, "2", "7"]).await;
                even(fields).await
            }
        };
        assert_eq!(key.hget_or_set_many([2, 4], load).await.unwrap(), [Some(20), Some(40)]);
        assert_eq!(key.hget_many([2, 4]).await.unwrap(), [Some(7), Some(40)]);
        // What can't be decoded is replaced.
        let _: () = raw(&redis, &["HSET", &name, "6", "six", "1", "-1"]).await;
        assert_eq!(key.hget_or_set_many([6, 2, 8], even).await.unwrap(), [Some(60), Some(7), Some(80)]);
        assert_eq!(key.hget_many([6, 2, 8]).await.unwrap(), [Some(60), Some(7), Some(80)]);
        assert_eq!(redis.stats().fills.undecodable, 1);
        // But not if another program replaced it meanwhile.
        let _: () = raw(&redis, &["HSET", &name, "10", "ten", "12", "", "14", "x"]).await;
        let load = |fields: Vec<u64>| {
            let (redis, name) = (&redis, &name);
            async move {
                let _: () = raw(redis, &["HSET", name, "10", "11"]).await;
                let _: () = raw(redis, &["HDEL", name, "14"]).await;
                even(fields).await
            }
        };
        assert_eq!(key.hget_or_set_many([10, 12, 14], load).await.unwrap(), [Some(100), Some(120), Some(140)]);
        assert_eq!(key.hget_many([10, 12, 14]).await.unwrap(), [Some(11), Some(120), None]);
        let _: () = raw(&redis, &["SET", &wire(&Keys::prices(2)), "text"]).await;
        let error = Keys::prices(2).hget_or_set_many([2], unused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType);
        assert!(error.to_string().contains("expected hash (Hash<u64, u32>), found string"), "{error}");
    }

}

#[test]
fn a_value_that_is_too_large_does_not_stop_the_others() {
    within(PATIENCE, async {
        let redis = Redis::builder().embedded(Server::new()).max_value_bytes(5000).build().unwrap();
        let key = Keys::forever(1).on(&redis);
        let load = |fields: Vec<u64>| async move {
            let text = |field| if field == 3 { "x".repeat(5001) } else { "v".to_owned() };
            fields.into_iter().map(|field| (field, text(field))).collect::<HashMap<_, _>>()
        };
        let error = key.hget_or_set_many([2, 3, 4], load).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let stored: BTreeSet<u64> = key.hkeys().await.unwrap().into_iter().collect();
        assert_eq!(stored, BTreeSet::from([2, 4]));
    });
}

/// A value that is too large is returned to a caller that waits for it, and the others are stored.
async fn a_large_value_is_awaited(builder: RedisBuilder) {
    let redis = builder.namespace(unique_namespace()).unwrap().max_value_bytes(5000).build().unwrap();
    let (key, go) = (Keys::forever(1).on(&redis), Arc::new(Notify::new()));
    let text = |field| if field == 3 { "x".repeat(5001) } else { "v".to_owned() };
    let texts = move |fields: Vec<u64>| {
        fields.into_iter().map(|field| (field, text(field))).collect::<HashMap<_, _>>()
    };
    let leader = tokio::spawn({
        let (key, go) = (key.clone(), Arc::clone(&go));
        async move {
            let load = |fields| {
                let go = Arc::clone(&go);
                async move {
                    go.notified().await;
                    texts(fields)
                }
            };
            key.hget_or_set_many([2, 3, 4], load).await
        }
    });
    eventually("the leader loads", async || redis.stats().fills.misses == 3).await;
    let follower = tokio::spawn({
        let key = key.clone();
        async move { key.hget_or_set_many([3, 6], async |fields| texts(fields)).await }
    });
    eventually("the follower waits", async || redis.stats().fills.misses == 4).await;
    go.notify_one();
    assert_eq!(leader.await.unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(follower.await.unwrap().unwrap(), [Some("x".repeat(5001)), Some("v".to_owned())]);
    let stored: BTreeSet<u64> = key.hkeys().await.unwrap().into_iter().collect();
    assert_eq!(stored, BTreeSet::from([2, 4, 6]));
}

#[test]
fn a_value_that_is_too_large_and_awaited_does_not_stop_the_others() {
    within(PATIENCE, async {
        a_large_value_is_awaited(Redis::builder().embedded(Server::new())).await;
        a_large_value_is_awaited(Redis::builder().url(&shared_server().url()).unwrap()).await;
    });
}

/// A caller that arrives after a load has started asks whether its lease is still held.
async fn late_callers(mut log: CommandLog) {
    let key = Keys::prices(1);
    let (loading, go) = (Notify::new(), Notify::new());
    let all = |fields: Vec<u64>| fields.into_iter().map(|field| (field, 1)).collect::<HashMap<_, _>>();
    let load = async |fields| {
        loading.notify_one();
        go.notified().await;
        all(fields)
    };
    let mut sent = Vec::new();
    let late = async {
        loading.notified().await;
        let asks = |sent: &[String]| sent.iter().filter(|command| command.contains(" peek ")).count();
        let release = async {
            eventually("the late caller asks", async || {
                sent.extend(log.take());
                asks(&sent) > 0
            })
            .await;
            go.notify_one();
        };
        let (values, ()) = tokio::join!(key.hget_or_set_many(0..100, unused).into_future(), release);
        sent.extend(log.take());
        assert_eq!(asks(&sent), 1, "the fields share one lease");
        values
    };
    let (first, late) = tokio::join!(key.hget_or_set_many(0..100, &load).into_future(), late);
    assert_eq!(first.unwrap(), vec![Some(1); 100]);
    assert_eq!(late.unwrap(), vec![Some(1); 100]);
}

#[test]
fn late_callers_ask_once_on_the_embedded_server() {
    CommandLog::on_embedded(late_callers);
}

#[test]
fn late_callers_ask_once_on_a_real_server() {
    CommandLog::on_real(late_callers);
}

/// Without a server, no lease says that the hash was written.
#[test]
fn a_write_on_a_disabled_handle_ends_the_loads_of_all_fields() {
    within(PATIENCE, async {
        let redis = Redis::disabled();
        let (loads, go) = (&AtomicU32::new(0), &Notify::new());
        let fill = || {
            let load = async move |fields: Vec<u64>| {
                let nth = loads.fetch_add(1, Ordering::SeqCst) + 1;
                go.notified().await;
                fields.into_iter().map(|field| (field, nth)).collect::<HashMap<_, _>>()
            };
            let mut filling = Keys::prices(1).on(&redis).hget_or_set_many([2, 4], load).into_future();
            // Nothing is sent, so it loads or waits at once.
            let mut context = Context::from_waker(Waker::noop());
            assert!(filling.as_mut().poll(&mut context).is_pending());
            filling
        };
        let first = fill();
        let same = fill();
        assert_eq!(loads.load(Ordering::SeqCst), 1, "callers share a load");
        assert!(!Keys::prices(1).on(&redis).hdel(&2).await.unwrap());
        let second = fill();
        assert_eq!(loads.load(Ordering::SeqCst), 2, "the loaded values may be older than the write");
        go.notify_waiters();
        assert_eq!(first.await.unwrap(), [Some(1), Some(1)]);
        assert_eq!(same.await.unwrap(), [Some(1), Some(1)]);
        assert_eq!(second.await.unwrap(), [Some(2), Some(2)]);
    });
}

async fn commands(mut log: CommandLog) {
    let key = Keys::prices(1);
    key.hget_or_set_many([2], even).await.unwrap();
    log.take();
    assert_eq!(key.hget_or_set_many([2, 3, 4], even).await.unwrap(), [Some(20), None, Some(40)]);
    let sent = log.take();
    let script = "EVALSHA .. 3 fields:prices:{1} fields:prices:{1}%fill fields:prices:{%swept:{}}";
    let [hmget, begin, fields] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(hmget, "HMGET fields:prices:{1} 2 3 4");
    assert!(begin.starts_with(&format!("{script} begin ")), "{begin}");
    assert!(begin.ends_with(" 30000 share 1  HMGET 3 4"), "{begin}");
    assert!(fields.starts_with(&format!("{script} fields ")), "{fields}");
    assert!(fields.ends_with(" 3600000 0  4 40"), "{fields}");
    key.hget_or_set_many([4, 2], unused).await.unwrap();
    assert_eq!(log.take(), ["HMGET fields:prices:{1} 4 2"]);
}

#[test]
fn exactly_these_commands_are_sent_to_the_embedded_server() {
    CommandLog::on_embedded(commands);
}

#[test]
fn exactly_these_commands_are_sent_to_a_real_server() {
    CommandLog::on_real(commands);
}

#[test]
fn the_acl_rules_suffice() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
        let rules = CATALOG.acl_rules().to_string();
        command.extend(rules.split(' '));
        server.redis_cli(&command);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let redis = builder.build().unwrap();
        redis.scope(everything(redis.clone())).await;
    });
}

#[test]
fn without_fills_nothing_is_loaded() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let error = Keys::plain(1).on(&redis).hget_or_set_many([1], unused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`fills = true`"), "{error}");
    });
}

#[test]
fn an_unavailable_server_is_an_error_or_a_miss() {
    within(PATIENCE, async {
        let redis = Redis::open("redis://127.0.0.1:1").unwrap();
        let key = Keys::prices(1).on(&redis);
        assert!(key.hget_or_set_many([2], unused).await.unwrap_err().is_unavailable());
        let loaded = key.hget_or_set_many([2, 3], even).on_unavailable(OnUnavailable::Miss).await;
        assert_eq!(loaded.unwrap(), [Some(20), None]);
    });
}
