//! Sentinels and masters whose replies the tests choose.

use std::time::{Duration, Instant};

use redis_keyspace::{ErrorKind, Redis, RedisBuilder, redis};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, switch_master};
use redis_keyspace_tests::{PATIENCE, eventually};

use crate::{LIMIT, ShopKeys, on, sentinels};

/// A sentinel that names the first of two servers.
fn servers() -> [ScriptedNode; 3] {
    let [sentinel, first, second] = [(); 3].map(|()| ScriptedNode::start());
    sentinel.watch(&[]);
    sentinel.name(&first, 1, 0);
    [sentinel, first, second]
}

fn builder(sentinel: &ScriptedNode) -> RedisBuilder {
    let address = format!("127.0.0.1:{}", sentinel.port());
    let builder = Redis::builder().sentinel("mymaster", [address]).unwrap().timeout(LIMIT);
    builder.retries(0).breaker(0, LIMIT)
}

fn replica_is_not_used(reports: impl Fn(&ScriptedNode, &str)) {
    let [sentinel, named, _] = servers();
    on(builder(&sentinel), async |redis| {
        let is_rejected = async || {
            let error = ShopKeys::page(1).set("x").await.unwrap_err();
            let is_replica = error.to_string().contains("is a replica now");
            (error.kind() == ErrorKind::Unavailable && is_replica).then_some(()).ok_or(error)
        };
        reports(&named, "slave");
        is_rejected().await.unwrap();
        let set = async |mut connection| {
            redis::cmd("SET").arg("raw").arg("x").query_async::<()>(&mut connection).await
        };
        let error = redis.raw(set).await.unwrap_err();
        assert!(error.to_string().contains("is a replica now"), "{error}");
        assert_eq!(named.received("SET"), 0);

        reports(&named, "master");
        ShopKeys::page(1).set("x").await.unwrap();
        redis.raw(set).await.unwrap();
        assert_eq!(named.received("SET"), 2);

        // Each new connection is checked.
        reports(&named, "slave");
        named.cut_all();
        eventually("the server is rejected again", async || is_rejected().await.is_ok()).await;
    });
}

#[test]
fn a_replica_that_a_sentinel_names_is_not_used() {
    replica_is_not_used(|named, role| {
        named.reply("ROLE", &list(&[bulk(role), bulk("127.0.0.1"), ":1\r\n".to_owned()]));
    });
}

#[test]
fn a_replica_that_knows_hello_is_not_used() {
    replica_is_not_used(|named, role| {
        let role = if role == "slave" { "replica" } else { role };
        let fields = ["mode", "standalone", "role", role].map(bulk).concat();
        named.reply("HELLO", &format!("%2\r\n{fields}"));
        // It must not be needed.
        named.reply("ROLE", "-NOPERM no\r\n");
    });
}

/// Lets the runtime work until something holds. Its clock may stand still.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_switch_that_is_announced_is_followed_at_once() {
    let [sentinel, old, new] = servers();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // The clock stands still as long as this blocks, so no sentinel is asked regularly.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || ended.recv());
        let redis = builder(&sentinel).build().unwrap();
        redis
            .scope(async {
                ShopKeys::page(1).set("x").await.unwrap();
                let asked = || sentinel.received("SENTINEL MASTER");
                until("the sentinel listens", || sentinel.received("SUBSCRIBE +switch-master") > 0).await;
                sentinel.name(&new, 2, 0);
                let before = asked();
                sentinel.send(&switch_master("other", &old, &new));
                let start = Instant::now();
                until("the other switch is ignored", || start.elapsed() > Duration::from_millis(100)).await;
                assert_eq!((asked(), sentinels(&redis).switches), (before, 0));

                sentinel.send(&switch_master("mymaster", &old, &new));
                until("the switch is known", || sentinels(&redis).switches == 1).await;
                ShopKeys::page(1).set("y").await.unwrap();
                assert_eq!((old.received("SET"), new.received("SET")), (1, 1));
            })
            .await;
        drop(end);
    });
}
