//! Collections whose templates declare `fills = true`: loaded as a whole, and stored only if
//! nothing was written meanwhile.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::{FillError, FilledKind, ValueSource};
use redis_keyspace::command::Ttl;
use redis_keyspace::{
    ErrorKind, Hash, Json, Key, Keyspace, List, Record, Redis, Set, SortedSet, Text, catalog,
};
use redis_keyspace_tests::{
    CommandLog, PATIENCE, RealServer, both_servers, eventually, is_available, is_known, raw, shared_cluster,
    unique_namespace, wire, within,
};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, PartialEq, Record)]
struct Profile {
    name: String,
    visits: u64,
    email: Option<String>,
}

#[derive(Debug, Default, PartialEq, Record)]
struct Sparse {
    name: Option<String>,
}

/// A record with a field that has a lifetime.
#[derive(Clone, Debug, PartialEq, Record)]
struct Visit {
    user: u64,
    #[record(ttl = "1m")]
    token: Option<String>,
}

/// Not in the catalog, whose rules name only commands that every server has.
#[derive(Keyspace)]
#[keyspace(prefix = "visits", ttl = "1h")]
struct Visits {
    #[key("{id}", fills = true)]
    visit: fn(id: u32) -> Record<Visit>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "whole", ttl = "1h")]
struct Keys {
    #[key("hash:{id}", hash_tag = id, fills = true)]
    hash: fn(id: u32) -> Hash<Text, u64>,
    #[key("sums:{id}", hash_tag = id, fills = true)]
    sums: fn(id: u32) -> Hash<Text, i64>,
    #[key("objects:{id}", hash_tag = id, fills = true)]
    objects: fn(id: u32) -> Hash<u64, Json<Vec<String>>>,
    #[key("list:{id}", hash_tag = id, fills = true)]
    list: fn(id: u32) -> List<Text>,
    #[key("set:{id}", hash_tag = id, fills = true)]
    set: fn(id: u32) -> Set<u64>,
    #[key("scores:{id}", hash_tag = id, fills = true)]
    scores: fn(id: u32) -> SortedSet<Text>,
    #[key("profile:{id}", hash_tag = id, fills = true)]
    profile: fn(id: u32) -> Record<Profile>,
    #[key("sparse:{id}", hash_tag = id, fills = true)]
    sparse: fn(id: u32) -> Record<Sparse>,
    /// Keeps stale copies and negative entries.
    #[key("kept:{id}", hash_tag = id, fills = true, stale_for = "1h", negative_ttl = "1h")]
    kept: fn(id: u32) -> Set<u64>,
    #[key("forever:{id}", hash_tag = id, fills = true, ttl = none)]
    forever: fn(id: u32) -> SortedSet<u64>,
    #[key("plain:{id}", hash_tag = id)]
    plain: fn(id: u32) -> Set<u64>,
    #[key("queue:{id}", hash_tag = id, ttl = none)]
    queue: fn(id: u32) -> List<Text>,
    #[key("remembered:{id}", hash_tag = id, fills = true, negative_ttl = "1h")]
    remembered: fn(id: u32) -> Record<Sparse>,
    #[key("text:{id}", hash_tag = id)]
    text: fn(id: u32) -> Text,
}

catalog!(CATALOG = [Keys]);

fn two() -> HashMap<String, u64> {
    HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
}

