//! Masters that are killed or frozen.

use std::time::Duration;

use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::{RealCluster, eventually};

use crate::{CartKeys, builder, on, slot_of};

/// Returns an id whose key is on this node, and one whose key is elsewhere.
fn ids(cluster: &RealCluster, redis: &Redis, node: usize) -> (u64, u64) {
    let is_there = |id: &u64| cluster.master_of(slot_of(redis, &CartKeys::views(*id))) == node;
    let (there, elsewhere) = ((0..).find(is_there), (0..).find(|id| !is_there(id)));
    (there.unwrap(), elsewhere.unwrap())
}

fn survives(fault: impl Fn(&RealCluster, usize), repair: impl Fn(&RealCluster, usize)) {
    let cluster = RealCluster::start();
    // Other shards go on while one has no master.
    for node in cluster.members() {
        assert_eq!(
            cluster.node(node).redis_cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]),
            "OK"
        );
    }
    on(builder(&cluster).timeout(Duration::from_secs(2)), async |redis: Redis| {
        redis.connect().await.unwrap();
        let master = cluster.masters()[1];
        let (lost, kept) = ids(&cluster, &redis, master);
        CartKeys::views(lost).incr().await.unwrap();
        Key::set_many((0..30).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        cluster.replicated();
        fault(&cluster, master);
        // The other nodes answer as before.
        for nth in 1..100 {
            assert_eq!(CartKeys::views(kept).incr().await.unwrap(), nth);
        }
        let promoted = tokio::task::block_in_place(|| cluster.promoted(master));
        eventually("the keys of the lost master can be written", async || {
            CartKeys::page(lost).set("y").await.is_ok() && CartKeys::views(lost).incr().await.is_ok()
        })
        .await;
        let pages = Key::get_many((0..30).map(CartKeys::page)).await.unwrap();
        assert_eq!(pages.iter().flatten().count(), 30);
        assert!(cluster.masters().contains(&promoted));
        repair(&cluster, master);
        tokio::task::block_in_place(|| cluster.settled());
        for id in 0..30 {
            CartKeys::page(id).set("z").await.unwrap();
        }
        assert_eq!(CartKeys::views(kept).incr().await.unwrap(), 100);
    });
}

#[test]
fn a_killed_master_is_replaced() {
    survives(|cluster, master| cluster.node(master).kill(), |cluster, master| cluster.node(master).restart());
}

#[test]
fn a_frozen_master_is_replaced() {
    survives(|cluster, master| cluster.node(master).pause(), |cluster, master| cluster.node(master).resume());
}
