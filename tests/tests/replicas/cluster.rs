//! Reads from the replicas of a cluster.

use std::time::Duration;

use redis_keyspace::{Bytes, ErrorKind, Key, Redis, Script};
use redis_keyspace_tests::{Failover, RealCluster, eventually};

use crate::{ShopKeys, count, on, reads, uses};

#[test]
fn reads_of_all_slots_use_replicas() {
    let cluster = RealCluster::start();
    on(Redis::builder().url(&cluster.url()).unwrap(), async |redis: Redis| {
        Key::set_many((0..60).map(|id| (ShopKeys::page(id), "page"))).await.unwrap();
        cluster.replicated();
        uses(&redis, 3).await;
        let masters = cluster.masters();
        let of_masters: Vec<_> = masters.iter().map(|&node| reads(cluster.node(node))).collect();
        let replicas = masters.iter().flat_map(|&master| cluster.replicas_of(master));
        let of_replicas: Vec<_> = replicas.map(|node| reads(cluster.node(node))).collect();
        for id in 0..60 {
            assert_eq!(ShopKeys::page(id).get().await.unwrap().as_deref(), Some("page"));
        }
        eventually("the replicas answer", async || count(&of_replicas) == 60).await;
        let pages = Key::get_many((0..60).map(ShopKeys::page)).await.unwrap();
        assert_eq!(pages.iter().flatten().count(), 60);
        assert_eq!(count(&of_masters), 0);
        // A miss is confirmed by the master.
        assert_eq!(ShopKeys::page(1000).get().await.unwrap(), None);
        eventually("the master confirms a miss", async || count(&of_masters) == 1).await;
        // Writes on a connection that reads from a replica are never tried.
        ShopKeys::page(1).set("new").await.unwrap();
        assert!(redis.stats().connections[0].nodes.iter().filter(|node| node.replica.is_some()).count() == 3);
    });
}

/// Reads a key with a command that the program chooses.
#[derive(Script)]
#[script(source = "return redis.call('STRLEN', KEYS[1]) + 1000", returns = u64, read_only)]
struct LengthPlus {
    key: Key<ShopKeys, Bytes>,
}

#[test]
fn a_key_that_moves_to_another_node_is_not_missing() {
    let cluster = RealCluster::start();
    on(Redis::builder().url(&cluster.url()).unwrap(), async |redis: Redis| {
        Key::set_many((0..60).map(|id| (ShopKeys::page(id), "page"))).await.unwrap();
        let (photo, seats) = (ShopKeys::photo(3), ShopKeys::seats(3));
        photo.set(b"photo").await.unwrap();
        seats.set_bit(5, true).await.unwrap();
        cluster.replicated();
        uses(&redis, 3).await;
        let begin_move = |wire: &str| {
            let slot: u16 = cluster.node(0).redis_cli(&["CLUSTER", "KEYSLOT", wire]).parse().unwrap();
            let from = cluster.master_of(slot);
            let to = cluster.masters().into_iter().find(|&node| node != from).unwrap();
            let moving = cluster.begin_move(slot, to);
            assert!(moving.move_keys(1000) > 0);
            moving
        };
        let moving_tag = begin_move(&redis.wire_key(&photo).unwrap());
        for _ in 0..20 {
            assert_eq!(photo.get_range(1..3).await.unwrap(), b"ho"[..]);
            assert_eq!(seats.bit_pos(true, ..).await.unwrap(), Some(5));
            assert_eq!(LengthPlus { key: photo.clone() }.run().await.unwrap(), 1005);
            let part = photo.raw("GETRANGE").arg(0).arg(1).read_only().query::<String>();
            assert_eq!(part.await.unwrap(), "ph");
        }
        moving_tag.finish();
        let moving = begin_move(&redis.wire_key(&ShopKeys::page(3)).unwrap());
        for _ in 0..20 {
            assert_eq!(ShopKeys::page(3).get().await.unwrap().as_deref(), Some("page"));
            let pages = Key::get_many((0..60).map(ShopKeys::page)).await.unwrap();
            assert_eq!(pages.iter().flatten().count(), 60);
        }
        moving.finish();
        for _ in 0..20 {
            assert_eq!(ShopKeys::page(3).get().await.unwrap().as_deref(), Some("page"));
        }
    });
}

#[test]
fn reads_go_on_when_a_master_is_replaced() {
    let cluster = RealCluster::start();
    on(Redis::builder().url(&cluster.url()).unwrap(), async |redis: Redis| {
        Key::set_many((0..30).map(|id| (ShopKeys::near(id), "near"))).await.unwrap();
        cluster.replicated();
        uses(&redis, 3).await;
        let master = cluster.masters()[0];
        cluster.node(master).kill();
        tokio::task::block_in_place(|| cluster.promoted(master));
        eventually("all keys can be read", async || {
            let read = Key::get_many((0..30).map(ShopKeys::near)).await;
            read.is_ok_and(|values| values.iter().flatten().count() == 30)
        })
        .await;
        uses(&redis, 2).await;
    });
}

#[test]
fn a_write_to_a_cluster_waits_for_the_replica_of_its_slot() {
    let cluster = RealCluster::start();
    on(Redis::builder().url(&cluster.url()).unwrap(), async |redis: Redis| {
        let limit = Duration::from_secs(20);
        for id in 0..20 {
            ShopKeys::page(id).set("page").wait_replicas(1, limit).await.unwrap();
        }
        let error = ShopKeys::page(1).set("x").wait_replicas(2, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReplicated);
        let pages = (0..20).map(|id| (ShopKeys::page(id), "x"));
        let error = Key::set_many(pages).wait_replicas(1, limit).await.unwrap_err();
        assert!(error.to_string().contains("must be in the same slot"), "{error}");
        let wire = redis.wire_key(&ShopKeys::page(3)).unwrap();
        let slot: u16 = cluster.node(0).redis_cli(&["CLUSTER", "KEYSLOT", &wire]).parse().unwrap();
        let to = cluster.masters().into_iter().find(|&node| node != cluster.master_of(slot)).unwrap();
        let moving = cluster.begin_move(slot, to);
        moving.move_keys(1000);
        let writing = tokio::spawn(
            redis.scope(async move { ShopKeys::page(3).set("moved").wait_replicas(1, limit).await }),
        );
        moving.finish();
        writing.await.unwrap().unwrap();
        cluster.settled();
        // The node of a slot that moved is found by its redirection.
        let slot_owner = cluster.masters()[0];
        cluster.failover(cluster.replicas_of(slot_owner)[0], Failover::Graceful);
        cluster.settled();
        for id in 0..20 {
            ShopKeys::page(id).set("again").wait_replicas(1, limit).await.unwrap();
        }
    });
}
