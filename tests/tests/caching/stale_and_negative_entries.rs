//! Stale copies and negative entries: the template declares them, and every write deletes them.

use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::cache::ValueSource;
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wire, within};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "copies", ttl = "1h")]
struct Keys {
    plain: fn(id: u32) -> Text,
    #[key("kept:{id}", stale_for = "1h", negative_ttl = "1h")]
    kept: fn(id: u32) -> Text,
}

/// Stores a value and lets it expire, so only its stale copy is left.
async fn leaves_a_copy(redis: &Redis, key: &Key<Keys, Text>) {
    key.get_or_set(|| async { "old".to_owned() }).await.unwrap();
    raw::<bool>(redis, &["PEXPIRE", &wire(key), "0"]).await;
}

async fn copy(key: &Key<Keys, Text>) -> Option<String> {
    let found = key.try_get_or_set(|| async { Err::<String, _>("no database") }).lookup().await.ok()?;
    assert_eq!(found.source, ValueSource::Stale);
    Some(found.value)
}

both_servers! {
    async fn a_call_can_only_shorten_declared_times(redis: Redis) {
        let before = redis.stats().fills;
        let long = HOUR + Duration::from_millis(1);
        let never = || async { panic!("nothing is loaded") };
        let none = || async { panic!("nothing is loaded") };
        for (error, option) in [
            (Keys::plain(1).get_or_set(never).stale_for(HOUR).await.unwrap_err(), "stale_for"),
            (Keys::kept(1).get_or_set(never).stale_for(long).await.unwrap_err(), "stale_for"),
            (Keys::kept(1).get_or_set(never).stale_for(Duration::MAX).await.unwrap_err(), "stale_for"),
            (Keys::plain(1).get_or_set_optional(none).negative_ttl(HOUR).await.unwrap_err(), "negative_ttl"),
            (Keys::kept(1).get_or_set_optional(none).negative_ttl(long).await.unwrap_err(), "negative_ttl"),
            (
                Key::get_or_set_many([1], Keys::plain, async |_: Vec<u32>| Vec::<(u32, String)>::new())
                    .negative_ttl(HOUR)
                    .await
                    .unwrap_err(),
                "negative_ttl",
            ),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(option) && error.key().is_some(), "{error}");
        }
        assert_eq!(redis.stats().fills, before, "nothing was read");
        // Zero is allowed for every template.
        let load = || async { "x".to_owned() };
        Keys::plain(1).get_or_set(load).stale_for(Duration::ZERO).await.unwrap();
        let find = || async { None };
        Keys::plain(2).get_or_set_optional(find).negative_ttl(Duration::ZERO).await.unwrap();
        Keys::kept(1).get_or_set(load).stale_for(HOUR / 2).await.unwrap();
    }

    async fn a_conditional_set_that_stores_nothing_keeps_the_entries(redis: Redis) {
        let key = Keys::kept(1).on(&redis);
        leaves_a_copy(&redis, &key).await;
        assert!(!key.set("new").only_if_present().await.unwrap());
        assert_eq!(key.set("new").only_if_present().returning_old().await.unwrap(), None);
        assert!(!key.rename_if_absent(&Keys::kept(2).on(&redis)).await.unwrap());
        assert_eq!(copy(&key).await.as_deref(), Some("old"));
        // Nor does it end a load.
        let (started, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let loading = tokio::spawn({
            let (key, started, end) = (Keys::plain(1).on(&redis), Arc::clone(&started), Arc::clone(&end));
            async move {
                let load = || async {
                    started.notify_one();
                    end.notified().await;
                    "loaded".to_owned()
                };
                key.get_or_set(load).await.unwrap()
            }
        });
        started.notified().await;
        assert!(!Keys::plain(1).set("new").only_if_present().await.unwrap());
        end.notify_one();
        assert_eq!(loading.await.unwrap(), "loaded");
        assert_eq!(Keys::plain(1).get().await.unwrap().as_deref(), Some("loaded"));
        // A `set` that stores a value removes the entries.
        assert!(!key.set("x").only_if_present().await.unwrap());
        assert!(key.set("new").only_if_absent().await.unwrap());
        assert!(!key.set("newer").only_if_absent().await.unwrap());
        assert_eq!(key.set("newer").only_if_absent().returning_old().await.unwrap().as_deref(), Some("new"));
        raw::<bool>(&redis, &["PEXPIRE", &wire(&key), "0"]).await;
        assert_eq!(copy(&key).await, None);
    }

    async fn absence_is_kept_only_where_the_template_declares_it(redis: Redis) {
        let key = |id: u32| if id == 1 { Keys::kept(1) } else { Keys::plain(id) };
        let none = async |_: Vec<u32>| Vec::<(u32, String)>::new();
        assert_eq!(Key::get_or_set_many([1, 2], key, none).await.unwrap(), [None, None]);
        for (id, is_kept) in [(1, 1), (2, 0)] {
            let companion = format!("{0}%fill{{{0}}}", wire(&key(id)));
            assert_eq!(raw::<i64>(&redis, &["HEXISTS", &companion, "absent"]).await, is_kept, "{id}");
        }
    }

    /// `only_if_absent` on a key that exists.
    async fn a_set_that_finds_a_value_removes_nothing(redis: Redis) {
        for returns_old in [false, true] {
            let key = Keys::kept(1).on(&redis);
            key.get_or_set(|| async { "old".to_owned() }).refresh().await.unwrap();
            if returns_old {
                let old = key.set("new").only_if_absent().returning_old().await.unwrap();
                assert_eq!(old.as_deref(), Some("old"));
            } else {
                assert!(!key.set("new").only_if_absent().await.unwrap());
            }
            raw::<bool>(&redis, &["PEXPIRE", &wire(&key), "0"]).await;
            assert_eq!(copy(&key).await.as_deref(), Some("old"), "returning the old value: {returns_old}");
        }
        let (key, other) = (Keys::kept(2).on(&redis), Keys::kept(3).on(&redis));
        for key in [&key, &other] {
            key.get_or_set(|| async { "old".to_owned() }).await.unwrap();
        }
        assert!(!key.rename_if_absent(&other).await.unwrap());
        for key in [&key, &other] {
            raw::<bool>(&redis, &["PEXPIRE", &wire(key), "0"]).await;
            assert_eq!(copy(key).await.as_deref(), Some("old"));
        }
    }

    async fn expiring_a_pattern_equals_expiring_each_key(redis: Redis) {
        for by_pattern in [false, true] {
            let key = Keys::kept(1).on(&redis);
            key.get_or_set(|| async { "old".to_owned() }).refresh().await.unwrap();
            if by_pattern {
                assert_eq!(Keys::kept_keys().all().expire(HOUR).on(&redis).await.unwrap().affected, 1);
            } else {
                assert!(key.expire(HOUR).await.unwrap());
            }
            raw::<bool>(&redis, &["PEXPIRE", &wire(&key), "0"]).await;
            assert_eq!(copy(&key).await, None, "by pattern: {by_pattern}");
        }
    }

    async fn entries_of_another_format_version_are_ignored(redis: Redis) {
        let key = Keys::kept(1).on(&redis);
        leaves_a_copy(&redis, &key).await;
        let companion = format!("{0}%fill{{{0}}}", wire(&key));
        assert_eq!(raw::<Option<String>>(&redis, &["HGET", &companion, "v"]).await.as_deref(), Some("1"));
        raw::<i64>(&redis, &["HSET", &companion, "v", "2", "lease", "theirs", "until", "99999999999999"]).await;
        assert_eq!(copy(&key).await, None);
        let loaded = key.get_or_set(|| async { "new".to_owned() }).across_processes().await;
        assert_eq!(loaded.unwrap(), "new");
    }
}

