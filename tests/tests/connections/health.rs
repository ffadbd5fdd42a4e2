//! The health report.

use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace::health::{Health, ServerRole};
use redis_keyspace::stats::BreakerState;
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wired, within};

const MINUTE: Duration = Duration::from_secs(60);

#[track_caller]
fn sick(health: &Health, words: &[&str]) {
    assert!(!health.healthy, "{health:?}");
    let error = health.error.as_deref().unwrap();
    words.iter().for_each(|word| assert!(error.contains(word), "{word:?} is missing in {error}"));
}

both_servers! {
    async fn a_healthy_server_is_ok(redis: Redis) {
        let health = redis.health().timeout(MINUTE).await;
        assert!(health.healthy, "{health:?}");
        assert_eq!((health.role, health.writable, &health.error), (Some(ServerRole::Master), None, &None));
        assert_eq!(health.breaker, BreakerState::Closed);
        assert!(health.latency_ms.unwrap() > 0.0);
        let version = health.version.clone().unwrap();
        assert!(version.starts_with("redis ") || version.starts_with("valkey "), "{version}");
        let json = serde_json::to_value(&health).unwrap();
        assert_eq!((&json["healthy"], &json["role"], &json["breaker"]), (&true.into(), &"master".into(), &"closed".into()));

        let written = redis.health().with_write_probe().timeout(MINUTE).await;
        assert_eq!((written.healthy, written.writable), (true, Some(true)));
        let ttl: i64 = raw(&redis, &["PTTL", &wired("redis-keyspace:health")]).await;
        assert!((1..=1000).contains(&ttl), "{ttl}");
    }
}

#[test]
fn an_unavailable_or_silent_server_is_reported_in_time() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        assert!(redis.health().timeout(MINUTE).await.healthy);
        server.pause();
        sick(&redis.health().timeout(Duration::from_millis(200)).await, &["the limit of 200ms passed"]);
        sick(&redis.health().await, &["1s"]);
        server.resume();
        assert!(redis.health().timeout(MINUTE).await.healthy);
        server.kill();
        for _ in 0..10 {
            let health = redis.health().await;
            sick(&health, &[]);
            assert_eq!((health.role, health.version, health.latency_ms), (None, None, None));
            assert_eq!(health.endpoint, server.address().to_string());
        }
        let health = redis.health().await;
        assert_ne!(health.breaker, BreakerState::Closed);
        sick(&health, &["circuit breaker open"]);
        redis.close().await;
        sick(&redis.health().await, &["closed"]);
    });
}

#[test]
fn replicas_full_servers_and_missing_permissions_are_reported() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        server.redis_cli(&["REPLICAOF", "127.0.0.1", "1"]);
        let health = redis.health().timeout(MINUTE).await;
        assert_eq!((health.healthy, health.role), (true, Some(ServerRole::Replica)));
        let health = redis.health().with_write_probe().timeout(MINUTE).await;
        sick(&health, &["READONLY", "redis-keyspace:health"]);
        assert_eq!(health.writable, Some(false));
        server.redis_cli(&["REPLICAOF", "NO", "ONE"]);
        server.redis_cli(&["CONFIG", "SET", "maxmemory", "1"]);
        assert!(redis.health().timeout(MINUTE).await.healthy);
        sick(&redis.health().with_write_probe().timeout(MINUTE).await, &["OOM"]);
        server.redis_cli(&["CONFIG", "SET", "maxmemory", "0"]);

        server.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-info"]);
        let app = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let health = app.build().unwrap().health().with_write_probe().timeout(MINUTE).await;
        assert_eq!((health.healthy, health.role, &health.version), (true, None, &None), "{health:?}");
        let wrong =
            Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("no-secret");
        let health = wrong.build().unwrap().health().timeout(MINUTE).await;
        sick(&health, &["WRONGPASS"]);
        assert!(!format!("{health:?}").contains("no-secret"));
    });
}

/// A server that can't save its data rejects writes and PING. It answers reads.
#[test]
fn a_server_that_cannot_save_is_only_sick_for_writes() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        let misconf = "MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk";
        let _faults = ["PING", "SET"].map(|command| server.inject(Fault::error(misconf).on(command)));
        let health = redis.health().timeout(MINUTE).await;
        assert_eq!((health.healthy, health.role, &health.error), (true, Some(ServerRole::Master), &None));
        sick(&redis.health().with_write_probe().timeout(MINUTE).await, &["MISCONF"]);
    });
}

#[test]
fn a_closed_handle_reports_its_server() {
    within(PATIENCE, async {
        let redis = Redis::builder().host("127.0.0.1").port(1).build().unwrap();
        redis.close().await;
        let health = redis.health().await;
        sick(&health, &["closed"]);
        assert_eq!(health.endpoint, "127.0.0.1:1");
    });
}

#[test]
fn a_loading_server_is_not_healthy() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        let _loading =
            server.inject(Fault::error("LOADING Redis is loading the dataset in memory").on("PING"));
        sick(&redis.health().timeout(MINUTE).await, &["LOADING"]);
    });
}
