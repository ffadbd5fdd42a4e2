//! The options of a fill, one by one: their results and the number of loads, not their timing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::{FillError, ValueSource};
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, wired, within};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "options", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("kept:{id}", stale_for = "1000d", negative_ttl = "1h")]
    kept: fn(id: u32) -> Text,
}

type TextKey = Key<Keys, Text>;

/// A loader that counts its runs and returns the number: `1`, `2`, ..
#[derive(Clone, Default)]
struct Loader(Arc<AtomicU32>);

impl Loader {
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    async fn load(&self) -> String {
        (self.0.fetch_add(1, Ordering::SeqCst) + 1).to_string()
    }
}

/// A loader that waits until the test resumes it.
#[derive(Clone, Default)]
struct Slow {
    loader: Loader,
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Slow {
    async fn load(&self) -> String {
        let value = self.loader.load().await;
        self.begun.notify_one();
        self.go.notified().await;
        value
    }
}

/// Expires the value only: the library's keys next to it stay.
async fn expires(redis: &Redis, key: &TextKey) {
    raw::<bool>(redis, &["PEXPIRE", &wire(key), "0"]).await;
}

fn failing() -> Result<String, &'static str> {
    Err("no database")
}

both_servers! {
    async fn a_stale_copy_is_returned_during_a_refresh(redis: Redis) {
        let (key, slow) = (Keys::kept(1).on(&redis), Slow::default());
        key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
        expires(&redis, &key).await;
        assert_eq!(key.get().await.unwrap(), None, "a plain reader finds nothing");
        let leader = tokio::spawn({
            let (key, slow) = (key.clone(), slow.clone());
            async move { key.get_or_set(|| slow.load()).stale_for(HOUR).lookup().await.unwrap() }
        });
        slow.begun.notified().await;
        for _ in 0..20 {
            let others = key.get_or_set(|| async { panic!("only one caller loads") }).stale_for(HOUR).lookup().await.unwrap();
            assert_eq!((&*others.value, others.source), ("0", ValueSource::Stale));
        }
        slow.go.notify_one();
        let leader = leader.await.unwrap();
        assert_eq!((&*leader.value, leader.source), ("1", ValueSource::Filled));
        let hit = key.get_or_set(|| async { panic!("a hit loads nothing") }).stale_for(HOUR).lookup().await.unwrap();
        assert_eq!((&*hit.value, hit.source), ("1", ValueSource::Hit));
        assert_eq!((slow.loader.count(), redis.stats().fills.stale), (1, 20));
    }

    async fn a_stale_copy_is_returned_if_the_loader_fails_or_times_out(redis: Redis) {
        let key = Keys::kept(1).on(&redis);
        key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
        expires(&redis, &key).await;
        for _ in 0..3 {
            let failed = key.try_get_or_set(|| async { failing() }).stale_for(HOUR).lookup().await.unwrap();
            assert_eq!((&*failed.value, failed.source), ("0", ValueSource::Stale));
            let late = key.get_or_set(std::future::pending).stale_for(HOUR).hard_timeout(Duration::from_millis(20));
            let late = late.lookup().await.unwrap();
            assert_eq!((&*late.value, late.source), ("0", ValueSource::Stale));
        }
        // Without `stale_for`, the caller gets the error.
        let error = key.try_get_or_set(|| async { failing() }).stale_for(Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, FillError::Loader("no database")));
        let late = key.get_or_set(std::future::pending).stale_for(Duration::ZERO).hard_timeout(Duration::from_millis(20));
        assert_eq!(late.await.unwrap_err().kind(), ErrorKind::LoaderTimeout);
        let refresh = key.try_get_or_set(|| async { failing() }).stale_for(HOUR).refresh().await;
        assert!(refresh.is_err(), "a forced load returns no stale value");
        assert_eq!(redis.stats().fills.failed, 9);
    }

    async fn every_write_to_the_key_deletes_the_stale_copy(redis: Redis) {
        for (id, write) in ["set", "del", "get_del", "expire", "update", "transaction", "sweep"].iter().enumerate() {
            let key = Keys::kept(id as u32).on(&redis);
            key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
            match *write {
                "set" => key.set("1").await.unwrap(),
                "del" => assert!(key.del().await.unwrap()),
                "get_del" => drop(key.get_del().await.unwrap()),
                "expire" => assert!(key.expire(Duration::ZERO).await.unwrap()),
                "update" => drop(key.update(|text| text.push('1')).await.unwrap()),
                "transaction" => drop(redis.transaction((key.del(),)).await.unwrap()),
                _ => drop(Keys::kept_keys().id(id as u32).delete().on(&redis).await.unwrap()),
            }
            expires(&redis, &key).await;
            let copy = key.try_get_or_set(|| async { failing() }).stale_for(HOUR).await;
            assert!(matches!(copy, Err(FillError::Loader("no database"))), "{write}");
        }
    }

    async fn a_stale_copy_expires(redis: Redis) {
        let (key, short) = (Keys::kept(1).on(&redis), Duration::from_millis(40));
        key.get_or_set(|| async { "0".to_owned() }).ttl(short).stale_for(short).await.unwrap();
        let copy = async || key.try_get_or_set(|| async { failing() }).stale_for(short).await;
        eventually("the copy expires", async || copy().await.is_err()).await;
        // A time beyond the maximum is limited to the maximum.
        let long = key.get_or_set(|| async { "1".to_owned() }).refresh().stale_for(1000 * 24 * HOUR);
        assert_eq!(long.await.unwrap(), "1");
        let kept: i64 = raw(&redis, &["TTL", &wired("options:kept:1%fill*").replace('*', &format!("{{{}}}", wire(&key)))]).await;
        assert!((29 * 24 * 3600..=30 * 24 * 3600).contains(&kept), "{kept}");
    }

    async fn callers_do_not_wait_for_a_background_load(redis: Redis) {
        let (key, slow) = (Keys::kept(1).on(&redis), Slow::default());
        let fill = || {
            let slow = slow.clone();
            key.get_or_set(move || async move { slow.load().await }).stale_for(HOUR).in_background().lookup()
        };
        // No value exists meanwhile.
        slow.go.notify_one();
        assert_eq!(fill().await.unwrap().source, ValueSource::Filled);
        expires(&redis, &key).await;
        for _ in 0..10 {
            let stale = fill().await.unwrap();
            assert_eq!((&*stale.value, stale.source), ("1", ValueSource::Stale));
        }
        eventually("one caller loads", async || slow.loader.count() == 2).await;
        slow.go.notify_one();
        eventually("the value is stored", async || key.get().await.unwrap().as_deref() == Some("2")).await;
        assert_eq!(slow.loader.count(), 2);
    }

    async fn a_soft_timeout_returns_the_existing_value(redis: Redis) {
        let (key, slow) = (Keys::kept(1).on(&redis), Slow::default());
        let fill = |soft| {
            let slow = slow.clone();
            key.get_or_set(move || async move { slow.load().await }).stale_for(HOUR).soft_timeout(soft).lookup()
        };
        slow.go.notify_one();
        assert_eq!(fill(Duration::from_millis(1)).await.unwrap().value, "1", "no stale copy exists");
        expires(&redis, &key).await;
        let stale = fill(Duration::from_millis(20)).await.unwrap();
        assert_eq!((&*stale.value, stale.source), ("1", ValueSource::Stale));
        slow.go.notify_one();
        eventually("the load continues and stores its value", async || key.get().await.unwrap().as_deref() == Some("2")).await;
        expires(&redis, &key).await;
        slow.go.notify_one();
        let quick = fill(MINUTE).await.unwrap();
        assert_eq!((&*quick.value, quick.source), ("3", ValueSource::Filled));
    }

    async fn early_refresh_loads_once_and_keeps_the_value(redis: Redis) {
        let (key, slow) = (Keys::text(1).on(&redis), Slow::default());
        key.set("0").ttl(MINUTE).await.unwrap();
        let early = |part: f64| key.get_or_set(|| slow.load()).ttl(HOUR).early_refresh(part).lookup();
        // A minute of an hour is left: at 99% of the lifetime, no refresh is due yet.
        assert_eq!(early(0.99).await.unwrap().source, ValueSource::Hit);
        assert_eq!(slow.loader.count(), 0);
        let (refreshed, others) = tokio::join!(early(0.9).into_future(), async {
            slow.begun.notified().await;
            for _ in 0..10 {
                let other = early(0.9).await.unwrap();
                assert_eq!((&*other.value, other.source), ("0", ValueSource::Hit));
            }
            slow.go.notify_one();
        });
        let ((), refreshed) = (others, refreshed.unwrap());
        assert_eq!((&*refreshed.value, refreshed.source), ("1", ValueSource::Filled));
        assert_eq!(key.get().await.unwrap().as_deref(), Some("1"));
        assert_eq!(early(0.9).await.unwrap().source, ValueSource::Hit);
        assert_eq!((slow.loader.count(), redis.stats().fills.refreshed), (1, 1));
        // The refresh fails, and the old value is kept.
        key.set("2").ttl(MINUTE).await.unwrap();
        let failed = key.try_get_or_set(|| async { failing() }).ttl(HOUR).early_refresh(0.9).lookup().await.unwrap();
        assert_eq!((&*failed.value, failed.source), ("2", ValueSource::Hit));
        // A value written meanwhile is kept.
        let writing = key.get_or_set(|| async {
            key.set("3").await.unwrap();
            "old".to_owned()
        });
        writing.ttl(HOUR).early_refresh(0.9).await.unwrap();
        assert_eq!(key.get().await.unwrap().as_deref(), Some("3"));
    }

    async fn lifetimes(redis: Redis) {
        let left = async |id| Keys::text(id).ttl().await.unwrap().remaining();
        let fill = |id, text: &'static str| Keys::text(id).get_or_set(move || async move { text.to_owned() });
        fill(1, "60").ttl(HOUR).ttl_by(|text| Duration::from_secs(text.parse().unwrap())).await.unwrap();
        assert!(left(1).await.unwrap() <= MINUTE, "the lifetime from `ttl_by` applies");
        assert_eq!(fill(2, "0").ttl_by(|_| Duration::ZERO).await.unwrap(), "0");
        assert!(!Keys::text(2).exists().await.unwrap(), "nothing is stored with a lifetime of zero");
        assert_eq!(fill(3, "1").across_processes().ttl_by(|_| Duration::ZERO).await.unwrap(), "1");
        assert_eq!(fill(3, "2").across_processes().await.unwrap(), "2");
        // A value that must not be stored replaces the earlier one nevertheless.
        fill(4, "old").await.unwrap();
        assert_eq!(fill(4, "new").refresh().ttl_by(|_| Duration::ZERO).await.unwrap(), "new");
        assert!(!Keys::text(4).exists().await.unwrap());
        fill(4, "old").await.unwrap();
        Keys::text(4).expire(MINUTE).await.unwrap();
        assert_eq!(fill(4, "new").early_refresh(0.5).ttl_by(|text| match text.as_str() {
            "new" => Duration::ZERO,
            _ => HOUR,
        }).await.unwrap(), "new");
        assert!(!Keys::text(4).exists().await.unwrap());
        let mut lifetimes = std::collections::BTreeSet::new();
        for id in 100..150 {
            fill(id, "x").ttl_jitter(0.5).await.unwrap();
            let left = left(id).await.unwrap();
            assert!(left <= HOUR && left > HOUR / 2 - MINUTE, "{left:?}");
            lifetimes.insert(left.as_secs() / 10);
        }
        assert!(lifetimes.len() > 10, "the lifetimes vary");
        assert!(redis.stats().fills.superseded == 0);
    }

    async fn a_missing_value_is_remembered(redis: Redis) {
        let (key, asked) = (Keys::kept(1).on(&redis), Loader::default());
        let seek = |found: Option<&'static str>| {
            let asked = asked.clone();
            key.get_or_set_optional(move || async move {
                asked.load().await;
                found.map(str::to_owned)
            })
        };
        assert_eq!(seek(None).negative_ttl(Duration::ZERO).await.unwrap(), None);
        assert_eq!(seek(None).negative_ttl(HOUR).lookup().await.unwrap().source, ValueSource::Absent);
        assert_eq!(asked.count(), 2, "only with `negative_ttl`");
        for _ in 0..5 {
            let nothing = seek(Some("not asked")).lookup().await.unwrap();
            assert_eq!((nothing.value, nothing.source), (None, ValueSource::Absent));
        }
        assert_eq!((asked.count(), redis.stats().fills.absent), (2, 5));
        assert!(!key.exists().await.unwrap(), "a plain reader finds nothing");
        // A loader that always has a value runs anyway.
        assert_eq!(key.get_or_set(|| async { "made".to_owned() }).await.unwrap(), "made");
        for write in ["del", "set", "get_del", "expire", "update", "sweep"] {
            key.del().await.unwrap();
            assert_eq!(seek(None).negative_ttl(HOUR).await.unwrap(), None);
            match write {
                "del" => assert!(!key.del().await.unwrap()),
                "set" => key.set("set").await.unwrap(),
                "get_del" => assert_eq!(key.get_del().await.unwrap(), None),
                "expire" => assert!(!key.expire(Duration::ZERO).await.unwrap()),
                "update" => assert_eq!(key.update(|_| ()).await.unwrap(), None),
                _ => drop(Keys::kept_keys().all().delete().on(&redis).await.unwrap()),
            }
            let expected = if write == "set" { "set" } else { "found" };
            assert_eq!(seek(Some("found")).negative_ttl(HOUR).await.unwrap().as_deref(), Some(expected), "{write}");
        }
        // The entry expires.
        key.del().await.unwrap();
        assert_eq!(seek(None).negative_ttl(Duration::from_millis(30)).await.unwrap(), None);
        eventually("the loader runs again", async || seek(Some("later")).await.unwrap().as_deref() == Some("later")).await;
        // A refresh that finds nothing deletes the value.
        assert_eq!(seek(None).refresh().await.unwrap(), None);
        assert!(!key.exists().await.unwrap());
    }

    async fn a_refresh_always_loads_and_takes_the_lease(redis: Redis) {
        let (key, loader, slow) = (Keys::text(1).on(&redis), Loader::default(), Slow::default());
        for round in 1..=3 {
            let refreshed = key.get_or_set(|| loader.load()).refresh().lookup().await.unwrap();
            assert_eq!((refreshed.value, refreshed.source), (round.to_string(), ValueSource::Filled));
            assert_eq!(key.get().await.unwrap(), Some(round.to_string()));
        }
        // An earlier load is not waited for, and stores nothing.
        key.del().await.unwrap();
        let (old, new) = tokio::join!(key.get_or_set(|| slow.load()).into_future(), async {
            slow.begun.notified().await;
            let new = key.get_or_set(|| async { "new".to_owned() }).refresh().await.unwrap();
            slow.go.notify_one();
            new
        });
        assert_eq!((&*old.unwrap(), &*new), ("1", "new"));
        assert_eq!(key.get().await.unwrap().as_deref(), Some("new"));
        assert_eq!(redis.stats().fills.superseded, 1);
    }

    /// Callers of one process share a load, but never one that started before an earlier
    /// invalidation.
    async fn a_read_after_an_invalidation_does_not_get_an_earlier_load(redis: Redis) {
        for write in ["del", "set and expire", "sweep", "update", "transaction", "nothing"] {
            let (key, slow) = (Keys::text(1).on(&redis), Slow::default());
            key.del().await.unwrap();
            let before = tokio::spawn({
                let (key, slow) = (key.clone(), slow.clone());
                async move { key.get_or_set(|| slow.load()).await.unwrap() }
            });
            slow.begun.notified().await;
            match write {
                "del" => assert!(!key.del().await.unwrap()),
                "set and expire" => {
                    key.set("x").await.unwrap();
                    expires(&redis, &key).await;
                }
                "sweep" => drop(Keys::text_keys().all().delete().on(&redis).await.unwrap()),
                "update" => assert_eq!(key.update(|_| ()).await.unwrap(), None),
                "transaction" => drop(redis.transaction((key.del(),)).await.unwrap()),
                _ => {}
            }
            let asked = Arc::new(AtomicU32::new(0));
            let after: Vec<_> = (0..10)
                .map(|_| {
                    let (key, slow, asked) = (key.clone(), slow.clone(), Arc::clone(&asked));
                    tokio::spawn(async move {
                        asked.fetch_add(1, Ordering::SeqCst);
                        key.get_or_set(|| slow.loader.load()).await.unwrap()
                    })
                })
                .collect();
            if write == "nothing" {
                eventually("all callers have started", async || asked.load(Ordering::SeqCst) == 10).await;
                slow.go.notify_one();
            }
            for after in after {
                let expected = if write == "nothing" { "1" } else { "2" };
                assert_eq!(after.await.unwrap(), expected, "{write}");
            }
            slow.go.notify_one();
            assert_eq!(before.await.unwrap(), "1");
            let loads = if write == "nothing" { 1 } else { 2 };
            assert_eq!(slow.loader.count(), loads, "{write}: the callers share one load");
            assert_eq!(key.get().await.unwrap(), Some(loads.to_string()), "{write}");
        }
    }

    async fn a_loader_that_fills_its_own_key_does_not_deadlock(redis: Redis) {
        for (id, across) in [(1, false), (2, true)] {
            let key = Keys::text(id).on(&redis);
            let fill = |text: &'static str| {
                let fill = key.get_or_set(move || async move { text.to_owned() });
                if across { fill.across_processes() } else { fill }
            };
            let other = Keys::text(id + 10).on(&redis);
            let outer = key.get_or_set(|| async {
                // Through the loader of another key.
                other.get_or_set(|| async { fill("inner").await.unwrap() }).await.unwrap() + " and outer"
            });
            let outer = if across { outer.across_processes() } else { outer };
            let value = tokio::time::timeout(PATIENCE, outer.into_future()).await.expect("no deadlock");
            assert_eq!(value.unwrap(), "inner and outer");
            assert!(key.exists().await.unwrap());
        }
    }

    async fn arbitrary_bytes_are_cached(redis: Redis) {
        let key = Keys::kept(1).on(&redis);
        for text in ["", "\0", "\r\n$5\r\n", "caf\u{e9} \u{1f980}", "%fill{x}", &"x".repeat(1 << 20)] {
            key.del().await.unwrap();
            assert_eq!(key.get_or_set(|| async { text.to_owned() }).stale_for(HOUR).await.unwrap(), text);
            assert_eq!(key.get().await.unwrap().as_deref(), Some(text));
            expires(&redis, &key).await;
            let copy = key.try_get_or_set(|| async { failing() }).stale_for(HOUR).await;
            assert_eq!(copy.unwrap(), text);
        }
    }
}