/// Nothing is sent, and no connection is opened.
#[test]
fn an_option_that_is_not_declared_is_refused_before_any_io() {
    within(PATIENCE, async {
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        let never = || async { panic!("nothing is loaded") };
        let error = Keys::plain(1).on(&nowhere).get_or_set(never).stale_for(HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let none = async |_: Vec<u32>| Vec::<(u32, String)>::new();
        let many = Key::get_or_set_many([1], |id| Keys::plain(id).on(&nowhere), none).negative_ttl(HOUR);
        assert_eq!(many.await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(nowhere.stats().connections.is_empty(), "{:?}", nowhere.stats().connections);
    });
}

/// The copies that a process keeps for an outage are values that Redis held.
#[test]
fn only_stored_values_are_kept_for_an_outage() {
    let real = RealServer::start();
    let embedded = Server::new();
    within(PATIENCE, async {
        let builders =
            [Redis::builder().url(&real.url()).unwrap(), Redis::builder().embedded(embedded.clone())];
        for (nth, builder) in builders.into_iter().enumerate() {
            let redis = builder.retries(0).build().unwrap();
            let [superseded, refreshed, written] = [1, 2, 3].map(|id| Keys::kept(id).on(&redis));
            let load = || async {
                let name = superseded.to_string();
                // Another process writes and deletes the key.
                raw::<u32>(&redis, &["UNLINK", &format!("{name}%fill{{{name}}}")]).await;
                raw::<u32>(&redis, &["DEL", &name]).await;
                "old".to_owned()
            };
            assert_eq!(superseded.get_or_set(load).await.unwrap(), "old");
            assert_eq!(redis.stats().fills.superseded, 1);
            // A value that replaces one that was kept moments ago.
            for value in ["first", "second"] {
                let load = || async { value.to_owned() };
                assert_eq!(refreshed.get_or_set(load).refresh().await.unwrap(), value);
            }
            written.get_or_set(|| async { "old".to_owned() }).await.unwrap();
            redis
                .watch(Keys::plain(1).on(&redis), |tx| {
                    let written = written.clone();
                    async move {
                        assert!(tx.run(written.set("new").only_if_present()).await?);
                        Ok(Some(written.exists()))
                    }
                })
                .await
                .unwrap();
            if nth == 0 {
                real.kill();
            } else {
                embedded.refuse_connections(true);
                embedded.disconnect_all();
            }
            assert_eq!(copy(&superseded).await, None, "the value was not stored");
            assert_eq!(copy(&refreshed).await.as_deref(), Some("second"));
            assert_eq!(copy(&written).await, None, "a transaction wrote the key");
        }
    });
}

/// A process reads through one pool and writes through another one.
#[test]
fn pools_of_one_database_see_each_others_writes() {
    let real = RealServer::start();
    let embedded = Server::new();
    within(PATIENCE, async {
        let builders = [
            (Redis::builder().url(&real.url()).unwrap(), Redis::builder().url(&real.url()).unwrap()),
            (Redis::builder().embedded(embedded.clone()), Redis::builder().embedded(embedded.clone())),
        ];
        for (nth, (one, other)) in builders.into_iter().enumerate() {
            let one = one.retries(0).build().unwrap();
            let other = other.client_name("other").shared_connections(1).build().unwrap();
            let (key, untouched) = (Keys::kept(1).on(&one), Keys::kept(2).on(&one));
            for key in [&key, &untouched] {
                key.get_or_set(|| async { "old".to_owned() }).await.unwrap();
            }
            Keys::kept(1).on(&other).set("new").await.unwrap();
            if nth == 0 {
                real.kill();
            } else {
                embedded.refuse_connections(true);
                embedded.disconnect_all();
            }
            assert_eq!(copy(&untouched).await.as_deref(), Some("old"), "this process has read the key");
            assert_eq!(copy(&key).await, None, "the other pool wrote the key");
        }
    });
}

/// The server is lost after it answered that there is no value.
#[tokio::test(start_paused = true)]
async fn an_outage_before_the_lease_serves_the_copy_of_the_process() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    let key = Keys::kept(1).on(&redis);
    let load = |text: &'static str| key.get_or_set(move || async move { text.to_owned() }).ttl(MINUTE);
    assert_eq!(load("old").await.unwrap(), "old");
    tokio::time::sleep(MINUTE * 2).await;
    let _lost = server.inject(Fault::close_before().on("EVALSHA"));
    let before = redis.stats().degraded;
    assert_eq!(load("new").await.unwrap(), "old");
    assert_eq!(redis.stats().degraded, before + 1);
    let error = Keys::kept(2).on(&redis).get_or_set(|| async { "new".to_owned() }).await.unwrap_err();
    assert!(error.is_unavailable(), "a key without a copy: {error}");
}