fn scored() -> Vec<(String, f64)> {
    [("low", -1.5), ("a", 0.1), ("b", 0.1), ("high", 1e300)]
        .map(|(name, score)| (name.to_owned(), score))
        .into()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Fills a key, and reads it again without a loader.
async fn fills<V>(key: &Key<Keys, V>, value: V::Value)
where
    V: FilledKind<Value: Clone + fmt::Debug + PartialEq + Sync>,
{
    let loaded = key.get_or_set(|| async { value.clone() }).lookup().await.unwrap();
    assert_eq!((&loaded.value, loaded.source), (&value, ValueSource::Filled), "{key}");
    let hit = key.get_or_set(|| async { unreachable!("it is stored") }).lookup().await.unwrap();
    assert_eq!((hit.value, hit.source), (value, ValueSource::Hit), "{key}");
}

async fn every_kind_is_loaded_and_stored_whole() {
    fills(&Keys::hash(1), two()).await;
    assert_eq!(Keys::hash(1).hget_all().await.unwrap(), two());
    let objects = HashMap::from([(0, vec!["x:1,\r\n".to_owned()]), (u64::MAX, vec![])]);
    fills(&Keys::objects(1), objects).await;
    fills(&Keys::list(1), texts(&["b", "a", "", "b"])).await;
    assert_eq!(Keys::list(1).lrange(..).await.unwrap(), ["b", "a", "", "b"]);
    fills(&Keys::set(1), HashSet::from([1, 2, 3])).await;
    fills(&Keys::scores(1), scored()).await;
    assert_eq!(Keys::scores(1).zrange(..).with_scores().await.unwrap(), scored());
    let ann = Profile { name: "Ann".into(), visits: 7, email: None };
    fills(&Keys::profile(1), ann.clone()).await;
    assert_eq!(Keys::profile(1).load().await.unwrap(), Some(ann));
    for ttl in [
        Keys::hash(1).ttl().await.unwrap(),
        Keys::list(1).ttl().await.unwrap(),
        Keys::set(1).ttl().await.unwrap(),
        Keys::scores(1).ttl().await.unwrap(),
        Keys::profile(1).ttl().await.unwrap(),
    ] {
        let left = ttl.remaining().expect("it has the declared TTL");
        assert!(left > 59 * MINUTE && left <= 60 * MINUTE, "{left:?}");
    }
    fills(&Keys::forever(1), vec![(7, 1.0)]).await;
    assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
    // More elements than a command of a script takes.
    fills(&Keys::set(2), (0..20_000).collect()).await;
    fills(&Keys::hash(2), (0..5000).map(|nth| (nth.to_string(), nth)).collect()).await;
    assert_eq!((Keys::set(2).scard().await.unwrap(), Keys::hash(2).hlen().await.unwrap()), (20_000, 5000));
}

/// Runs loads of a key during which each write runs. Whether the key existed or not, the loaded
/// value must not be stored after the write.
macro_rules! end_fills {
    ($redis:ident, $key:expr, $loaded:expr, $($write:expr),+ $(,)?) => {$(
        for exists in [false, true] {
            let key = $key;
            key.del().await.unwrap();
            if exists {
                key.get_or_set(|| async { $loaded }).await.unwrap();
            }
            let before = $redis.stats().fills.superseded;
            let load = || async {
                $write.await.unwrap();
                $loaded
            };
            assert_eq!(key.get_or_set(load).refresh().await.unwrap(), $loaded);
            let superseded = $redis.stats().fills.superseded - before;
            assert_eq!(superseded, 1, "{} of {key}, which exists: {exists}", stringify!($write));
        }
    )+};
}

async fn writes_of_hashes(redis: &Redis) {
    let key = Keys::hash(3);
    let one = || HashMap::from([("a".to_owned(), 1_u64)]);
    end_fills!(
        redis,
        Keys::hash(3),
        one(),
        key.hset("b", &2),
        key.hset_many([("b", 2), ("c", 3)]),
        key.hset("b", &2).only_if_absent(),
        key.hset_many((0..5000).map(|nth| (nth.to_string(), nth))),
        key.hdel("a"),
        key.hdel_many(["a", "b"]),
        key.del(),
        key.expire(MINUTE),
        key.expire(Duration::ZERO),
        redis.batch((key.hset("b", &2), key.hlen())),
        redis.transaction((key.hset("b", &2), key.hlen())),
        Keys::hash_keys().id(3).delete(),
        Keys::hash_keys().all().delete(),
        key.raw("HSET").arg("c").arg("1").writes().query::<i64>(),
    );
    let sums = Keys::sums(3);
    end_fills!(redis, Keys::sums(3), HashMap::from([("a".to_owned(), 1_i64)]), sums.hincr_by("b", 1));
}

async fn writes_of_lists(redis: &Redis) {
    let (key, other) = (Keys::list(3), Keys::list(3));
    use redis_keyspace::command::ListEnd::{Left, Right};
    end_fills!(
        redis,
        Keys::list(3),
        texts(&["a", "b"]),
        key.lpush("x"),
        key.rpush("x"),
        key.lpush_many(["x", "y"]),
        key.rpush_many(["x"]),
        key.lpush("x").only_if_present(),
        key.lpush("x").trim_to(2),
        key.lpop(),
        key.rpop(),
        key.lpop_many(2),
        key.lset(0, "z"),
        key.lrem("a"),
        key.lrem("a").first(1),
        key.ltrim(..1),
        key.linsert_before("b", "x"),
        key.lmove(Left, &other, Right),
        key.persist(),
        key.del(),
        redis.transaction((key.lpop(), key.rpush("x"))),
    );
    if is_known(&["LMPOP"]).await {
        end_fills!(
            redis,
            Keys::list(3),
            texts(&["a", "b"]),
            Key::lmpop([key.clone()], Left),
            Key::lmpop([key.clone()], Left).count(2),
        );
    }
    // A fill that begins during the wait would not end when an element is taken.
    let brief = Duration::from_millis(1);
    let unfilled = Keys::queue(3);
    for error in [
        key.lpop().block(brief).await.unwrap_err(),
        Key::lmpop([key.clone()], Left).block(brief).await.unwrap_err(),
        key.lmove(Left, &unfilled, Right).block(brief).await.unwrap_err(),
        unfilled.lmove(Left, &key, Right).block(brief).await.unwrap_err(),
        Keys::scores(3).zpop_max().block(brief).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("`fills = true`"), "{error}");
    }
    assert_eq!(unfilled.lpop().block(brief).await.unwrap(), None);
}

