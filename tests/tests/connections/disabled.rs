//! Disabled handles: reads miss, plain writes are dropped, and operations that need a server fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis_keyspace::cache::{FillError, ValueSource};
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::update::Change;
use redis_keyspace::{
    Counter, Error, ErrorKind, Group, Json, Key, Keyspace, List, Lock, Once, RateLimit, Redis, Result, Set,
    Text,
};
use redis_keyspace_tests::{PATIENCE, within};
use tokio::sync::{Barrier, Notify};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "disabled", ttl = "1h")]
struct Keys {
    text: fn(id: u64) -> Text,
    json: fn(id: u64) -> Json<Vec<String>>,
    #[key(stale_for = "1h", negative_ttl = "1m")]
    kept: fn(id: u64) -> Text,
    count: fn(id: u64) -> Counter,
    list: fn(id: u64) -> List<Text>,
    set: fn(id: u64) -> Set<Text>,
    lock: fn(id: u64) -> Lock,
    once: fn(id: u64) -> Once<Text>,
    limit: fn(id: u64) -> RateLimit,
    group: fn(id: u64) -> Group,
}

fn disabled(body: impl AsyncFnOnce(Redis)) {
    let redis = Redis::disabled();
    within(PATIENCE, async move { redis.scope(body(redis.clone())).await });
}

#[track_caller]
fn assert_needs_server<T>(outcome: Result<T>) {
    let error = outcome.err().expect("a fake success");
    assert_eq!(error.kind(), ErrorKind::ServerNotConfigured, "{error}");
    assert!(error.to_string().contains("disabled"), "{error}");
}

#[test]
fn options_of_a_keyspace_do_not_enable_it() {
    within(PATIENCE, async {
        let builder =
            Redis::builder().disabled().keyspace::<Keys>(|options| options.host("127.0.0.1").port(1));
        let redis = builder.build().unwrap();
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap(), None);
    });
}

#[test]
fn reads_miss() {
    disabled(async |redis| {
        let one = || Keys::text(1);
        assert_eq!(one().get().await.unwrap(), None);
        assert_eq!(one().get_ex().await.unwrap(), None);
        assert_eq!(Keys::json(1).get_json().await.unwrap(), None);
        assert!(!one().exists().await.unwrap());
        assert_eq!(one().ttl().await.unwrap(), redis_keyspace::command::Ttl::NoKey);
        assert_eq!(one().strlen().await.unwrap(), 0);
        assert_eq!(Key::get_many((0..2500).map(Keys::text)).await.unwrap(), vec![None; 2500]);
        assert_eq!(Key::get_many(Vec::<Key<Keys, Text>>::new()).await.unwrap(), []);
        assert_eq!(redis.stats().dropped_writes, 0);
    });
}

#[test]
fn plain_writes_are_dropped_and_counted() {
    disabled(async |redis| {
        let one = || Keys::text(1);
        one().set("GET").await.unwrap();
        one().set("x").keep_ttl().await.unwrap();
        assert_eq!(one().get_set("x").await.unwrap(), None);
        assert_eq!(one().set("x").keep_ttl().returning_old().await.unwrap(), None);
        assert_eq!(one().get_del().await.unwrap(), None);
        Keys::kept(1).set("x").await.unwrap();
        Key::set_many([(one(), "x"), (Keys::text(2), "y")]).await.unwrap();
        assert!(!one().del().await.unwrap());
        assert_eq!(Key::del_many((0..2500).map(Keys::text)).await.unwrap(), 0);
        assert!(!one().expire(MINUTE).await.unwrap());
        assert!(!one().expire_at(std::time::SystemTime::now() + MINUTE).await.unwrap());
        assert!(!one().persist().await.unwrap());
        assert!(!one().rename(&Keys::text(2)).await.unwrap());
        assert_eq!(redis.stats().dropped_writes, 13);
        Keys::group(1).invalidate().await.unwrap();
        assert_eq!(Keys::text_keys().all().delete().await.unwrap().matched, 0);
        assert!(Keys::count_keys().all().expire(MINUTE).await.unwrap().finished);
        assert_eq!(Keys::delete_pattern("*").await.unwrap().affected, 0);
        assert_eq!(redis.stats().dropped_writes, 17);
        assert_eq!(one().get().await.unwrap(), None);
    });
}

