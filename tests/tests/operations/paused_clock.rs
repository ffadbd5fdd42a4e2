//! Time-dependent operations on a paused clock, where hours pass at once.

use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::{Counter, Keyspace, Redis, Text};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "clock", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("count:{id}", ttl = "30d")]
    count: fn(id: u32) -> Counter,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u32) -> Text,
}

#[tokio::test(start_paused = true)]
async fn lifetimes_end_when_the_clock_is_advanced() {
    Redis::embedded()
        .scope(async {
            Keys::text(1).set("x").await.unwrap();
            Keys::forever(1).set("x").await.unwrap();
            assert_eq!(Keys::text(1).ttl().await.unwrap(), Ttl::Remaining(HOUR));
            tokio::time::advance(HOUR - Duration::from_millis(1)).await;
            assert_eq!(Keys::text(1).ttl().await.unwrap(), Ttl::Remaining(Duration::from_millis(1)));
            assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("x"));
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(Keys::text(1).get().await.unwrap(), None);
            assert_eq!(Keys::text(1).ttl().await.unwrap(), Ttl::NoKey);
            tokio::time::advance(1000 * 24 * HOUR).await;
            assert_eq!(Keys::forever(1).get().await.unwrap().as_deref(), Some("x"));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_window_starts_with_its_first_event() {
    Redis::embedded()
        .scope(async {
            for day in 1..=29 {
                assert_eq!(Keys::count(1).incr().await.unwrap(), day);
                tokio::time::advance(24 * HOUR).await;
            }
            assert_eq!(Keys::count(1).ttl().await.unwrap(), Ttl::Remaining(24 * HOUR));
            tokio::time::advance(24 * HOUR).await;
            assert_eq!(Keys::count(1).incr().await.unwrap(), 1, "a new window");
            assert_eq!(Keys::count(1).ttl().await.unwrap(), Ttl::Remaining(30 * 24 * HOUR));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_lives_while_it_is_used() {
    Redis::embedded()
        .scope(async {
            Keys::text(2).set("x").await.unwrap();
            for _ in 0..10 {
                tokio::time::advance(HOUR - Duration::from_secs(1)).await;
                assert_eq!(Keys::text(2).get_ex().await.unwrap().as_deref(), Some("x"));
            }
            tokio::time::advance(HOUR / 2).await;
            Keys::text(2).set("y").keep_ttl().await.unwrap();
            assert_eq!(Keys::text(2).ttl().await.unwrap(), Ttl::Remaining(HOUR / 2));
            tokio::time::advance(HOUR / 2).await;
            Keys::text(2).set("z").keep_ttl().await.unwrap();
            assert_eq!(
                Keys::text(2).ttl().await.unwrap(),
                Ttl::Remaining(HOUR),
                "the key had expired, so the template's lifetime applies"
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_fill_is_loaded_again_after_it_expires() {
    Redis::embedded()
        .scope(async {
            let mut loads = 0;
            for _ in 0..5 {
                for _ in 0..3 {
                    Keys::text(3)
                        .get_or_set(|| {
                            loads += 1;
                            async { "x".to_owned() }
                        })
                        .ttl(HOUR / 4)
                        .await
                        .unwrap();
                    tokio::time::advance(HOUR / 10).await;
                }
            }
            assert_eq!(loads, 5);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn connections_outlive_long_idle_times() {
    let server = redis_keyspace_embedded::Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    for _ in 0..5 {
        Keys::forever(1).set("x").on(&redis).await.unwrap();
        redis.raw(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await }).await.unwrap();
        tokio::time::advance(24 * HOUR).await;
    }
    assert_eq!(Keys::forever(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock() {
    let server = redis_keyspace_embedded::Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    redis.connect().await.unwrap();
    server.inject(redis_keyspace_embedded::Fault::stall().on("GET").times(1)).keep();
    let started = tokio::time::Instant::now();
    let error = Keys::text(1).get().on(&redis).timeout(HOUR).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(started.elapsed() >= HOUR && started.elapsed() < 2 * HOUR);
}
