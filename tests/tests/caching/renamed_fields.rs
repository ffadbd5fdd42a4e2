//! Two versions of a program use the same keys during a rollout. The later one has other names for
//! its fields and parameters.

use redis_keyspace::{Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, within};
use tokio::sync::oneshot;

#[derive(Keyspace)]
#[keyspace(prefix = "renamed", ttl = 3600, stale_for = "1h")]
struct Earlier {
    #[key("user:{id}:page:{page}")]
    user: fn(id: u32, page: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "renamed", ttl = 3600, stale_for = "1h")]
struct Later {
    #[key("user:{shopper}:page:{number}")]
    shopper: fn(shopper: u32, number: u32) -> Text,
}

/// Runs a body with the handles of two processes, on an embedded server and on a real one.
fn in_two_versions<F: Future<Output = ()>>(body: impl Fn(Redis, Redis) -> F) {
    let run = |builder: &dyn Fn() -> RedisBuilder| {
        let handle = |name: &str| builder().client_name(name).allow_overlapping_keyspaces().build().unwrap();
        within(PATIENCE, body(handle("earlier"), handle("later")));
    };
    let embedded = Server::new();
    run(&|| Redis::builder().embedded(embedded.clone()));
    let real = RealServer::start();
    run(&|| Redis::builder().url(&real.url()).unwrap());
}

#[test]
fn a_deletion_by_pattern_ends_the_fills_of_another_version() {
    in_two_versions(|earlier, later| async move {
        let (begins, begun) = oneshot::channel();
        let (goes_on, go_on) = oneshot::channel::<()>();
        let key = Later::shopper(7, 1).on(&later);
        let filling = tokio::spawn({
            let key = key.clone();
            async move {
                let load = || async {
                    begins.send(()).unwrap();
                    go_on.await.unwrap();
                    "from before the change".to_owned()
                };
                key.get_or_set(load).await.unwrap()
            }
        });
        begun.await.unwrap();
        assert_eq!(Earlier::user_keys().all().delete().on(&earlier).await.unwrap().affected, 0);
        goes_on.send(()).unwrap();
        filling.await.unwrap();
        assert_eq!(key.get().await.unwrap(), None);
    });
}

#[test]
fn a_deletion_by_pattern_ends_the_copies_of_another_version() {
    in_two_versions(|earlier, later| async move {
        let key = Later::shopper(8, 1).on(&later);
        key.get_or_set(|| async { "from before the change".to_owned() }).await.unwrap();
        assert_eq!(Earlier::user_keys().all().delete().on(&earlier).await.unwrap().affected, 1);
        let loaded = key.try_get_or_set(|| async { Err::<String, _>("no database") }).await;
        assert!(loaded.is_err(), "{loaded:?}");
    });
}

#[test]
fn a_load_is_shared_with_another_version() {
    in_two_versions(|earlier, later| async move {
        let elsewhere = Earlier::user(9, 1).on(&earlier);
        let load = || async {
            let asked = elsewhere.get_or_set(|| async { "earlier".to_owned() });
            assert_eq!(asked.await.unwrap(), "earlier");
            "later".to_owned()
        };
        // The loader of the earlier version joined the lease, so the first one to store wins.
        assert_eq!(Later::shopper(9, 1).on(&later).get_or_set(load).await.unwrap(), "later");
        assert_eq!(elsewhere.get().await.unwrap().as_deref(), Some("earlier"));
        assert_eq!(later.stats().fills.superseded, 1);
    });
}