#[test]
fn a_value_that_is_too_large_is_refused_and_blocks_no_caller() {
    within(PATIENCE, async {
        let server = Server::new();
        let small = Redis::builder().embedded(server.clone()).max_value_bytes(5000).build().unwrap();
        let other = Redis::builder().embedded(server.clone()).shared_connections(2).build().unwrap();
        let large = || async { "x".repeat(6000) };
        let error = Keys::text(1).get_or_set(large).across_processes().on(&small).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let companion_key = "options:text:1%fill{options:text:1}";
        eventually("the lease is released", async || {
            let lease: Option<String> = raw(&other, &["HGET", companion_key, "lease"]).await;
            let until: Option<String> = raw(&other, &["HGET", companion_key, "until"]).await;
            assert_eq!(lease.is_some(), until.is_some());
            lease.is_none()
        })
        .await;
        assert_eq!(Keys::text(1).get_or_set(large).across_processes().on(&other).await.unwrap().len(), 6000);
    });
}

#[test]
fn the_source_tells_if_redis_was_unavailable() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        let key = Keys::kept(1).on(&redis);
        key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
        server.refuse_connections(true);
        server.disconnect_all();
        let loader = Loader::default();
        for round in 1..=3_u32 {
            let fill = key.get_or_set(|| loader.load()).on_unavailable(OnUnavailable::Miss).lookup();
            let fill = fill.await.unwrap();
            assert_eq!((fill.value, fill.source), (round.to_string(), ValueSource::Degraded));
        }
        let fresh = key.get_or_set(|| async { panic!("the loader must not run") }).stale_for(Duration::ZERO);
        let error = fresh.await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    });
}

