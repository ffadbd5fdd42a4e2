//! Attacks on fills, `once` and sweeps. Each of them once revealed a bug.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::{FillError, ValueSource};
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::{ErrorKind, Json, Key, Keyspace, Once, Raw, Redis, Set, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, RealServer, manager, pool_builder, within};
use tokio::sync::Notify;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "attacks", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("kept:{id}", stale_for = "1h")]
    kept: fn(id: u32) -> Text,
    #[key("kept:{id}:more", negative_ttl = "1h")]
    more: fn(id: u32) -> Text,
    #[key("list:{id}", stale_for = "1h")]
    list: fn(id: u32) -> Json<Vec<u32>>,
    once: fn(id: u32) -> Once<Text>,
    #[key("limited:{id}", hard_timeout = "1s")]
    limited: fn(id: u32) -> Text,
    featured: Text,
    #[key("members:{id}", fills = true, negative_ttl = "1h")]
    members: fn(id: u32) -> Set<u64>,
}

/// The same key in an older version of the program.
#[derive(Keyspace)]
#[keyspace(prefix = "attacks", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Older {
    #[key("list:{id}", stale_for = "1h")]
    list: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "month", ttl = "30d", stale_for = "1h")]
struct Month {
    text: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "raw", ttl = "1h")]
struct Raws {
    #[key("{name}")]
    of: fn(name: Raw<&str>) -> Text,
}

/// Returns the handle of an older version of the program, which would be another process.
fn with_older(server: &Server) -> Redis {
    Redis::builder().embedded(server.clone()).allow_overlapping_keyspaces().build().unwrap()
}

fn two(server: &Server) -> (Redis, Redis) {
    let one = |name: &str| Redis::builder().embedded(server.clone()).client_name(name).build().unwrap();
    (one("one"), one("two"))
}

async fn own_pool(server: &RealServer) -> Redis {
    Redis::from_pool(pool_builder().max_size(2).build(manager(&server.url())).await.unwrap())
}

#[test]
fn fills_work_on_a_cluster_with_an_application_pool() {
    let server = RealServer::start_node();
    within(PATIENCE, async {
        let redis = own_pool(&server).await;
        let got = Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() }).await;
        assert_eq!(got.unwrap(), "a");
    });
}

#[test]
fn once_can_be_the_first_operation_on_a_cluster() {
    let server = RealServer::start_node();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        let got = Keys::once(1).on(&redis).run(|| async { "a".to_owned() }).await;
        assert_eq!(got.unwrap(), "a");
    });
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        let got = Keys::text(7).on(&redis).get_or_set(|| async { "a".to_owned() }).refresh().await;
        assert_eq!(got.unwrap(), "a");
    });
}

