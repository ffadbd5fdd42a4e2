//! Reads from the replicas that sentinels know.

use std::time::Duration;

use redis_keyspace::command::Reads;
use redis_keyspace::{ErrorKind, Key, Redis, RedisBuilder, catalog};
use redis_keyspace_tests::{PATIENCE, RealSentinels, eventually, within};
use tokio::task::block_in_place;

use crate::{LIMIT, ShopKeys, count, in_sync, on, reads, uses};

pub fn builder(servers: &RealSentinels) -> RedisBuilder {
    let addresses = servers.sentinel_addresses().into_iter().map(|address| address.to_string());
    Redis::builder().sentinel(RealSentinels::MASTER, addresses).unwrap()
}

#[test]
fn reads_use_replicas_as_declared() {
    let servers = RealSentinels::start();
    on(builder(&servers), async |redis: Redis| {
        for id in 0..20 {
            ShopKeys::page(id).set("page").await.unwrap();
            ShopKeys::fresh(id).set("fresh").await.unwrap();
        }
        ShopKeys::views(1).incr().await.unwrap();
        servers.replicated();
        uses(&redis, 2).await;
        let (of_master, of_replicas) =
            ([reads(servers.node(0))], [1, 2].map(|node| reads(servers.node(node))));
        for id in 0..20 {
            assert_eq!(ShopKeys::page(id).get().await.unwrap().as_deref(), Some("page"));
            assert!(ShopKeys::page(id).exists().await.unwrap());
        }
        let pages = Key::get_many((0..20).map(ShopKeys::page)).await.unwrap();
        assert_eq!(pages.iter().flatten().count(), 20);
        assert_eq!(ShopKeys::views(1).get().await.unwrap(), 1);
        assert!(ShopKeys::page(1).ttl().await.unwrap().remaining().is_some());
        eventually("the replicas answer", async || count(&of_replicas) == 43).await;
        assert!(of_replicas.iter().all(|replica| replica.executed().len() > 3), "both are used");
        assert_eq!(count(&of_master), 0);

        for id in 0..20 {
            assert_eq!(ShopKeys::fresh(id).get().await.unwrap().as_deref(), Some("fresh"));
            assert_eq!(ShopKeys::page(id).get().reads(Reads::Master).await.unwrap().as_deref(), Some("page"));
        }
        eventually("the master answers", async || count(&of_master) == 40).await;
        assert_eq!(count(&of_replicas), 43);
        ShopKeys::fresh(1).get().reads(Reads::Replica).await.unwrap();
        eventually("a call overrides the key", async || count(&of_replicas) == 44).await;

        // What writes can't be set to use a replica.
        let error = ShopKeys::page(1).del().reads(Reads::Replica).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(ShopKeys::page(1).del().reads(Reads::Master).await.unwrap());
        // The master answers a batch.
        redis.batch((ShopKeys::page(2).get(), ShopKeys::page(3).get())).await.unwrap();
        eventually("the master answers a batch", async || count(&of_master) == 42).await;
    });
}

#[test]
fn a_value_that_a_replica_lacks_is_not_loaded_again() {
    let servers = RealSentinels::builder().replicas(1).start();
    on(builder(&servers), async |redis: Redis| {
        ShopKeys::page(1).set("page").await.unwrap();
        ShopKeys::page(2).set("page").await.unwrap();
        servers.replicated();
        uses(&redis, 1).await;
        // The replica seems to be behind.
        let wire = redis.wire_key(&ShopKeys::page(1)).unwrap();
        let replica = servers.node(1);
        assert_eq!(replica.redis_cli(&["CONFIG", "SET", "replica-read-only", "no"]), "OK");
        assert_eq!(replica.redis_cli(&["DEL", &wire]), "1");
        assert_eq!(ShopKeys::page(1).get().await.unwrap(), None);
        let loader = || async { panic!("the master has the value") };
        assert_eq!(ShopKeys::page(1).get_or_set(loader).await.unwrap(), "page");
        // A hit comes from the replica.
        let of_master = [reads(servers.node(0))];
        assert_eq!(ShopKeys::page(2).get_or_set(loader).await.unwrap(), "page");
        assert_eq!(ShopKeys::page(3).get_or_set(|| async { "new".to_owned() }).await.unwrap(), "new");
        eventually("the master decides about a miss", async || count(&of_master) > 0).await;
        let asked = of_master[0].executed();
        assert!(asked.iter().all(|read| !read.words[1].contains(":page:2")), "{asked:?}");
    });
}