#[test]
fn dropped_writes_of_collections_are_counted() {
    disabled(async |redis| {
        let (list, set) = (Keys::list(1), Keys::set(1));
        assert_eq!(list.lpop().await.unwrap(), None);
        list.ltrim(..1).await.unwrap();
        assert_eq!(list.lrem("x").await.unwrap(), 0);
        assert!(!set.srem("x").await.unwrap());
        assert_eq!(Key::sunion([Keys::set(2), Keys::set(3)]).store(&set).await.unwrap(), 0);
        assert!(!list.copy(&Keys::list(2)).await.unwrap());
        assert_eq!(redis.stats().dropped_writes, 6);
        assert_eq!(list.lrange(..).await.unwrap(), [""; 0]);
        assert_eq!(redis.stats().dropped_writes, 6);
    });
}

#[test]
fn operations_whose_outcome_matters_fail() {
    disabled(async |redis| {
        let count = || Keys::count(1);
        assert_needs_server(count().incr().await);
        assert_needs_server(count().decr_by(3).await);
        assert_needs_server(count().get().await);
        assert_needs_server(count().set(5).await);
        assert_needs_server(count().get_set(5).await);
        assert_needs_server(count().get_del().await);
        assert_needs_server(Key::get_many([1, 2].map(Keys::count)).await);
        assert_needs_server(count().del().await);

        assert_needs_server(Keys::text(1).set("x").only_if_absent().await);
        assert_needs_server(Keys::text(1).set("x").only_if_present().await);
        assert_needs_server(Keys::text(1).set("x").only_if_absent().returning_old().await);
        assert_needs_server(Keys::text(1).rename_if_absent(&Keys::text(2)).await);
        assert_needs_server(Keys::json(1).update(|_| panic!("without a server")).await);
        assert_needs_server(Keys::json(1).update_or_insert(|| panic!("not called"), |_| {}).await);
        assert_needs_server(Keys::json(1).update_with(|_| -> Change<_> { panic!("not called") }).await);

        assert_needs_server(Keys::lock(1).try_lock().await);
        assert_needs_server(Keys::lock(1).lock().wait(MINUTE).await);
        assert_needs_server(Keys::lock(1).lock().with_lock(async |_| panic!("without the lock")).await);
        assert_needs_server(Keys::lock(1).is_locked().await);
        assert_needs_server(Keys::limit(1).check(Rate::per_second(1)).await);
        assert_needs_server(Keys::limit(1).peek(Rate::per_second(1)).await);
        assert_needs_server(Keys::once(1).run(|| async { panic!("not protected") }).await);
        assert_needs_server(Keys::once(1).run(|| async { panic!("not protected") }).wait(MINUTE).await);
        assert_needs_server(Keys::once(1).result().await);

        assert_needs_server(redis.ping().await);
        assert_needs_server(redis.connect().await);
        assert_needs_server(redis.raw::<(), _, _>(|_| async { panic!("no connection") }).await);
        assert_eq!(redis.stats().dropped_writes, 0);
    });
}

#[test]
fn commands_of_a_batch_or_transaction_have_their_own_outcomes() {
    disabled(async |redis| {
        let commands = || (Keys::text(1).get(), Keys::text(1).set("x"), Keys::count(1).incr());
        for transaction in [false, true] {
            let batch = if transaction { redis.transaction(commands()) } else { redis.batch(commands()) };
            let (text, set, count) = batch.each().await.unwrap();
            assert_eq!(text.unwrap(), None);
            set.unwrap();
            assert_needs_server(count);
        }
        assert_needs_server(redis.transaction(commands()).await);
        assert_eq!(redis.stats().dropped_writes, 3);
    });
}

#[test]
fn scans_are_empty() {
    disabled(async |_| {
        assert!(Keys::text_keys().scan().next().await.is_none());
        assert!(Keys::text_keys().values().next().await.is_none());
        assert_eq!(Keys::text_keys().count().await.unwrap(), 0);
        assert!(!Keys::text_keys().id(7).exists().await.unwrap());
        assert!(Keys::text_keys().all().delete().dry_run().await.unwrap().finished);
    });
}