#[tokio::test(start_paused = true)]
async fn once_dropped_while_starting_is_not_in_progress() {
    let server = Server::new();
    let (redis, _) = two(&server);
    Keys::text(1).on(&redis).get().await.unwrap();
    let fault = server.inject(Fault::delay(Duration::from_millis(20)).on("EVAL").times(1));
    let asking = Keys::once(1).on(&redis).run(|| async { unreachable!() }).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(10), asking).await.is_err());
    assert_eq!(fault.hits(), 1);
    tokio::time::sleep(SECOND).await;
    let got = Keys::once(1).on(&redis).run(|| async { "a".to_owned() }).await;
    assert_eq!(got.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_fill_dropped_while_starting_blocks_no_other_caller() {
    let server = Server::new();
    let (redis, other) = two(&server);
    Keys::text(1).on(&redis).get().await.unwrap();
    let fault = server.inject(Fault::delay(Duration::from_millis(20)).on("EVAL").times(1));
    let key = Keys::text(1).on(&redis);
    let asking = key.get_or_set(|| async { unreachable!() }).across_processes().into_future();
    assert!(tokio::time::timeout(Duration::from_millis(10), asking).await.is_err());
    assert_eq!(fault.hits(), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let since = Instant::now();
    Keys::text(1).on(&other).get_or_set(|| async { "a".to_owned() }).across_processes().await.unwrap();
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_failed_fill_blocks_no_other_caller() {
    let server = Server::new();
    let (redis, _) = two(&server);
    let failed = Keys::text(1).on(&redis).try_get_or_set(|| async { Err::<String, _>("no") }).await;
    assert!(matches!(failed, Err(FillError::Loader("no"))));
    let since = Instant::now();
    Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() }).across_processes().await.unwrap();
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn once_ends_if_its_result_can_not_be_stored() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server).max_value_bytes(4096).build().unwrap();
    let got = Keys::once(1).on(&redis).run(|| async { "a".repeat(5000) }).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::ResultNotStored);
    let got = Keys::once(1).on(&redis).run(|| async { "a".to_owned() }).await;
    assert_eq!(got.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_stale_copy_is_ignored() {
    let redis = with_older(&Server::new());
    let old = Older::list(1).on(&redis).get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(HOUR);
    old.await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    // A background loader and its caller, then a follower.
    let load = || async {
        tokio::time::sleep(SECOND).await;
        vec![1]
    };
    let key = Keys::list(1).on(&redis);
    let got = tokio::join!(
        key.get_or_set(load).stale_for(HOUR).in_background().into_future(),
        key.get_or_set(load).stale_for(HOUR).in_background().into_future(),
    );
    assert_eq!((got.0.unwrap(), got.1.unwrap()), (vec![1], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_no_undecodable_stale_copy() {
    let redis = with_older(&Server::new());
    let old = Older::list(1).on(&redis).get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(HOUR);
    old.await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let load = || async {
        tokio::time::sleep(SECOND).await;
        vec![1]
    };
    let key = Keys::list(1).on(&redis);
    let got = tokio::join!(
        key.get_or_set(load).stale_for(HOUR).into_future(),
        key.get_or_set(load).stale_for(HOUR).into_future(),
    );
    assert_eq!((got.0.unwrap(), got.1.unwrap()), (vec![1], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_loader_is_returned() {
    let redis = with_older(&Server::new());
    let old = Older::list(1).on(&redis).get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(HOUR);
    old.await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let got =
        Keys::list(1).on(&redis).try_get_or_set(|| async { Err::<Vec<u32>, _>("no") }).stale_for(HOUR).await;
    assert!(matches!(got, Err(FillError::Loader("no"))), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn the_hard_timeout_limits_waiting_for_another_load() {
    let redis = Redis::embedded();
    Keys::text(1).on(&redis).get().await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let key = Keys::text(1).on(&redis);
            tokio::spawn(async move {
                let since = Instant::now();
                let load = || async {
                    tokio::time::sleep(Duration::from_millis(900)).await;
                    Err::<String, _>("no")
                };
                let _ = key.try_get_or_set(load).hard_timeout(SECOND).await;
                since.elapsed()
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for task in tasks {
        longest = longest.max(task.await.unwrap());
    }
    assert!(longest <= 2 * SECOND + SECOND / 10, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn the_hard_timeout_limits_waiting_for_many_loads() {
    let redis = Redis::embedded();
    let first = Keys::limited(1).on(&redis);
    // The option of the call overrides the declaration, so it waits longer.
    let load = || async {
        tokio::time::sleep(HOUR).await;
        "a".to_owned()
    };
    let first = tokio::spawn(async move { first.get_or_set(load).hard_timeout(2 * HOUR).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let many = Key::get_or_set_many(
        [1, 2],
        |id| Keys::limited(id).on(&redis),
        async |ids: Vec<u32>| ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>(),
    );
    let got = tokio::time::timeout(MINUTE, many.into_future()).await;
    assert!(got.is_ok(), "waited for more than a minute, with a hard timeout of a second");
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_many_keys_takes_few_round_trips() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).build().unwrap();
    let load = |ids: Vec<u32>| async move {
        tokio::time::sleep(SECOND).await;
        ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>()
    };
    let first = {
        let redis = redis.clone();
        tokio::spawn(Key::get_or_set_many(0..200, move |id| Keys::text(id).on(&redis), load).into_future())
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = server.round_trips();
    let second = tokio::spawn({
        let redis = redis.clone();
        Key::get_or_set_many(0..200, move |id| Keys::text(id).on(&redis), load).into_future()
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let taken = server.round_trips() - before;
    assert!(taken < 10, "{taken} round trips");
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_undecodable_keys_take_few_round_trips() {
    let server = Server::new();
    let redis = with_older(&server);
    Key::set_many((0..200).map(|id| (Older::list(id).on(&redis), "old".to_owned()))).await.unwrap();
    let before = server.round_trips();
    let got = Key::get_or_set_many(
        0..200,
        |id| Keys::list(id).on(&redis),
        async |ids: Vec<u32>| ids.into_iter().map(|id| (id, vec![id])).collect::<Vec<_>>(),
    );
    assert_eq!(got.await.unwrap().len(), 200);
    let taken = server.round_trips() - before;
    assert!(taken < 20, "{taken} round trips");
}

#[tokio::test(start_paused = true)]
async fn coalesced_ids_are_not_counted_as_misses() {
    let redis = Redis::embedded();
    let load = |ids: Vec<u32>| async move {
        tokio::time::sleep(SECOND).await;
        ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>()
    };
    let ask = || Key::get_or_set_many(0..10, |id| Keys::text(id).on(&redis), load).into_future();
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!(one.unwrap(), two.unwrap());
    let fills = redis.stats().fills;
    assert_eq!((fills.misses, fills.coalesced), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_value_is_not_returned_to_later_callers() {
    let redis = Redis::embedded();
    // The server knows the script.
    Keys::text(2).on(&redis).get_or_set(|| async { "a".to_owned() }).await.unwrap();
    let key = Keys::text(1).on(&redis);
    let settle = || tokio::time::sleep(Duration::from_millis(1));
    let mut leader = Box::pin(key.get_or_set(|| async { "loaded by the leader".to_owned() }).into_future());
    let mut poll_leader = || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        leader.as_mut().poll(&mut context)
    };
    // It reads the value, which does not exist.
    assert!(poll_leader().is_pending());
    settle().await;
    // Another handle writes the value.
    key.set("old").await.unwrap();
    // It sees the miss and requests the lease. The server replies that a value exists now.
    assert!(poll_leader().is_pending());
    settle().await;
    // The database changes, and the key is deleted.
    assert!(key.del().await.unwrap());
    // A caller that arrives now must load again.
    let late = tokio::spawn(key.get_or_set(|| async { "new".to_owned() }).into_future());
    settle().await;
    assert!(poll_leader().is_ready());
    assert_eq!(late.await.unwrap().unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_stale_copy_follows_the_lifetime_of_the_call() {
    let redis = Redis::embedded();
    let key = Keys::kept(1).on(&redis);
    key.get_or_set(|| async { "old".to_owned() }).stale_for(10 * SECOND).await.unwrap();
    assert!(key.expire(SECOND).await.unwrap());
    tokio::time::sleep(30 * MINUTE).await;
    let got = key.try_get_or_set(|| async { Err::<String, _>("no") }).stale_for(10 * SECOND).await;
    assert!(got.is_err(), "{got:?}, half an hour after it ended");
}

#[tokio::test(start_paused = true)]
async fn early_refresh_works_with_a_lifetime_of_the_call() {
    let redis = Redis::embedded();
    let loads = AtomicU32::new(0);
    for _ in 0..10 {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            "a".to_owned()
        };
        let got = Keys::text(1).on(&redis).get_or_set(load).ttl_by(|_| MINUTE).early_refresh(0.8);
        got.await.unwrap();
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn long_declared_times_work() {
    let redis = Redis::embedded();
    let got = Month::text(1).on(&redis).get_or_set(|| async { "a".to_owned() }).await;
    assert_eq!(got.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_is_loaded_once() {
    let redis = Redis::builder().embedded(Server::new()).max_value_bytes(4096).build().unwrap();
    Keys::text(1).on(&redis).get().await.unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    let since = Instant::now();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (key, loads) = (Keys::text(1).on(&redis), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = || async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(SECOND).await;
                    "a".repeat(5000)
                };
                key.get_or_set(load).await
            })
        })
        .collect();
    let mut told = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(value) => assert_eq!(value.len(), 5000),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                told += 1;
            }
        }
    }
    assert_eq!(told, 1, "the caller that loaded the value gets an error");
    assert_eq!((loads.load(Ordering::Relaxed), since.elapsed().as_secs()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_and_awaited_does_not_stop_the_others() {
    let redis = Redis::builder().embedded(Server::new()).max_value_bytes(4096).build().unwrap();
    let key = |id| Keys::text(id).on(&redis);
    let load = async |ids: Vec<u32>| {
        tokio::time::sleep(2 * SECOND).await;
        ids.into_iter().map(|id| (id, "a".repeat(if id == 2 { 5000 } else { 1 }))).collect::<Vec<_>>()
    };
    let waits = async {
        tokio::time::sleep(SECOND).await;
        key(2).get_or_set(|| async { unreachable!() }).await
    };
    let (many, awaited) = tokio::join!(Key::get_or_set_many([1, 2, 3], key, load).into_future(), waits);
    assert_eq!(many.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(awaited.unwrap().len(), 5000);
    let stored = Key::get_many([1, 2, 3].map(key)).await.unwrap();
    assert_eq!(stored, [Some("a".to_owned()), None, Some("a".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_degraded_load_are_degraded() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    server.refuse_connections(true);
    let load = || async {
        tokio::time::sleep(SECOND).await;
        "a".to_owned()
    };
    let key = Keys::text(1).on(&redis);
    let ask = || key.get_or_set(load).on_unavailable(OnUnavailable::Miss).lookup().into_future();
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!((one.unwrap().source, two.unwrap().source), (ValueSource::Degraded, ValueSource::Degraded));
}

#[tokio::test(start_paused = true)]
async fn one_load_has_one_source() {
    let redis = Redis::embedded();
    let load = || async {
        tokio::time::sleep(SECOND).await;
        None::<String>
    };
    let key = Keys::text(1).on(&redis);
    let ask = || key.get_or_set_optional(load).lookup().into_future();
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!(one.unwrap().source, two.unwrap().source);
}

#[tokio::test(start_paused = true)]
async fn a_background_load_without_coalescing_does_not_wait() {
    let redis = Redis::embedded();
    let key = Keys::kept(1).on(&redis);
    key.get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(HOUR).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let since = Instant::now();
    let load = || async {
        tokio::time::sleep(10 * SECOND).await;
        "new".to_owned()
    };
    key.get_or_set(load).stale_for(HOUR).coalesce(false).in_background().await.unwrap();
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_load_longer_than_its_lease_is_stored() {
    let redis = Redis::embedded();
    let key = Keys::text(1).on(&redis);
    let load = || async {
        // Longer than the lease of one process, but too short for a renewal of a shared lease.
        tokio::time::advance(Duration::from_millis(5500)).await;
        "a".to_owned()
    };
    key.get_or_set(load).await.unwrap();
    assert_eq!(key.get().await.unwrap().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_fill_inside_a_loader_is_coalesced() {
    let (near, far) = (Server::new(), Server::new());
    let loads = Arc::new(AtomicU32::new(0));
    let task = |name: &str| {
        let handle =
            |server: &Server| Redis::builder().embedded(server.clone()).client_name(name).build().unwrap();
        let (near, far, loads) = (handle(&near), handle(&far), Arc::clone(&loads));
        tokio::spawn(async move {
            let inner = || async {
                let load = || async {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(SECOND).await;
                    "a".to_owned()
                };
                Keys::text(1).on(&far).get_or_set(load).across_processes().await.unwrap()
            };
            Keys::text(1).on(&near).get_or_set(inner).await.unwrap()
        })
    };
    let (one, two) = (task("one"), task("two"));
    one.await.unwrap();
    two.await.unwrap();
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_background_is_counted() {
    let redis = Redis::embedded();
    let key = Keys::kept(1).on(&redis);
    key.get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(HOUR).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let got = key.get_or_set(|| async { panic!("in the background") }).stale_for(HOUR).in_background().await;
    assert_eq!(got.unwrap(), "old");
    tokio::time::sleep(SECOND).await;
    assert_eq!(redis.stats().fills.failed, 1);
    // and the next one loads
    let got = key.get_or_set(|| async { "new".to_owned() }).stale_for(HOUR).await;
    assert_eq!(got.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_affects_only_its_template() {
    let redis = Redis::embedded();
    redis
        .scope(async {
            let loads = AtomicU32::new(0);
            let find = || async {
                loads.fetch_add(1, Ordering::Relaxed);
                None::<String>
            };
            Keys::more(1).get_or_set_optional(find).negative_ttl(HOUR).await.unwrap();
            Keys::kept_keys().all().delete().await.unwrap();
            Keys::more(1).get_or_set_optional(find).negative_ttl(HOUR).await.unwrap();
            assert_eq!(loads.load(Ordering::Relaxed), 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn slow_loaders_keep_the_guarantees() {
    let redis = Redis::embedded();
    let key = Keys::text(1).on(&redis);
    let load = || async {
        tokio::time::sleep(12 * SECOND).await;
        "a".to_owned()
    };
    key.get_or_set(load).await.unwrap();
    assert_eq!(key.get().await.unwrap().as_deref(), Some("a"));
    let got = Key::get_or_set_many(
        0..3000,
        |id| Keys::text(10 + id).on(&redis),
        async |ids: Vec<u32>| {
            tokio::time::sleep(12 * SECOND).await;
            ids.into_iter()
                .map(|id| (id, id.to_string()))
                .chain([(7777, "x".to_owned())])
                .collect::<HashMap<_, _>>()
        },
    );
    assert_eq!(got.await.unwrap().len(), 3000);
    assert_eq!(redis.stats().fills.superseded, 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_another_template_does_not_end_once_work() {
    let redis = Redis::embedded();
    let done = Arc::new(AtomicU32::new(0));
    let first = tokio::spawn({
        let (key, done) = (Payments::payment("r-1").on(&redis), Arc::clone(&done));
        async move {
            let work = || async move {
                done.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(10 * SECOND).await;
                "paid".to_owned()
            };
            key.run(work).await
        }
    });
    tokio::time::sleep(SECOND).await;
    redis.scope(async { Payments::log_keys().all().delete().await.unwrap() }).await;
    let work = || async {
        done.fetch_add(1, Ordering::Relaxed);
        "paid again".to_owned()
    };
    let second = Payments::payment("r-1").on(&redis).run(work).await;
    println!("{second:?} {:?}", first.await.unwrap());
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_partial_sweep_does_not_end_loads_of_other_keys() {
    let redis = Redis::embedded();
    let first = tokio::spawn({
        let key = Payments::of_user(8, "r-1").on(&redis);
        async move {
            let work = || async {
                tokio::time::sleep(10 * SECOND).await;
                "paid".to_owned()
            };
            key.run(work).await
        }
    });
    tokio::time::sleep(SECOND).await;
    redis.scope(async { Payments::of_user_keys().user(7).delete().await.unwrap() }).await;
    assert_eq!(first.await.unwrap().unwrap(), "paid");
}

#[derive(Keyspace)]
#[keyspace(prefix = "payment", ttl = "1d")]
#[allow(dead_code, reason = "fields are declarations")]
struct Payments {
    #[key("{request}")]
    payment: fn(request: &str) -> Once<Text>,
    #[key("{request}:log")]
    log: fn(request: &str) -> Text,
    #[key("of:{user}:{request}")]
    of_user: fn(user: u64, request: &str) -> Once<Text>,
}

#[tokio::test(start_paused = true)]
async fn a_refresh_loads_while_others_wait_for_a_lease() {
    let server = Server::new();
    let (redis, other) = two(&server);
    let key = Keys::text(1).on(&other);
    let load = || async {
        tokio::time::sleep(10 * SECOND).await;
        "old".to_owned()
    };
    let elsewhere = tokio::spawn(key.get_or_set(load).across_processes().into_future());
    tokio::time::sleep(SECOND).await;
    let key = Keys::text(1).on(&redis);
    let waits = tokio::spawn(key.get_or_set(|| async { unreachable!() }).across_processes().into_future());
    tokio::time::sleep(SECOND).await;
    let got = key.get_or_set(|| async { "new".to_owned() }).refresh().await.unwrap();
    assert_eq!(got, "new");
    waits.abort();
    elsewhere.abort();
}

#[test]
fn a_full_server_does_not_prevent_returning_the_value() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        let text = || async { "a".to_owned() };
        let members = || async { HashSet::from([7]) };
        let key = |id| Keys::text(id).on(&redis);
        let set = |id| Keys::members(id).on(&redis);
        // The sweep marks of the templates exist.
        key(2).get_or_set(text).await.unwrap();
        set(2).get_or_set(members).await.unwrap();
        let limit = |bytes: &str| assert_eq!(server.redis_cli(&["CONFIG", "SET", "maxmemory", bytes]), "OK");
        limit("1");
        assert_eq!(key(1).set("a").await.unwrap_err().code(), Some("OOM"));
        assert_eq!(key(1).get_or_set(text).await.unwrap(), "a");
        assert_eq!(key(1).get().await.unwrap(), None, "the server is full");
        assert_eq!(redis.stats().fills.not_stored, 1);
        assert_eq!(set(1).get_or_set(members).await.unwrap(), HashSet::from([7]));
        assert!(!set(1).exists().await.unwrap());
        assert_eq!(redis.stats().fills.not_stored, 2);
        // While the loader runs.
        limit("0");
        let got = key(3).get_or_set(|| async {
            limit("1");
            "a".to_owned()
        });
        assert_eq!((got.await.unwrap(), key(3).get().await.unwrap()), ("a".to_owned(), None));
        assert_eq!(redis.stats().fills.not_stored, 3);
        for (nth, loaded) in [HashSet::from([7]), HashSet::new()].into_iter().enumerate() {
            limit("0");
            set(3).sadd(&1).await.unwrap();
            let load = || async {
                limit("1");
                loaded.clone()
            };
            assert_eq!(set(3).get_or_set(load).refresh().await.unwrap(), loaded);
            assert_eq!(set(3).smembers().await.unwrap(), HashSet::from([1]), "the old one is still there");
            assert_eq!(redis.stats().fills.not_stored, 4 + nth as u64);
        }
        limit("0");
        assert_eq!(key(3).get_or_set(text).await.unwrap(), "a");
        assert_eq!(key(3).get().await.unwrap().as_deref(), Some("a"));
    });
}

#[test]
fn a_full_server_keeps_the_result_of_work_that_has_run() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        let limit = |bytes: &str| assert_eq!(server.redis_cli(&["CONFIG", "SET", "maxmemory", bytes]), "OK");
        let work = || async {
            limit("1");
            "paid".to_owned()
        };
        assert_eq!(Keys::once(1).on(&redis).run(work).await.unwrap(), "paid");
        let never = || async { panic!("the work has run, or the server is full") };
        assert_eq!(Keys::once(1).on(&redis).run(never).await.unwrap(), "paid");
        assert_eq!(Keys::once(2).on(&redis).run(never).await.unwrap_err().code(), Some("OOM"));
    });
}

#[test]
fn a_server_that_refuses_writes_does_not_prevent_returning_the_value() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        Keys::text(2).on(&redis).get_or_set(|| async { "a".to_owned() }).await.unwrap();
        assert_eq!(server.redis_cli(&["CONFIG", "SET", "min-replicas-to-write", "3"]), "OK");
        let got = Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() }).await;
        assert_eq!(got.unwrap(), "a");
        let degrades = Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() });
        assert_eq!(degrades.on_unavailable(OnUnavailable::Miss).await.unwrap(), "a");
    });
}

#[test]
fn a_full_server_counts_as_a_miss() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        Keys::text(2).on(&redis).get_or_set(|| async { "a".to_owned() }).await.unwrap();
        assert_eq!(server.redis_cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
        let got = Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() });
        assert_eq!(got.on_unavailable(OnUnavailable::Miss).await.unwrap(), "a");
    });
}

#[test]
fn script_flush_with_an_application_pool_keeps_the_guarantees() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = own_pool(&server).await;
        for round in 0..3 {
            server.redis_cli(&["SCRIPT", "FLUSH"]);
            let ids = round * 100..(round + 1) * 100;
            let got = Key::get_or_set_many(
                ids,
                |id| Keys::text(id).on(&redis),
                async |ids: Vec<u32>| {
                    server.redis_cli(&["SCRIPT", "FLUSH"]);
                    ids.into_iter().map(|id| (id, format!("\u{0}\r\n{id}"))).collect::<Vec<_>>()
                },
            );
            assert_eq!(got.await.unwrap().len(), 100);
            assert_eq!(
                Keys::text(round * 100).on(&redis).get().await.unwrap(),
                Some(format!("\u{0}\r\n{}", round * 100))
            );
        }
    });
}

#[tokio::test(start_paused = true)]
async fn two_refreshes_keep_the_guarantees() {
    let redis = Redis::embedded();
    let key = Keys::text(1).on(&redis);
    key.set("old").await.unwrap();
    let slow = || async {
        tokio::time::sleep(2 * SECOND).await;
        "first".to_owned()
    };
    let one = tokio::spawn(key.get_or_set(slow).refresh().into_future());
    tokio::time::sleep(SECOND).await;
    let failed = key.try_get_or_set(|| async { Err::<String, _>("no") }).refresh().await;
    assert!(failed.is_err());
    assert_eq!(one.await.unwrap().unwrap(), "first");
    println!("{:?} {:?}", key.get().await.unwrap(), redis.stats().fills);
}

#[test]
fn transactions_keep_the_guarantees() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        redis
            .scope(async {
                let (a, b, c, d) = redis
                    .transaction((
                        Keys::text(1).set("a").returning_old(),
                        Keys::text(1).get(),
                        Keys::text(1).rename(&Keys::text(2)),
                        Keys::text(2).get_del(),
                    ))
                    .await
                    .unwrap();
                println!("{a:?} {b:?} {c:?} {d:?}");
                let each = redis
                    .batch((Keys::text(1).set("a"), Keys::text(1).del(), Keys::text(1).del()))
                    .each()
                    .await
                    .unwrap();
                println!("{each:?}");
            })
            .await;
    });
}

#[test]
fn thousands_of_ids_load_after_a_restart() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        Keys::text(0).on(&redis).get().await.unwrap();
        let got = Key::get_or_set_many(
            0..20_000,
            |id| Keys::text(id).on(&redis),
            async |ids: Vec<u32>| ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>(),
        );
        let got = got.timeout(MINUTE).await;
        assert_eq!(got.unwrap().len(), 20_000);
        // The script was not cached. Its text is sent once, not with each id.
        let stats = server.redis_cli(&["INFO", "commandstats"]);
        let texts: u64 = stats
            .lines()
            .filter_map(|line| {
                line.strip_prefix("cmdstat_eval:calls=")?.split(',').next()?.parse::<u64>().ok()
            })
            .sum();
        assert!((1..100).contains(&texts), "the text was sent {texts} times");
    });
}

#[test]
fn polling_a_lease_does_not_read_the_stale_copy() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        let key = Keys::kept(1).on(&redis);
        let long = "a".repeat(5_000_000);
        key.get_or_set(|| async { long.clone() }).stale_for(HOUR).await.unwrap();
        // Expires the value only: the library's keys next to it stay.
        server.redis_cli(&["PEXPIRE", "attacks:kept:1", "0"]);
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let leader = tokio::spawn({
            let (key, begun, end) = (key.clone(), Arc::clone(&begun), Arc::clone(&end));
            async move {
                let load = || async {
                    begun.notify_one();
                    end.notified().await;
                    "new".to_owned()
                };
                key.get_or_set(load).stale_for(Duration::ZERO).await
            }
        });
        begun.notified().await;
        // All commands that the server runs from now on, including those in scripts.
        let mut monitor = server.client();
        assert_eq!(monitor.call(&["MONITOR"]).unwrap().to_string(), "OK");
        let late: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn(
                    key.get_or_set(|| async { unreachable!() }).stale_for(Duration::ZERO).into_future(),
                )
            })
            .collect();
        let mut next = || monitor.receive().unwrap().to_string();
        let (mut looks, mut ran) = (0, Vec::new());
        while looks < 3 {
            let command = next();
            looks += usize::from(command.contains("\"EVALSHA\""));
            ran.push(command);
        }
        end.notify_one();
        leader.await.unwrap().unwrap();
        for one in late {
            assert_eq!(one.await.unwrap().unwrap(), "new");
        }
        // The copy is a separate field, which none of them reads.
        let within_scripts = ran.iter().filter(|command| command.contains(" lua] "));
        let mut fields = within_scripts.filter(|command| command.contains("\"lease\""));
        assert!(fields.next().is_some(), "no poll of the lease in {ran:?}");
        let reads: Vec<_> = ran.iter().filter(|command| command.ends_with(" \"stale\"")).collect();
        assert!(reads.is_empty(), "{reads:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn the_hard_timeout_limits_loading_many_keys_without_redis() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    server.refuse_connections(true);
    let many = Key::get_or_set_many(
        [1, 2],
        |id| Keys::limited(id).on(&redis),
        async |ids: Vec<u32>| {
            tokio::time::sleep(HOUR).await;
            ids.into_iter().map(|id| (id, id.to_string())).collect::<Vec<_>>()
        },
    );
    let got = tokio::time::timeout(MINUTE, many.on_unavailable(OnUnavailable::Miss).into_future()).await;
    assert!(got.is_ok(), "a loader with a hard timeout of a second runs for more than a minute");
}

#[tokio::test]
async fn dropped_callers_keep_the_guarantees() {
    let server = Server::new();
    let (redis, _) = two(&server);
    for round in 0..5_u32 {
        let tasks: Vec<_> = (0..400_u64)
            .map(|n| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    let load = || async {
                        tokio::time::sleep(Duration::from_micros(300)).await;
                        "a".to_owned()
                    };
                    let limit = Duration::from_micros(50 + n * 7919 % 1500);
                    if n % 3 == 0 {
                        let many = Key::get_or_set_many(
                            [round, round + 1, round],
                            |id| Keys::text(id).on(&redis),
                            async |ids: Vec<u32>| {
                                tokio::time::sleep(Duration::from_micros(300)).await;
                                ids.into_iter().map(|id| (id, "a".to_owned())).collect::<Vec<_>>()
                            },
                        );
                        let _ = tokio::time::timeout(limit, many.into_future()).await;
                    } else {
                        let key = Keys::text(round).on(&redis);
                        let _ =
                            tokio::time::timeout(limit, key.get_or_set(load).refresh().into_future()).await;
                        let _ = tokio::time::timeout(limit, key.get_or_set(load).into_future()).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let key = Keys::text(round).on(&redis);
        let got =
            tokio::time::timeout(MINUTE, key.get_or_set(|| async { "b".to_owned() }).into_future()).await;
        println!("{:?}", got.expect("no caller is kept waiting").unwrap());
    }
    println!("{:?}", redis.stats().fills);
}

#[test]
fn a_sweep_works_on_a_full_server() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
        redis
            .scope(async {
                Keys::text(1).set("a").await.unwrap();
                assert_eq!(server.redis_cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
                assert!(Keys::text(1).del().await.unwrap());
                Keys::text_keys().all().delete().await.unwrap();
            })
            .await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_soft_timeout_waits_for_an_early_refresh() {
    let redis = Redis::embedded();
    let key = Keys::text(1).on(&redis);
    key.get_or_set(|| async { "old".to_owned() }).ttl(10 * SECOND).await.unwrap();
    tokio::time::sleep(9 * SECOND).await;
    let load = || async {
        tokio::time::sleep(SECOND / 10).await;
        "new".to_owned()
    };
    let got = key.get_or_set(load).ttl(10 * SECOND).early_refresh(0.8).soft_timeout(SECOND).await;
    assert_eq!(got.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_failing_loader_does_not_run_once_per_caller() {
    let redis = Redis::embedded();
    Keys::text(1).on(&redis).get().await.unwrap();
    let since = Instant::now();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let key = Keys::text(1).on(&redis);
            tokio::spawn(async move {
                let load = || async {
                    tokio::time::sleep(SECOND).await;
                    Err::<String, _>("no")
                };
                let _ = key.try_get_or_set(load).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(since.elapsed() < 10 * SECOND, "the last of a hundred callers waits for {:?}", since.elapsed());
}

#[test]
fn resp2_and_long_values_keep_the_guarantees() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let builder =
            Redis::builder().url(&server.url()).unwrap().protocol(redis_keyspace::config::Protocol::Resp2);
        let redis = builder.max_value_bytes(10_000).build().unwrap();
        redis
            .scope(async {
                let long = "\r\n\u{0}a".repeat(2500);
                let load = || async { long.clone() };
                let stale = |key: Key<Keys, Text>| key.get_or_set(load).stale_for(HOUR);
                assert_eq!(stale(Keys::kept(1)).await.unwrap(), long);
                // Expires the value only: the library's keys next to it stay.
                server.redis_cli(&["PEXPIRE", "attacks:kept:1", "0"]);
                let got = Keys::kept(1)
                    .try_get_or_set(|| async { Err::<String, _>("no") })
                    .stale_for(HOUR)
                    .lookup()
                    .await;
                let got = got.unwrap();
                assert_eq!((got.value == long, got.source), (true, ValueSource::Stale));
                assert_eq!(Keys::once(1).run(load).await.unwrap(), long);
                assert_eq!(Keys::once(1).result().await.unwrap(), Some(long.clone()));
                Keys::kept(1).set("b").await.unwrap();
                Keys::kept(1).update(|text| text.push('c')).await.unwrap();
                assert_eq!(stale(Keys::kept(1)).await.unwrap(), "bc");
                assert!(Keys::kept(1).rename(&Keys::kept(3)).await.unwrap());
                assert_eq!(
                    Keys::kept(1).get_or_set(|| async { "new".to_owned() }).stale_for(HOUR).await.unwrap(),
                    "new"
                );
            })
            .await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_hanging_background_loader_does_not_block_callers() {
    let redis = Redis::embedded();
    let key = Keys::kept(1).on(&redis);
    key.get_or_set(|| async { "old".to_owned() }).ttl(SECOND).stale_for(10 * SECOND).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let hangs = key.get_or_set(std::future::pending).stale_for(10 * SECOND).in_background();
    assert_eq!(hangs.await.unwrap(), "old");
    tokio::time::sleep(HOUR).await;
    let got = tokio::time::timeout(HOUR, key.get_or_set(|| async { "new".to_owned() }).into_future()).await;
    assert!(got.is_ok(), "waited for an hour");
}
