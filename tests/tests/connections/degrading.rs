//! Keyspaces and calls that keep working while Redis is unavailable.

use std::time::Duration;

use redis_keyspace::cache::ValueSource;
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::stream::StreamId;
use redis_keyspace::{Counter, ErrorKind, Json, Key, Keyspace, Redis, Stream, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, RealServer, within};

const MINUTE: Duration = Duration::from_secs(60);

/// A cache: without Redis, every read misses.
#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", on_unavailable = "miss")]
struct PageKeys {
    title: fn(id: u64) -> Text,
    tags: fn(id: u64) -> Json<Vec<String>>,
    views: fn(id: u64) -> Counter,
    log: fn(id: u64) -> Stream<Text>,
}

/// No cache.
#[derive(Keyspace)]
#[keyspace(prefix = "order", ttl = "1h", on_unavailable = "error")]
struct OrderKeys {
    state: fn(id: u64) -> Text,
}

/// Checks what the keyspaces do while Redis is unavailable. `degraded` is the count before.
async fn check_unavailable(redis: &Redis, degraded: u64) {
    let counted = || redis.stats().degraded - degraded;
    assert_eq!(PageKeys::title(1).get().await.unwrap(), None);
    assert_eq!(PageKeys::tags(1).get_json().await.unwrap(), None);
    assert_eq!(PageKeys::title(1).get_ex().await.unwrap(), None);
    assert_eq!(PageKeys::views(1).get().await.unwrap(), 0);
    assert_eq!(Key::get_many([1, 2, 3].map(PageKeys::title)).await.unwrap(), [None, None, None]);
    assert_eq!(Key::get_many((0..2500).map(PageKeys::title)).await.unwrap().len(), 2500);
    assert_eq!(Key::get_many([1, 2].map(PageKeys::views)).await.unwrap(), [0, 0]);
    assert_eq!(counted(), 7);

    let loaded = PageKeys::title(1).get_or_set(|| async { "loaded".to_owned() }).await.unwrap();
    let tried = PageKeys::title(1).try_get_or_set(|| async { Err::<String, _>("the loader's") }).await;
    assert_eq!(loaded, "loaded");
    assert!(matches!(tried, Err(redis_keyspace::cache::FillError::Loader("the loader's"))), "{tried:?}");
    assert_eq!((counted(), redis.stats().fills.not_stored), (9, 0), "not counted as a failed store");

    // Writes, and reads for which a miss is not a valid result.
    assert!(PageKeys::title(1).set("x").await.is_err());
    assert!(PageKeys::title(1).del().await.is_err());
    assert!(PageKeys::title(1).get_del().await.is_err());
    assert!(PageKeys::title(1).exists().await.is_err());
    assert!(PageKeys::views(1).incr().await.is_err());
    assert!(PageKeys::title_keys().count().await.is_err());

    // In a batch, each command is handled separately. A transaction is all or nothing.
    let batch = || (PageKeys::title(1).get(), PageKeys::title(1).set("x"), OrderKeys::state(1).get());
    let (title, set, order) = redis.batch(batch()).each().await.unwrap();
    assert_eq!(title.unwrap(), None);
    assert!(set.is_err() && order.is_err());
    assert!(redis.transaction((PageKeys::title(1).get(), PageKeys::tags(1).get())).await.is_err());
    assert_eq!(counted(), 10);

    // The option of a call overrides the declaration, in both directions.
    assert!(PageKeys::title(1).get().on_unavailable(OnUnavailable::Error).await.is_err());
    let strict = PageKeys::title(1).get_or_set(|| async { panic!("not to be loaded") });
    assert!(strict.on_unavailable(OnUnavailable::Error).await.is_err());
    assert!(OrderKeys::state(1).get().await.is_err());
    assert_eq!(OrderKeys::state(1).get().on_unavailable(OnUnavailable::Miss).await.unwrap(), None);
    assert_eq!(OrderKeys::state(1).get_ex().on_unavailable(OnUnavailable::Miss).await.unwrap(), None);
    let loaded = OrderKeys::state(1).get_or_set(|| async { "new".to_owned() });
    assert_eq!(loaded.on_unavailable(OnUnavailable::Miss).await.unwrap(), "new");
    assert_eq!(counted(), 13);
}

#[test]
fn reads_are_misses_while_redis_is_unavailable() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().url(&server.url()).unwrap().retries(0).build().unwrap();
        let test = async {
            PageKeys::title(1).set("stored").await.unwrap();
            server.kill();
            check_unavailable(&redis, 0).await;
            server.restart();
        };
        redis.scope(test).await;

        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        let test = async {
            PageKeys::title(1).set("stored").await.unwrap();
            server.refuse_connections(true);
            server.disconnect_all();
            check_unavailable(&redis, 0).await;
            server.refuse_connections(false);
            redis_keyspace_tests::eventually("the server is back", async || redis.ping().await.is_ok()).await;
            assert_eq!(PageKeys::title(1).get().await.unwrap().as_deref(), Some("stored"));
        };
        redis.scope(test).await;
    });
}