async fn writes_of_sets(redis: &Redis) {
    let key = Keys::set(3);
    end_fills!(
        redis,
        Keys::set(3),
        HashSet::from([1_u64, 2]),
        key.sadd(&7),
        key.sadd_many([7, 8]),
        key.sadd_many(0..5000),
        key.srem(&1),
        key.srem_many([1, 2]),
        key.spop(),
        key.spop_many(2),
        key.smove(&key, &1),
        Key::sunion([key.clone()]).store(&key),
        key.del(),
        Key::del_many([key.clone(), key.clone()]),
        key.rename(&key),
        redis.batch((key.scard(), key.sadd(&9))),
    );
}

async fn writes_of_sorted_sets(redis: &Redis) {
    let key = Keys::scores(3);
    end_fills!(
        redis,
        Keys::scores(3),
        scored(),
        key.zadd("x", 1.0),
        key.zadd("x", 1.0).only_if_absent(),
        key.zadd("x", 1.0).keep_top(2),
        key.zadd_many([("x", 1.0), ("y", 2.0)]),
        key.zincr_by("a", 1.0),
        key.zincr_by("a", 1.0).only_if_present(),
        key.zrem("a"),
        key.zrem_many(["a", "b"]),
        key.zrem_range(..1),
        key.zrem_range_by_score(..0.0),
        key.zpop_min(),
        key.zpop_max_many(2),
        Key::zunion([key.clone()]).store(&key),
        key.zrange(..2).store(&key),
        key.del(),
    );
}

