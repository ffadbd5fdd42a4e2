//! Sentinels that are down, silent, or cut off from the others.

use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_tests::{Party, RealSentinels, eventually, require_setting};
use tokio::task::block_in_place;

use crate::{ShopKeys, answer, builder, follows, on, sentinels, write_again};

#[test]
fn commands_go_on_without_any_sentinel() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        ShopKeys::page(1).set("x").await.unwrap();
        answer(&redis, 3).await;
        servers.sentinel(0).kill();
        servers.sentinel(1).pause();
        answer(&redis, 1).await;
        let health = redis.health().await;
        assert!(health.healthy);
        assert!(!health.sentinels.unwrap().has_majority);
        servers.sentinel(2).kill();
        answer(&redis, 0).await;
        // New connections use the last known master.
        servers.node(0).redis_cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        write_again(1).await;
        servers.sentinel(0).restart();
        servers.sentinel(1).resume();
        servers.sentinel(2).restart();
        answer(&redis, 3).await;
        assert!(sentinels(&redis).has_majority);
        write_again(2).await;
    });
}

#[test]
fn learned_sentinels_replace_the_configured_one() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0]), async |redis: Redis| {
        redis.ping().await.unwrap();
        answer(&redis, 3).await;
        servers.sentinel(0).kill();
        answer(&redis, 2).await;
        let switches = servers.switches();
        servers.node(0).kill();
        let first = block_in_place(|| switches.first());
        follows(&redis, &servers, first.node).await;
        write_again(1).await;
        assert_eq!(sentinels(&redis).known, 3);
    });
}

#[test]
fn a_minority_keeps_the_old_master_and_says_so() {
    // Sentinels that are cut off connect from another address.
    if !require_setting("bind-source-addr") {
        return;
    }
    let servers = RealSentinels::builder().links().start();
    // The program and the old master are on the same side as one sentinel.
    let island = [Party::Program, Party::Node(0), Party::Sentinel(0)];
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        ShopKeys::page(1).set("x").await.unwrap();
        answer(&redis, 3).await;
        servers.replicated();
        let switches = servers.switches();
        servers.separate(&island);
        let first = block_in_place(|| switches.first_of(1));
        answer(&redis, 1).await;
        assert_eq!(sentinels(&redis).master, Some(servers.node_address(0).to_string()));
        let health = redis.health().await;
        assert!(health.healthy && !health.sentinels.unwrap().has_majority);
        servers.reunite();
        follows(&redis, &servers, first.node).await;
        write_again(1).await;
        eventually("all sentinels answer again", async || sentinels(&redis).has_majority).await;
        assert_eq!(sentinels(&redis).switches, 1);
    });
}

#[test]
fn what_is_wrong_with_sentinels_is_explained() {
    let servers = RealSentinels::start();
    let addresses: Vec<_> = servers.sentinel_addresses().iter().map(ToString::to_string).collect();
    let wrong_name = Redis::builder().sentinel("other", addresses.clone()).unwrap();
    on(wrong_name, async |redis: Redis| {
        let error = redis.ping().await.unwrap_err();
        assert!(error.is_configuration(), "{error}");
        let text = error.to_string();
        assert!(text.contains("does not know a master named \"other\""), "{text}");
        assert!(addresses.iter().all(|address| text.contains(address)), "{text}");
        assert!(!redis.health().await.healthy);
    });
    let node = servers.node_address(1).to_string();
    on(Redis::builder().sentinel(RealSentinels::MASTER, [node]).unwrap(), async |redis: Redis| {
        let error = redis.ping().await.unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("is not a sentinel"), "{error}");
    });
    let down = Redis::builder().sentinel(RealSentinels::MASTER, ["127.0.0.1:1", "localhost:2"]).unwrap();
    on(down, async |redis: Redis| {
        let error = redis.ping().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1") && text.contains("localhost:2"), "{text}");
        assert!(text.contains("refused"), "{text}");
    });
}