#[test]
fn replicas_that_are_down_or_cut_off_are_not_used() {
    let servers = RealSentinels::start();
    on(builder(&servers), async |redis: Redis| {
        ShopKeys::page(1).set("page").await.unwrap();
        ShopKeys::near(1).set("near").await.unwrap();
        servers.replicated();
        uses(&redis, 2).await;
        servers.node(1).kill();
        for _ in 0..20 {
            assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("page"));
        }
        uses(&redis, 1).await;
        // The other one loses its master: nothing listens on that port.
        servers.node(2).redis_cli(&["REPLICAOF", "127.0.0.1", "1"]);
        uses(&redis, 0).await;
        let of_master = [reads(servers.node(0))];
        assert_eq!(ShopKeys::near(1).get().await.unwrap().as_deref(), Some("near"));
        eventually("the master answers", async || count(&of_master) > 0).await;
        let error = ShopKeys::page(1).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("no replica of the master mymaster"), "{error}");
        let port = servers.node(0).port().to_string();
        servers.node(2).redis_cli(&["REPLICAOF", "127.0.0.1", &port]);
        uses(&redis, 1).await;
        assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("page"));
    });
}

#[test]
fn the_first_read_waits_for_a_replica() {
    let servers = RealSentinels::start();
    on(builder(&servers), async |redis: Redis| {
        let of_master = [reads(servers.node(0))];
        assert_eq!(ShopKeys::page(1).get().await.unwrap(), None);
        assert!(in_sync(&redis) > 0);
        assert_eq!(count(&of_master), 0);
    });
}

#[test]
fn a_silent_replica_leaves_time_for_the_master() {
    let servers = RealSentinels::builder().replicas(1).start();
    on(builder(&servers), async |redis: Redis| {
        ShopKeys::near(1).set("near").await.unwrap();
        servers.replicated();
        uses(&redis, 1).await;
        servers.node(1).pause();
        // Some of them were sent to the replica before the next check.
        for _ in 0..3 {
            assert_eq!(ShopKeys::near(1).get().await.unwrap().as_deref(), Some("near"));
        }
        servers.node(1).resume();
    });
}

#[test]
fn reads_go_on_during_a_failover() {
    let servers = RealSentinels::start();
    on(builder(&servers), async |redis: Redis| {
        ShopKeys::near(1).set("near").await.unwrap();
        servers.replicated();
        uses(&redis, 2).await;
        let switches = servers.switches();
        servers.node(0).kill();
        // A promoted replica closes its connections, but another one or the retry answers.
        let reading = tokio::spawn(redis.scope(async {
            for _ in 0..500 {
                let value = ShopKeys::near(1).get().await;
                assert!(value.as_ref().is_ok_and(|value| value.as_deref() == Some("near")), "{value:?}");
                tokio::task::yield_now().await;
            }
        }));
        block_in_place(|| switches.first());
        reading.await.unwrap();
        eventually("the replica of the new master is used", async || {
            ShopKeys::near(1).get().await.is_ok() && in_sync(&redis) == 1
        })
        .await;
    });
}

#[test]
fn a_write_waits_until_replicas_have_acknowledged_it() {
    let servers = RealSentinels::start();
    on(builder(&servers), async |redis: Redis| {
        let limit = Duration::from_secs(20);
        ShopKeys::page(1).set("page").wait_replicas(2, limit).await.unwrap();
        let wire = redis.wire_key(&ShopKeys::page(1)).unwrap();
        for replica in [1, 2] {
            assert_eq!(servers.node(replica).redis_cli(&["GET", &wire]), "page");
        }
        assert_eq!(ShopKeys::views(1).incr().wait_replicas(1, limit).await.unwrap(), 1);
        assert!(ShopKeys::page(1).del().wait_replicas(2, limit).await.unwrap());
        assert_eq!(servers.node(2).redis_cli(&["EXISTS", &wire]), "0");
        // More than there are. The write was executed all the same.
        let error = ShopKeys::page(2).set("x").wait_replicas(3, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReplicated);
        assert!(error.to_string().contains("2 of 3 requested replicas"), "{error}");
        assert!(!ShopKeys::fresh(2).exists().await.unwrap());
        assert_eq!(ShopKeys::page(2).get().reads(Reads::Master).await.unwrap().as_deref(), Some("x"));
        let error = ShopKeys::page(2).get().wait_replicas(1, limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let set = ShopKeys::page(3).set("x").wait_replicas(1, limit);
        let error = redis.batch((set,)).await.unwrap_err();
        assert!(error.to_string().contains("can't wait for replicas"), "{error}");
    });
}

#[test]
fn a_user_with_the_rules_of_the_catalog_is_enough() {
    catalog!(SHOP = [ShopKeys]);
    let rules =
        format!("app on >secret {}", SHOP.acl_rules().namespace("acl").sentinel().replicas().health());
    let servers = RealSentinels::builder().user(&rules).start();
    within(PATIENCE, async {
        let builder = builder(&servers).username("app").password("secret").timeout(LIMIT);
        let redis = builder.namespace("acl").unwrap().build().unwrap();
        let test = async {
            let limit = Duration::from_secs(20);
            ShopKeys::page(1).set("page").wait_replicas(2, limit).await.unwrap();
            uses(&redis, 2).await;
            assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("page"));
            assert!(redis.health().with_write_probe().timeout(LIMIT).await.healthy);
        };
        redis.scope(test).await;
        redis.close().await;
    });
}