async fn writes_of_records(redis: &Redis) {
    let key = Keys::profile(3);
    let ann = || Profile { name: "Ann".into(), visits: 7, email: Some("a@b".into()) };
    let bob = || Profile { name: "Bob".into(), visits: 1, email: None };
    end_fills!(
        redis,
        Keys::profile(3),
        ann(),
        key.save(&ann()),
        key.save(&bob()),
        key.set(Profile::NAME, "x"),
        key.set_fields((Profile::NAME.to("x"), Profile::VISITS.to(&3))),
        key.incr(Profile::VISITS, 1),
        key.incr(Profile::VISITS, 1).only_if_present(),
        key.remove(Profile::EMAIL),
        key.del(),
        key.update(|record| record.visits += 1),
        key.update_or_insert(bob, |record| record.visits += 1),
        key.update_with(|_| redis_keyspace::update::Change::Delete),
        key.update_with(|_| redis_keyspace::update::Change::Keep),
    );
}

/// Reads do not end a load.
async fn reads(redis: &Redis) {
    let key = Keys::hash(4);
    let before = redis.stats().fills.superseded;
    let load = || async {
        key.hget("a").await.unwrap();
        key.hget_all().await.unwrap();
        key.ttl().await.unwrap();
        redis.batch((key.hlen(), key.hexists("a"))).await.unwrap();
        two()
    };
    key.get_or_set(load).await.unwrap();
    assert_eq!(redis.stats().fills.superseded, before);
    assert_eq!(key.hget_all().await.unwrap(), two());
}

async fn an_empty_collection_is_not_stored() {
    let loads = AtomicU32::new(0);
    let none = || async {
        loads.fetch_add(1, Ordering::Relaxed);
        HashSet::new()
    };
    for _ in 0..2 {
        let empty = Keys::set(5).get_or_set(none).lookup().await.unwrap();
        assert_eq!((empty.value.len(), empty.source), (0, ValueSource::Absent));
        assert!(!Keys::set(5).exists().await.unwrap());
    }
    assert_eq!(loads.swap(0, Ordering::Relaxed), 2);
    // Remembered, until a write.
    for _ in 0..3 {
        assert_eq!(Keys::kept(5).get_or_set(none).await.unwrap(), HashSet::new());
        assert_eq!(Keys::kept(5).get_or_set_optional(|| async { unreachable!() }).await.unwrap(), None);
    }
    assert_eq!(loads.swap(0, Ordering::Relaxed), 1);
    Keys::kept(5).sadd(&1).await.unwrap();
    Keys::kept(5).srem(&1).await.unwrap();
    assert_eq!(Keys::kept(5).get_or_set(none).await.unwrap(), HashSet::new());
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    // A refresh to an empty collection deletes the old one.
    fills(&Keys::list(5), texts(&["a"])).await;
    assert_eq!(Keys::list(5).get_or_set(|| async { vec![] }).refresh().await.unwrap(), texts(&[]));
    assert!(!Keys::list(5).exists().await.unwrap());
    // A loader may find no record.
    let key = Keys::profile(5);
    assert_eq!(key.get_or_set_optional(|| async { None }).await.unwrap(), None);
    assert_eq!(
        key.get_or_set_optional(|| async { Some(Profile::default()) }).await.unwrap(),
        Some(Profile::default())
    );
    assert!(key.exists().await.unwrap());
    assert_eq!(Keys::sparse(5).get_or_set(|| async { Sparse::default() }).await.unwrap(), Sparse::default());
    assert!(!Keys::sparse(5).exists().await.unwrap());
    // A record without any value is an empty collection.
    for _ in 0..2 {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            Sparse::default()
        };
        let loaded = Keys::remembered(5).get_or_set(load).lookup().await.unwrap();
        assert_eq!((loaded.value, loaded.source), (Sparse::default(), ValueSource::Absent));
        assert_eq!(Keys::remembered(5).get_or_set_optional(|| async { unreachable!() }).await.unwrap(), None);
    }
    assert_eq!(loads.load(Ordering::Relaxed), 2);
}

