//! Nodes that join, leave, or get other addresses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redis_keyspace::command::Reads;
use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::{RealCluster, clients_of_program, eventually};

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
        eventually("the node has left", async || {
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
            eventually("the cluster is found again", async || CartKeys::page(id).set("y").await.is_ok())
                .await;
        }
    });
}

/// Makes the handle ask for the nodes again.
async fn cause_redirection(cluster: &RealCluster, redis: &Redis) {
    let slot = slot_of(redis, &CartKeys::page(1));
    let to = cluster.masters().into_iter().find(|node| *node != cluster.master_of(slot)).unwrap();
    tokio::task::block_in_place(|| cluster.move_slot(slot, to));
    CartKeys::page(1).set("x").await.unwrap();
}

/// Runs commands on all masters while all nodes forget one that runs on. None fails, and the
/// connections to it are closed.
async fn forget_one_that_lives(cluster: &RealCluster, redis: &Redis, node: usize) {
    let counters = || (0..30).map(CartKeys::views);
    for counter in counters() {
        counter.incr().await.unwrap();
    }
    // These leave idle exclusive connections, to each master at least one.
    for counter in counters() {
        let watched = redis.watch(&counter, async |tx| {
            let count = tx.run(counter.get()).await?;
            Ok((count == 0).then(|| counter.incr()))
        });
        assert!(watched.await.unwrap().is_none());
    }
    let forgotten = cluster.node(node);
    assert!(clients_of_program(forgotten) > 0);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let counting = tokio::spawn(redis.clone().scope(async move {
        let mut rounds = 1;
        while !stopped.load(Ordering::Relaxed) {
            rounds += 1;
            for counter in counters() {
                assert_eq!(counter.incr().await.unwrap(), rounds);
            }
        }
        rounds
    }));
    tokio::task::block_in_place(|| cluster.forget(node));
    cause_redirection(cluster, redis).await;
    eventually("the connections to the node are closed", async || clients_of_program(forgotten) == 0).await;
    stop.store(true, Ordering::Relaxed);
    let rounds = counting.await.unwrap();
    assert!(forgotten.is_running());
    let address = forgotten.address().to_string();
    let nodes = &redis.stats().connections[0].nodes;
    assert!(!nodes.iter().any(|node| node.slots > 0 && node.endpoint.contains(&address)));
    for counter in counters() {
        assert_eq!(counter.get().await.unwrap(), rounds);
    }
}

#[test]
fn the_connections_to_a_live_node_that_all_others_forget_are_closed() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| forget_one_that_lives(&cluster, &redis, 2).await);
}

#[test]
fn the_connections_to_a_live_node_that_is_configured_are_closed_when_all_others_forget_it() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        assert!(cluster.url().contains(&cluster.node(0).address().to_string()));
        forget_one_that_lives(&cluster, &redis, 0).await;
    });
}

#[test]
fn the_connections_to_a_live_replica_that_all_others_forget_are_closed() {
    let cluster = RealCluster::builder().masters(2).start();
    on(builder(&cluster), async |redis: Redis| {
        Key::set_many((0..30).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        cluster.replicated();
        let master = cluster.masters()[0];
        let replica = cluster.replicas_of(master)[0];
        let forgotten = cluster.node(replica);
        let read_all = async || {
            for id in 0..30 {
                let page = CartKeys::page(id).get().reads(Reads::PreferReplica).await.unwrap();
                assert_eq!(page.as_deref(), Some("x"));
            }
        };
        eventually("the replica is read", async || {
            read_all().await;
            clients_of_program(forgotten) > 0
        })
        .await;
        tokio::task::block_in_place(|| cluster.forget(replica));
        cause_redirection(&cluster, &redis).await;
        eventually("the connections to the replica are closed", async || {
            read_all().await;
            clients_of_program(forgotten) == 0
        })
        .await;
        assert!(forgotten.is_running());
    });
}