#[test]
fn fills_run_the_loader_and_store_nothing() {
    disabled(async |redis| {
        for _ in 0..2 {
            let found = Keys::text(1).get_or_set(async || "loaded".to_owned()).lookup().await.unwrap();
            assert_eq!((found.value.as_str(), found.source), ("loaded", ValueSource::Degraded));
        }
        let found = Keys::kept(1).get_or_set(async || "loaded".to_owned()).in_background().await.unwrap();
        assert_eq!(found, "loaded");
        let refreshed = Keys::text(1).get_or_set(async || "again".to_owned()).refresh().across_processes();
        assert_eq!(refreshed.await.unwrap(), "again");
        for _ in 0..2 {
            assert_eq!(Keys::kept(2).get_or_set_optional(async || None).await.unwrap(), None);
        }
        let failed = Keys::text(1).try_get_or_set(async || Err::<String, _>("the loader's")).await;
        assert!(matches!(failed, Err(FillError::Loader("the loader's"))), "{failed:?}");
        let many = Key::get_or_set_many([1, 2], Keys::text, async |ids: Vec<u64>| {
            ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>()
        });
        assert_eq!(many.await.unwrap(), [Some("1".to_owned()), Some("2".to_owned())]);
        let member = Keys::group(1).member(&Keys::text(1)).await.unwrap();
        assert_eq!(member.get_or_set(async || "member".to_owned()).await.unwrap(), "member");

        let fills = redis.stats().fills;
        assert_eq!((fills.hits, fills.misses, fills.failed, fills.coalesced), (0, 10, 1, 0));
        assert_eq!((redis.stats().degraded, redis.stats().dropped_writes), (0, 9));
    });
}

/// The members may be on a server.
#[test]
fn group_generations_belong_to_one_handle() {
    disabled(async |redis| {
        let (group, text) = (Keys::group(1), Keys::text(1));
        let member = group.member(&text).await.unwrap();
        assert_eq!(member, group.member(&text).await.unwrap());
        group.invalidate().await.unwrap();
        let next = group.member(&text).await.unwrap();
        assert_ne!(member, next);
        assert_ne!(next, group.member(&text).on(&Redis::disabled()).await.unwrap());
        drop(redis);
    });
}

#[test]
fn callers_share_a_load_until_the_key_is_written() {
    disabled(async |redis| {
        let (loads, go) = (&AtomicUsize::new(0), &Notify::new());
        let fill = || {
            let load = async move || {
                let load = loads.fetch_add(1, Ordering::AcqRel);
                go.notified().await;
                load.to_string()
            };
            Keys::text(1).get_or_set(load).into_future()
        };
        let mut first: Vec<_> = (0..100).map(|_| fill()).collect();
        first.iter_mut().for_each(start);
        assert_eq!(loads.load(Ordering::Acquire), 1);
        // The value of the load in flight may be older than this write.
        assert!(!Keys::text(1).del().await.unwrap());
        let mut second = fill();
        start(&mut second);
        assert_eq!(loads.load(Ordering::Acquire), 2);
        Keys::text_keys().all().delete().await.unwrap();
        let mut third = fill();
        start(&mut third);
        assert_eq!(loads.load(Ordering::Acquire), 3);
        go.notify_waiters();
        for fill in first {
            assert_eq!(fill.await.unwrap(), "0");
        }
        assert_eq!((second.await.unwrap().as_str(), third.await.unwrap().as_str()), ("1", "2"));
        assert_eq!(redis.stats().fills.coalesced, 99);
    });
}

/// Polls a future once: a disabled handle waits for nothing but loaders.
fn start(future: &mut (impl Future + Unpin)) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(future).poll(&mut context).is_pending());
}

#[test]
fn disabled_handles_are_independent_and_have_no_pools() {
    let (one, other) = (Redis::disabled(), Redis::disabled());
    within(PATIENCE, async move {
        let both = Arc::new(Barrier::new(2));
        let load = async |redis: &Redis| {
            let both = Arc::clone(&both);
            let load = move || async move {
                both.wait().await;
                String::new()
            };
            Keys::text(1).get_or_set(load).on(redis).await
        };
        let (first, second) = tokio::join!(load(&one), load(&other));
        first.and(second).unwrap();
        assert_eq!((one.stats().total, one.stats().connections.len()), (0, 0));
        let health = one.health().await;
        assert!(!health.healthy && health.endpoint == "disabled", "{health:?}");
        assert!(format!("{one:?}").contains("disabled"));
        one.close().await;
        let closed: Result<_, Error> = Keys::text(1).get().on(&one).await;
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::Closed);
    });
}