/// A record that a server can't store leaves the old one unchanged.
async fn lifetimes_of_fields() {
    let key = Visits::visit(6);
    let visit = |user| Visit { user, token: None };
    let with_token = |user| async move { Visit { token: Some("token".to_owned()), ..visit(user) } };
    assert_eq!(key.get_or_set(|| async { visit(1) }).await.unwrap(), visit(1));
    let refreshed = key.get_or_set(|| with_token(2)).refresh().await;
    let loaded = Visits::visit(7).get_or_set(|| with_token(3)).await;
    if is_available(&refreshed, &["HPEXPIRE"]).await {
        assert_eq!(key.load().await.unwrap().unwrap(), with_token(2).await);
        assert_eq!(Visits::visit(7).load().await.unwrap(), Some(loaded.unwrap()));
        return;
    }
    assert_eq!(key.load().await.unwrap(), Some(visit(1)));
    assert_eq!(loaded.unwrap_err().kind(), ErrorKind::MissingCommand);
    assert!(!Visits::visit(7).exists().await.unwrap());
}

/// The TTL of the last write counts.
async fn a_removed_ttl_stays_removed() {
    let key = Keys::text(6);
    key.set("old").await.unwrap();
    let load = || async {
        assert!(key.persist().await.unwrap());
        "new".to_owned()
    };
    assert_eq!(key.get_or_set(load).refresh().await.unwrap(), "new");
    assert_eq!((key.get().await.unwrap().as_deref(), key.ttl().await.unwrap()), (Some("old"), Ttl::NoExpiry));
    for (left, read) in [(Some(MINUTE), key.get_ex().ttl(MINUTE)), (None, key.get_ex().persist())] {
        let read = std::sync::Mutex::new(Some(read));
        let load = || async {
            let read = read.lock().unwrap().take().unwrap();
            assert_eq!(read.await.unwrap().as_deref(), Some("old"));
            "new".to_owned()
        };
        assert_eq!(key.get_or_set(load).refresh().await.unwrap(), "new");
        assert_eq!(key.ttl().await.unwrap().remaining().is_some(), left.is_some());
        assert!(key.ttl().await.unwrap().remaining() <= left);
    }
}

async fn a_failed_or_dropped_load_stores_nothing() {
    let key = Keys::scores(6);
    let failed = key.try_get_or_set(|| async { Err("no database") }).await;
    assert!(matches!(failed, Err(FillError::Loader("no database"))));
    let hung =
        key.get_or_set(|| async { std::future::pending().await }).hard_timeout(Duration::from_millis(10));
    assert_eq!(hung.await.unwrap_err().kind(), ErrorKind::LoaderTimeout);
    let dropped = key.get_or_set(|| async { std::future::pending().await }).into_future();
    tokio::time::timeout(Duration::from_millis(20), dropped).await.unwrap_err();
    let nan = key.get_or_set(|| async { vec![("x".to_owned(), f64::NAN)] }).await.unwrap_err();
    assert_eq!(nan.kind(), ErrorKind::InvalidInput, "{nan}");
    assert!(!key.exists().await.unwrap());
    fills(&key, scored()).await;
}

