//! Masters that are killed, restarted, paused or replaced under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis_keyspace::channel::Event;
use redis_keyspace::{Redis, redis};
use redis_keyspace_tests::{RealSentinels, eventually};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

use crate::{ShopKeys, answer, builder, follows, on, sentinels, write_again, writes};

#[test]
fn a_killed_master_is_replaced_and_not_used_after_its_restart() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1]), async |redis: Redis| {
        ShopKeys::page(1).set("kept").await.unwrap();
        answer(&redis, 3).await;
        servers.replicated();
        let switches = servers.switches();
        servers.node(0).kill();
        let first = block_in_place(|| switches.first());
        follows(&redis, &servers, first.node).await;
        servers.node(0).restart();
        // It reports the role of a master and accepts writes for about ten seconds.
        let witness = writes(&servers, 0);
        write_again(2).await;
        assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("kept"));
        assert_eq!(witness.executed(), []);
        assert_eq!(sentinels(&redis).switches, 1);
        assert!(redis.health().await.healthy);
    });
}

#[test]
fn a_paused_master_is_replaced_and_not_used_when_it_resumes() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        ShopKeys::views(1).incr().await.unwrap();
        answer(&redis, 3).await;
        servers.replicated();
        let switches = servers.switches();
        servers.node(0).pause();
        let stuck = tokio::spawn(redis.scope(async { ShopKeys::views(1).incr().await }));
        let first = block_in_place(|| switches.first());
        follows(&redis, &servers, first.node).await;
        // The connection to the silent master is not waited for, and the outcome is unknown.
        let error = stuck.await.unwrap().unwrap_err();
        assert!(error.is_connection_lost(), "{error}");
        write_again(1).await;
        servers.node(0).resume();
        let witness = writes(&servers, 0);
        write_again(2).await;
        assert_eq!(witness.executed(), []);
    });
}

#[test]
fn a_failover_under_load_leaves_the_old_master_at_once() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]).retries(0), async |redis: Redis| {
        answer_and_connect(&redis).await;
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let workers: Vec<_> = (0..16)
            .map(|id| {
                let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
                tokio::spawn(redis.scope(async move {
                    let mut last = 0;
                    while !stop.load(Ordering::Relaxed) {
                        if let Ok(count) = ShopKeys::views(id).incr().await {
                            // No reply of another caller, and no increment that ran twice: the old
                            // master may have counted further than what it passed on.
                            assert!(count <= last + 1, "{count} after {last}");
                            last = count;
                            written.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }))
            })
            .collect();
        let switches = servers.switches();
        servers.failover(1);
        let last = block_in_place(|| switches.last(&[0, 1, 2]));
        follows(&redis, &servers, last.node).await;
        // Commands that were sent before may still arrive: let each worker get a new answer.
        let before = written.load(Ordering::Relaxed);
        eventually("the load goes on", async || written.load(Ordering::Relaxed) > before + 100).await;
        let witness = writes(&servers, 0);
        let before = written.load(Ordering::Relaxed);
        eventually("the load goes on", async || written.load(Ordering::Relaxed) > before + 1000).await;
        assert_eq!(witness.executed().len(), 0, "the old master got writes");
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

async fn answer_and_connect(redis: &Redis) {
    redis.connect().await.unwrap();
    answer(redis, 3).await;
}

#[test]
fn a_connection_that_is_lent_does_not_reach_the_old_master() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        answer_and_connect(&redis).await;
        let (lent, is_lent) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let work = async move |mut connection| {
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            lent.send(()).unwrap();
            may_go_on.await.unwrap();
            redis::cmd("SET").arg(":shop:raw").arg("lost").query_async::<()>(&mut connection).await
        };
        let using = tokio::spawn({
            let redis = redis.clone();
            async move { redis.raw(work).await }
        });
        is_lent.await.unwrap();
        let switches = servers.switches();
        servers.failover(0);
        let first = block_in_place(|| switches.first());
        follows(&redis, &servers, first.node).await;
        go_on.send(()).unwrap();
        let error = using.await.unwrap().unwrap_err();
        assert!(
            error.is_connection_lost() || error.kind() == redis_keyspace::ErrorKind::Unavailable,
            "{error}"
        );
        for node in servers.live_nodes() {
            assert_eq!(servers.node(node).redis_cli(&["EXISTS", ":shop:raw"]), "0");
        }
        let set = async |mut connection| {
            redis::cmd("SET").arg(":shop:raw").arg("x").query_async::<()>(&mut connection).await
        };
        redis.raw(set).await.unwrap();
        assert_eq!(servers.node(first.node).redis_cli(&["GET", ":shop:raw"]), "x");
        assert_eq!(servers.node(0).redis_cli(&["EXISTS", ":shop:raw"]), "0");
    });
}

#[test]
fn subscriptions_move_to_the_new_master() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        answer_and_connect(&redis).await;
        let mut news = ShopKeys::news(1).subscribe().await.unwrap();
        let wire = redis.wire_key(&ShopKeys::news(1)).unwrap();
        let subscribers = |node: usize| {
            let counted = servers.node(node).redis_cli(&["PUBSUB", "NUMSUB", &wire]);
            counted.lines().last().and_then(|count| count.parse::<u32>().ok())
        };
        assert_eq!(subscribers(0), Some(1));
        servers.replicated();
        let switches = servers.switches();
        servers.failover(0);
        let first = block_in_place(|| switches.first());
        follows(&redis, &servers, first.node).await;
        while !matches!(news.next().await.unwrap(), Ok(Event::Resubscribed)) {}
        eventually("it is at the new master", async || subscribers(first.node) == Some(1)).await;
        eventually("it is published", async || ShopKeys::news(1).publish("x").await.is_ok()).await;
        while !matches!(news.next().await.unwrap(), Ok(Event::Message(text)) if text == "x") {}
        eventually("the old master has no subscription", async || subscribers(0) == Some(0)).await;
    });
}