/// A loader that takes longer than a lease keeps its lease while others fill the same key.
#[tokio::test(start_paused = true)]
async fn a_loader_of_an_hour_keeps_its_lease() {
    let server = Server::new();
    let one = Redis::with_embedded_server(server.clone());
    let other = Redis::builder().embedded(server).shared_connections(2).build().unwrap();
    let loader = Loader::default();
    let fill = |redis: &Redis| {
        let (loader, key) = (loader.clone(), Keys::text(1).on(redis));
        tokio::spawn(async move {
            let load = || async {
                let value = loader.load().await;
                tokio::time::sleep(HOUR).await;
                value
            };
            key.get_or_set(load).across_processes().wait_timeout(2 * HOUR).await.unwrap()
        })
    };
    let first = fill(&one);
    tokio::time::sleep(MINUTE).await;
    let others: Vec<_> = (0..10).map(|nth| fill(if nth % 2 == 0 { &one } else { &other })).collect();
    assert_eq!(first.await.unwrap(), "1");
    for other in others {
        assert_eq!(other.await.unwrap(), "1");
    }
    assert_eq!((loader.count(), one.stats().fills.superseded), (1, 0));
}

/// The whole life of a value: fresh, due for a refresh, expired with a stale copy, and without one.
#[tokio::test(start_paused = true)]
async fn a_value_is_loaded_refreshed_served_stale_and_dropped() {
    let redis = Redis::embedded();
    let (key, loader) = (Keys::kept(1).on(&redis), Loader::default());
    let fill = |works: bool| {
        let loader = loader.clone();
        let load = move || async move {
            let value = loader.load().await;
            if works { Ok(value) } else { Err(()) }
        };
        key.try_get_or_set(load).early_refresh(0.5).stale_for(HOUR).lookup()
    };
    let sources = async |works| fill(works).await.map(|fill| (fill.value, fill.source)).ok();
    assert_eq!(sources(true).await, Some(("1".to_owned(), ValueSource::Filled)));
    tokio::time::advance(HOUR / 2).await;
    assert_eq!(sources(true).await, Some(("1".to_owned(), ValueSource::Hit)));
    tokio::time::advance(HOUR / 4).await;
    assert_eq!(
        sources(false).await,
        Some(("1".to_owned(), ValueSource::Hit)),
        "a refresh is due, and the loader fails"
    );
    assert_eq!(loader.count(), 2);
    tokio::time::advance(HOUR / 4).await;
    assert_eq!(key.get().await.unwrap(), None);
    assert_eq!(sources(false).await, Some(("1".to_owned(), ValueSource::Stale)));
    tokio::time::advance(HOUR - MINUTE).await;
    assert_eq!(sources(false).await, Some(("1".to_owned(), ValueSource::Stale)));
    tokio::time::advance(MINUTE).await;
    assert_eq!(sources(false).await, None);
    assert_eq!(sources(true).await, Some(("6".to_owned(), ValueSource::Filled)));
    tokio::time::advance(HOUR * 3 / 4).await;
    assert_eq!(
        sources(true).await,
        Some(("7".to_owned(), ValueSource::Filled)),
        "a refresh is due and loads"
    );
    assert_eq!(sources(true).await, Some(("7".to_owned(), ValueSource::Hit)));
}