async fn a_key_of_another_type_is_an_error(redis: &Redis) {
    let _: () = raw(redis, &["SET", &wire(&Keys::set(7)), "text"]).await;
    let error = Keys::set(7).get_or_set(|| async { unreachable!() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    let text = error.to_string();
    assert!(text.contains("expected set (Set<u64>), found string") && text.contains("whole:set"), "{text}");
    // It may appear while the loader runs.
    let key = wire(&Keys::set(8));
    let load = || async {
        let _: () = raw(redis, &["SET", &key, "text"]).await;
        HashSet::from([1])
    };
    assert_eq!(Keys::set(8).get_or_set(load).await.unwrap(), HashSet::from([1]));
    assert_eq!(raw::<String>(redis, &["GET", &key]).await, "text");
}

/// Writes of other programs are noticed if they create or change the key.
async fn foreign_writes_are_noticed(redis: &Redis) {
    for (refreshes, id) in [(false, 9), (true, 10)] {
        let (hash, set) = (Keys::hash(id), Keys::set(id));
        if refreshes {
            fills(&hash, two()).await;
            fills(&set, HashSet::from([1, 2])).await;
        }
        let (name, other) = (wire(&hash), wire(&set));
        let load = || async {
            let _: () = raw(redis, &["HSET", &name, "a", "9"]).await;
            two()
        };
        let loading = hash.get_or_set(load);
        if refreshes { loading.refresh() } else { loading }.await.unwrap();
        assert_eq!(hash.hget("a").await.unwrap(), Some(9));
        let load = || async {
            let _: () = raw(redis, &["SADD", &other, "9"]).await;
            HashSet::from([1, 2])
        };
        let loading = set.get_or_set(load);
        if refreshes { loading.refresh() } else { loading }.await.unwrap();
        assert!(set.sismember(&9).await.unwrap());
    }
}

/// A value of an older version of the program counts as missing, and a refresh replaces everything.
async fn undecodable_and_outdated_values_are_replaced(redis: &Redis) {
    let key = Keys::hash(11);
    let _: () = raw(redis, &["HSET", &wire(&key), "a", "one", "z", "26"]).await;
    let loaded = key.get_or_set(|| async { two() }).lookup().await.unwrap();
    assert_eq!((loaded.value, loaded.source), (two(), ValueSource::Filled));
    assert_eq!(key.hget_all().await.unwrap(), two());
    for (field, id) in [("z", 12), ("a", 13)] {
        fills(&Keys::hash(id), HashMap::from([(field.to_owned(), 26)])).await;
        assert_eq!(Keys::hash(id).get_or_set(|| async { two() }).refresh().await.unwrap(), two());
        assert_eq!(Keys::hash(id).hget_all().await.unwrap(), two());
    }
    fills(&Keys::list(12), texts(&["a", "b"])).await;
    let reversed = || async { texts(&["b", "a"]) };
    assert_eq!(Keys::list(12).get_or_set(reversed).refresh().await.unwrap(), ["b", "a"]);
    assert_eq!(Keys::list(12).lrange(..).await.unwrap(), ["b", "a"]);
    fills(&Keys::scores(12), scored()).await;
    assert_eq!(Keys::scores(12).get_or_set(|| async { vec![] }).refresh().await.unwrap(), vec![]);
}

async fn the_declared_options_apply(redis: &Redis) {
    let key = Keys::kept(14);
    let (one, two) = (HashSet::from([1]), HashSet::from([2]));
    assert_eq!(key.get_or_set(|| async { one.clone() }).await.unwrap(), one);
    // Expires the value.
    let _: () = raw(redis, &["DEL", &wire(&key)]).await;
    let stale = key.try_get_or_set(|| async { Err("no database") }).lookup().await.unwrap();
    assert_eq!((stale.value, stale.source), (one.clone(), ValueSource::Stale));
    // A write deletes the copy.
    key.sadd(&2).await.unwrap();
    key.del().await.unwrap();
    let failed = key.try_get_or_set(|| async { Err("no database") }).await;
    assert!(matches!(failed, Err(FillError::Loader("no database"))));
    assert_eq!(key.get_or_set(|| async { one.clone() }).ttl(MINUTE).await.unwrap(), one);
    assert!(key.ttl().await.unwrap().remaining() <= Some(MINUTE));
    // Due at once.
    let refreshed = key.get_or_set(|| async { two.clone() }).early_refresh(0.0).ttl(2 * MINUTE);
    assert_eq!(refreshed.await.unwrap(), two);
    assert_eq!(key.smembers().await.unwrap(), two);
    let chosen = key.get_or_set(|| async { one.clone() }).refresh().ttl_by(|set| MINUTE * set.len() as u32);
    assert_eq!(chosen.await.unwrap(), one);
    assert!(key.ttl().await.unwrap().remaining() <= Some(MINUTE));
}

async fn everything(redis: Redis) {
    every_kind_is_loaded_and_stored_whole().await;
    writes_of_hashes(&redis).await;
    writes_of_lists(&redis).await;
    writes_of_sets(&redis).await;
    writes_of_sorted_sets(&redis).await;
    writes_of_records(&redis).await;
    reads(&redis).await;
    an_empty_collection_is_not_stored().await;
    a_failed_or_dropped_load_stores_nothing().await;
    a_removed_ttl_stays_removed().await;
}

#[test]
fn on_a_cluster() {
    let builder = Redis::builder().url(&shared_cluster().seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(everything(redis.clone())));
}

both_servers! {
    async fn all_kinds_and_writes(redis: Redis) {
        everything(redis).await;
    }

    async fn fields_with_lifetimes(_redis: Redis) {
        lifetimes_of_fields().await;
    }

    async fn other_programs(redis: Redis) {
        a_key_of_another_type_is_an_error(&redis).await;
        foreign_writes_are_noticed(&redis).await;
        undecodable_and_outdated_values_are_replaced(&redis).await;
    }

    async fn options(redis: Redis) {
        the_declared_options_apply(&redis).await;
    }

    async fn callers_of_a_cold_key_share_one_load(redis: Redis) {
        for across in [false, true] {
            let (loads, id) = (Arc::new(AtomicU32::new(0)), 20 + u32::from(across));
            let tasks: Vec<_> = (0..2000)
                .map(|_| {
                    let (loads, key) = (Arc::clone(&loads), Keys::scores(id).on(&redis));
                    tokio::spawn(async move {
                        let load = || async move {
                            loads.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(30)).await;
                            scored()
                        };
                        let loading = key.get_or_set(load).timeout(MINUTE);
                        if across { loading.across_processes() } else { loading }.await.unwrap()
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), scored());
            }
            assert_eq!(loads.load(Ordering::Relaxed), 1);
        }
        assert!(redis.stats().fills.coalesced > 0);
    }

    async fn a_dropped_leader_is_replaced(redis: Redis) {
        let (loads, end) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let key = Keys::set(30).on(&redis);
        let load = |end: Option<Arc<Notify>>| {
            let loads = Arc::clone(&loads);
            || async move {
                loads.fetch_add(1, Ordering::Relaxed);
                match end {
                    Some(end) => end.notified().await,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
                HashSet::from([7])
            }
        };
        let leader = tokio::spawn(key.get_or_set(load(Some(end))).into_future());
        eventually("the leader loads", async || loads.load(Ordering::Relaxed) == 1).await;
        let others: Vec<_> = (0..100).map(|_| tokio::spawn(key.get_or_set(load(None)).into_future())).collect();
        eventually("they wait", async || redis.stats().fills.misses == 1).await;
        leader.abort();
        for other in others {
            assert_eq!(other.await.unwrap().unwrap(), HashSet::from([7]));
        }
        assert_eq!(loads.load(Ordering::Relaxed), 2);
        assert_eq!(key.smembers().await.unwrap(), HashSet::from([7]));
    }

    async fn two_processes_load_once(redis: Redis) {
        // Without coalescing, two callers of one process act like two processes.
        let key = Keys::list(31);
        let loads = AtomicU32::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            texts(&["a"])
        };
        let uncoalesced = || key.get_or_set(load).coalesce(false).across_processes().into_future();
        let (one, two) = tokio::join!(uncoalesced(), uncoalesced());
        assert_eq!((one.unwrap(), two.unwrap()), (texts(&["a"]), texts(&["a"])));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        drop(redis);
    }
}

/// Runs a command that must send exactly these commands.
macro_rules! sends {
    ($log:ident, $command:expr, $($expected:expr),+ $(,)?) => {{
        let result = $command.await.unwrap();
        assert_eq!($log.take(), [$(String::from($expected)),+], "{}", stringify!($command));
        result
    }};
}

async fn commands(mut log: CommandLog) {
    let (key, plain, kept) = (Keys::set(1), Keys::plain(1), Keys::kept(1));
    let one = || async { HashSet::from([1]) };
    // Loads the scripts.
    key.get_or_set(one).await.unwrap();
    for key in [&key, &plain, &kept] {
        key.sadd(&1).await.unwrap();
        key.del().await.unwrap();
    }
    key.smove(&plain, &1).await.unwrap();
    log.take();
    let (unlink, unlink_kept) = ("UNLINK whole:set:{1}%fill", "UNLINK whole:kept:{1}%fill");
    let sadd = |name: &str| format!("EVALSHA .. 1 whole:{name}:{{1}} 3600000 SADD 7");
    sends!(log, plain.sadd(&7), sadd("plain"));
    sends!(log, plain.srem(&7), "SREM whole:plain:{1} 7");
    sends!(log, plain.del(), "UNLINK whole:plain:{1}");
    sends!(log, key.sadd(&7), unlink, sadd("set"));
    sends!(log, key.srem(&7), unlink, "SREM whole:set:{1} 7");
    sends!(log, key.spop(), unlink, "SPOP whole:set:{1}");
    sends!(log, key.del(), unlink, "UNLINK whole:set:{1}");
    sends!(log, kept.srem(&7), "MULTI", unlink_kept, "SREM whole:kept:{1} 7", "EXEC");
    // A move ends fills of the templates that have them.
    sends!(
        log,
        key.smove(&plain, &7),
        unlink,
        "EVALSHA .. 2 whole:set:{1} whole:plain:{1} 3600000 0 2 0 0 SMOVE 7"
    );
    sends!(
        log,
        plain.smove(&key, &7),
        unlink,
        "EVALSHA .. 2 whole:plain:{1} whole:set:{1} 3600000 0 2 0 0 SMOVE 7"
    );
    // Three round trips on a miss, one on a hit.
    key.get_or_set(one).await.unwrap();
    let sent = log.take();
    let names: Vec<_> =
        sent.iter().map(|command| command.split(' ').take(6).collect::<Vec<_>>().join(" ")).collect();
    // The mark starts like the keys.
    let script = "EVALSHA .. 3 whole:set:{1} whole:set:{1}%fill whole:set:{%swept:{}}";
    assert_eq!(names, ["SMEMBERS whole:set:{1}", script, script], "{sent:?}");
    assert!(sent[1].contains(" begin ") && sent[2].contains(" fill "), "{sent:?}");
    assert!(sent[2].ends_with(" 0  SMEMBERS SADD 1 1 PEXPIRE 1 3600000"), "{sent:?}");
    sends!(log, key.get_or_set(one), "SMEMBERS whole:set:{1}");
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
        let rules = CATALOG.acl_rules();
        let rules =
            if server.supports("LMPOP") { rules.redis_version(7, 0) } else { rules.redis_version(6, 2) };
        let rules = rules.to_string();
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
        command.extend(rules.split(' '));
        server.redis_cli(&command);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let redis = builder.build().unwrap();
        redis.scope(everything(redis.clone())).await;
    });
}

#[test]
fn the_catalog_says_which_collections_are_filled() {
    let json: serde_json::Value = serde_json::from_str(&CATALOG.to_json()).unwrap();
    let fills = |field: &str| {
        let templates = json["keyspaces"][0]["templates"].as_array().unwrap();
        templates.iter().find(|template| template["field"] == field).unwrap()["fills"].clone()
    };
    assert_eq!((fills("hash"), fills("plain"), fills("text")), (true.into(), ().into(), ().into()));
    let snapshot = CATALOG.to_snapshot();
    assert!(snapshot.contains("whole:hash:{{{id}}} = Hash<Text, u64>"), "{snapshot}");
    assert_eq!(snapshot.matches("fills: true").count(), 11, "{snapshot}");
}

#[test]
fn without_fills_nothing_is_loaded() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let error = Keys::plain(1).on(&redis).get_or_set(|| async { unreachable!() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        for part in ["`fills = true`", "Keys::plain", "whole:plain:{1}", "the loader did not run"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(redis.stats().connections.iter().all(|pool| pool.shared_connections == 0));
    });
}