/// A server that does not answer in time counts as unavailable; one that refuses a command does
/// not.
#[test]
fn which_errors_count_as_unavailable() {
    within(PATIENCE, async {
        let server = Server::new();
        let builder = || Redis::builder().embedded(server.clone()).retries(0);
        let impatient = builder().timeout(Duration::from_millis(100)).build().unwrap();
        let stalled = server.inject(Fault::stall().on("GET"));
        assert_eq!(PageKeys::title(1).get().on(&impatient).await.unwrap(), None);
        assert_eq!(impatient.stats().degraded, 1);
        drop(stalled);
        let redis = builder().build().unwrap();
        let test = async {
            let loading = server.inject(Fault::error("LOADING Redis is loading").on("GET"));
            assert_eq!(PageKeys::title(2).get().await.unwrap(), None);
            drop(loading);
            assert_eq!(redis.stats().degraded, 1);
            for said in ["NOPERM no", "WRONGTYPE no", "ERR no"] {
                let _fault = server.inject(Fault::error(said).on("GET"));
                PageKeys::title(3).get().await.unwrap_err();
            }
            PageKeys::views(4).set(1).await.unwrap();
            redis_keyspace_tests::raw::<()>(&redis, &["SET", "page:views:4", "no number"]).await;
            assert!(PageKeys::views(4).get().await.unwrap_err().is_decode());
            assert_eq!(redis.stats().degraded, 1);
        };
        redis.scope(test).await;
    });
}

#[test]
fn treating_a_write_as_a_miss_is_an_error() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let test = async {
            let error = PageKeys::views(1).incr().on_unavailable(OnUnavailable::Miss).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("INCRBY can't return a miss"), "{error}");
            let [error] = redis
                .batch([PageKeys::title(1).exists().on_unavailable(OnUnavailable::Miss)])
                .each()
                .await
                .unwrap();
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
            PageKeys::views(1).incr().on_unavailable(OnUnavailable::Error).await.unwrap();
        };
        redis.scope(test).await;
        assert_eq!(redis.stats().degraded, 0);
    });
}

/// With stale values allowed, a read returns the last value that the process saw, but not its own
/// later writes.
#[test]
fn the_last_seen_value_is_returned_without_redis() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap().retries(0);
        let redis = builder.timeout(MINUTE).build().unwrap();
        let text = |id| Stale::text(id).on(&redis);
        let load = |id: u32| text(id).get_or_set(move || async move { format!("text {id}") });
        for id in 1..=4 {
            load(id).await.unwrap();
        }
        // Another program sets this value, and a hit reads it.
        server.redis_cli(&["SET", "stale:text:5", "foreign"]);
        assert_eq!(load(5).await.unwrap(), "foreign");
        text(2).set("newer").await.unwrap();
        text(3).del().await.unwrap();
        text(4).update(|text| text.push('!')).await.unwrap();
        server.kill();
        let never = || async { panic!("Redis is unavailable, which is an error here") };
        for (id, expected) in [(1, "text 1"), (5, "foreign")] {
            let got = text(id).get_or_set(never).lookup().await.unwrap();
            assert_eq!((got.value.as_str(), got.source), (expected, ValueSource::Stale));
        }
        for id in [2, 3, 4, 6] {
            assert!(text(id).get_or_set(never).await.unwrap_err().is_unavailable(), "{id}");
        }
        // Only callers that accept stale values get one, and only up to their limit.
        let fresh = text(1).get_or_set(never).stale_for(Duration::ZERO);
        assert!(fresh.await.unwrap_err().is_unavailable());
        // With `Miss`, the loader runs first.
        let miss = OnUnavailable::Miss;
        let got =
            text(1).get_or_set(|| async { "loaded".to_owned() }).on_unavailable(miss).lookup().await.unwrap();
        assert_eq!((got.value.as_str(), got.source), ("loaded", ValueSource::Degraded));
        let failing = || async { Err::<String, _>("no database either") };
        let got = text(5).try_get_or_set(failing).on_unavailable(miss).lookup().await.unwrap();
        assert_eq!((got.value.as_str(), got.source), ("foreign", ValueSource::Stale));
    });
}

#[derive(Keyspace)]
#[keyspace(prefix = "stale", ttl = "1h", stale_for = "1h")]
struct Stale {
    text: fn(id: u32) -> Text,
}

#[test]
fn reads_of_several_streams_return_no_entries() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        PageKeys::log(1).xadd("x").on(&redis).await.unwrap();
        let read = || Key::xread_many([1, 2].map(|id| (PageKeys::log(id).on(&redis), StreamId::MIN)));
        assert_eq!(read().await.unwrap().len(), 1);
        let _fault = server.inject(Fault::close_before().on("XREAD"));
        assert_eq!(read().await.unwrap(), []);
        assert!(PageKeys::log(1).xread(StreamId::MIN).on(&redis).await.unwrap().is_empty());
        assert_eq!(redis.batch((read(), read())).await.unwrap(), (vec![], vec![]));
        assert_eq!(Redis::disabled().scope(async { read_disabled().await }).await, []);
    });
}

/// Reads on a handle that has no server.
async fn read_disabled() -> Vec<(Key<PageKeys, Stream<Text>>, Vec<redis_keyspace::stream::Entry<String>>)> {
    Key::xread_many([1, 2].map(|id| (PageKeys::log(id), StreamId::MIN))).await.unwrap()
}