/// The sweep mark must outlive the loads that it ends.
#[test]
fn a_load_ended_by_a_sweep_stays_ended_without_its_mark() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let key = Keys::kept(1).on(&redis);
        key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
        Keys::kept_keys().all().delete().on(&redis).await.unwrap();
        assert_eq!(raw::<i64>(&redis, &["DEL", "options:kept:%swept:{}"]).await, 1);
        let copy = key.try_get_or_set(|| async { failing() }).stale_for(HOUR).await;
        assert!(copy.is_err(), "{copy:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn a_failing_loader_does_not_delay_other_callers() {
    let redis = Redis::embedded();
    let began = tokio::time::Instant::now();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let key = Keys::text(1).on(&redis);
            let load = || async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                failing()
            };
            tokio::spawn(async move { key.try_get_or_set(load).await })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap().is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_late_early_refresh_is_stored() {
    let redis = Redis::embedded();
    let key = Keys::text(1).on(&redis);
    key.set("0").ttl(MINUTE).await.unwrap();
    tokio::time::advance(MINUTE - Duration::from_secs(5)).await;
    let load = || async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        "1".to_owned()
    };
    assert_eq!(key.get_or_set(load).ttl(MINUTE).early_refresh(0.9).await.unwrap(), "1");
    assert_eq!(key.get().await.unwrap().as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_load_without_coalescing_runs_in_the_background_too() {
    let redis = Redis::embedded();
    let key = Keys::kept(1).on(&redis);
    key.get_or_set(|| async { "0".to_owned() }).stale_for(HOUR).await.unwrap();
    raw::<bool>(&redis, &["PEXPIRE", "options:kept:1", "0"]).await;
    let load = || async {
        tokio::time::sleep(HOUR / 2).await;
        "1".to_owned()
    };
    let fill = key.get_or_set(load).stale_for(HOUR).coalesce(false).in_background().lookup().await.unwrap();
    assert_eq!((&*fill.value, fill.source), ("0", ValueSource::Stale));
}

/// If a leader cannot get its lease, its followers do not fail one by one after a timeout each.
#[tokio::test(start_paused = true)]
async fn followers_of_a_failed_leader_retry_at_once() {
    const CALLERS: u32 = 50;
    let server = Server::new();
    let builder = Redis::builder().embedded(server.clone()).retries(0).breaker(0, MINUTE);
    let redis = builder.timeout(Duration::from_secs(1)).build().unwrap();
    let key = Keys::text(100).on(&redis);
    let leases = server.inject(Fault::stall().on("EVALSHA"));
    let started = tokio::time::Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(key.get_or_set(|| async { "loaded".to_owned() }).into_future()))
        .collect();
    // The clock advances when all tasks wait: all of them wait for the one that requested the
    // lease.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(leases.hits(), 1);
    let _reads = server.inject(Fault::stall().on("GET"));
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_timeout() || error.is_connection_lost(), "{error}");
    }
    // The clock of the test is paused, so machine load does not matter.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?} for {CALLERS} callers", started.elapsed());
}

/// A loader in its own task can fill the key that its caller loads. It loads directly instead of
/// waiting for itself.
#[tokio::test(start_paused = true)]
async fn a_background_load_knows_the_loads_of_its_caller() {
    let redis = Redis::embedded();
    let (outer, inner) = (Keys::kept(101).on(&redis), Keys::kept(102).on(&redis));
    let old = inner.get_or_set(|| async { "old".to_owned() }).ttl(MINUTE).stale_for(HOUR);
    assert_eq!(old.await.unwrap(), "old");
    tokio::time::sleep(2 * MINUTE).await;
    let load = || {
        let (outer, inner) = (outer.clone(), inner.clone());
        async move {
            let load =
                move || async move { outer.get_or_set(|| async { "direct".to_owned() }).await.unwrap() };
            inner.get_or_set(load).stale_for(HOUR).soft_timeout(MINUTE).await.unwrap()
        }
    };
    assert_eq!(outer.get_or_set(load).await.unwrap(), "direct");
}
