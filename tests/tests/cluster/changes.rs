//! Nodes that join, leave, or get other addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::RealCluster;

use crate::{CartKeys, builder, on, slot_of};

#[test]
fn nodes_join_and_leave_while_commands_run() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        Key::set_many((0..60).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        let slot = slot_of(&redis, &CartKeys::page(1));
        let (added, old) = tokio::task::block_in_place(|| (cluster.add_master(), cluster.master_of(slot)));
        tokio::task::block_in_place(|| cluster.move_slot(slot, added));
        CartKeys::page(1).set("moved").await.unwrap();
        assert_eq!(cluster.node(added).redis_cli(&["DBSIZE"]), "1");
        let counting = tokio::spawn(redis.clone().scope(async {
            for nth in 1..=200 {
                for id in 0..6 {
                    assert_eq!(CartKeys::views(id).incr().await.unwrap(), nth);
                }
            }
        }));
        let connects = || redis.stats().connections[0].connects;
        let before = connects();
        tokio::task::block_in_place(|| cluster.remove(old));
        counting.await.unwrap();
        let removed = cluster.node(old).address().to_string();
        redis_keyspace_tests::eventually("the node has left", async || {
            // The configured node stays listed, without slots.
            let nodes = &redis.stats().connections[0].nodes;
            !nodes.iter().any(|node| node.slots > 0 && node.endpoint.contains(&removed))
        })
        .await;
        assert!(connects() >= before, "counters never shrink");
        for id in 0..60 {
            assert!(CartKeys::page(id).get().await.unwrap().is_some(), "{id}");
        }
    });
}

#[test]
fn all_nodes_may_get_other_addresses_behind_the_same_names() {
    let cluster = RealCluster::builder().replicas(0).start();
    // A name for each node, which leads to its current port.
    let ports: Arc<Mutex<HashMap<u16, u16>>> = Arc::default();
    let names: Vec<u16> = cluster.members().iter().map(|node| cluster.node(*node).port()).collect();
    let map = Arc::clone(&ports);
    let translate = move |host: &str, port: u16| {
        (host.to_owned(), map.lock().unwrap().get(&port).copied().unwrap_or(port))
    };
    on(builder(&cluster).address_map(translate), async |_| {
        CartKeys::page(1).set("x").await.unwrap();
        tokio::task::block_in_place(|| cluster.restart_all_elsewhere());
        let now = cluster.members().into_iter().map(|node| cluster.node(node).port());
        ports.lock().unwrap().extend(names.iter().copied().zip(now));
        for id in 0..60 {
            redis_keyspace_tests::eventually("the cluster is found again", async || {
                CartKeys::page(id).set("y").await.is_ok()
            })
            .await;
        }
    });
}
