//! Tests of the real clusters.

use std::net::{TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::{Failover, RealCluster, shared_cluster, slot_tag};
use crate::resp::Reply;

fn key(slot: u16, name: &str) -> String {
    format!("{}{name}", slot_tag(slot))
}

fn keys(slot: u16, count: usize) -> Vec<String> {
    (0..count).map(|number| key(slot, &number.to_string())).collect()
}

fn set(cluster: &RealCluster, key: &str) {
    let slot = slot_of(cluster, key);
    assert_eq!(cluster.node(cluster.master_of(slot)).redis_cli(&["SET", key, key]), "OK");
}

fn slot_of(cluster: &RealCluster, key: &str) -> u16 {
    let node = cluster.live()[0];
    cluster.node(node).redis_cli(&["CLUSTER", "KEYSLOT", key]).parse().unwrap()
}

fn get(cluster: &RealCluster, node: usize, key: &str) -> Reply {
    cluster.node(node).client().call(&["GET", key]).unwrap()
}

fn value(key: &str) -> Reply {
    Reply::Bytes(key.as_bytes().to_vec())
}

fn starts(reply: &Reply, prefix: &str) -> bool {
    matches!(reply, Reply::Error(error) if error.starts_with(prefix))
}

#[test]
fn a_cluster_starts_with_equal_masters_and_their_replicas() {
    let cluster = shared_cluster();
    assert!(std::ptr::eq(cluster, shared_cluster()));
    assert_eq!((cluster.len(), cluster.live()), (6, vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(cluster.masters(), [0, 1, 2]);
    assert_eq!([0, 1, 2].map(|master| cluster.replicas_of(master)), [[3], [4], [5]]);
    assert_eq!(
        [0, 5460, 5461, 10_921, 10_922, 16_383].map(|slot| cluster.master_of(slot)),
        [0, 0, 1, 1, 2, 2]
    );
    assert_eq!(cluster.url(), cluster.node(0).url());
    let port = |node: usize| cluster.node(node).port();
    assert!(cluster.seeds_url().starts_with(&format!(
        "redis://127.0.0.1:{},127.0.0.1:{},",
        port(0),
        port(1)
    )));
    assert_eq!(cluster.seeds_url().matches(',').count(), 5);
    for node in cluster.live() {
        assert_eq!(cluster.node(node).redis_cli(&["CLUSTER", "MYID"]), cluster.id(node));
        assert!(cluster.node(node).redis_cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        assert_eq!(cluster.node(node).redis_cli(&["DBSIZE"]), "0");
    }
    for slot in [0, 1, 8191, 16_383] {
        assert_eq!(slot_of(cluster, &key(slot, "name")), slot);
    }
    cluster.replicated();
}

#[test]
fn the_shared_cluster_cannot_be_disturbed() {
    let cluster = shared_cluster();
    let disturbances: [&dyn Fn(); 8] = [
        &|| cluster.node(0).kill(),
        &|| cluster.node(0).pause(),
        &|| cluster.node(0).restart(),
        &|| cluster.failover(3, Failover::Graceful),
        &|| cluster.move_slot(0, 1),
        &|| _ = cluster.add_master(),
        &|| cluster.remove(3),
        &|| cluster.restart_all_elsewhere(),
    ];
    for disturb in disturbances {
        let refusal = catch_unwind(AssertUnwindSafe(disturb)).unwrap_err();
        assert!(refusal.downcast_ref::<&str>().unwrap().contains("must not be disturbed"));
    }
}

#[test]
fn the_ports_of_a_cluster_are_reserved() {
    let cluster = RealCluster::builder().masters(1).replicas(0).start();
    let server = cluster.node(0);
    let (port, bus) = (server.port(), server.port() + 10_000);
    assert!(TcpListener::bind(("127.0.0.1", bus)).is_err());
    server.kill();
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err());
    server.restart();
    assert_eq!(server.port(), port);
    cluster.settled();
}

#[test]
fn dropping_a_cluster_ends_paused_nodes_too() {
    let cluster = RealCluster::builder().replicas(0).start();
    let dirs: Vec<PathBuf> = cluster.live().iter().map(|node| cluster.node(*node).dir().to_owned()).collect();
    cluster.node(1).pause();
    assert_eq!(cluster.live(), [0, 2]);
    drop(cluster);
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

#[test]
fn a_cluster_fails_over_on_request() {
    let cluster = RealCluster::start();
    let kept = key(0, "kept");
    set(&cluster, &kept);
    let ways = [(3, 0, Failover::Graceful), (0, 3, Failover::Force), (3, 0, Failover::Takeover)];
    for (replica, master, how) in ways {
        cluster.replicated();
        cluster.failover(replica, how);
        assert_eq!(cluster.master_of(0), replica);
        assert!(cluster.masters().contains(&replica) && !cluster.masters().contains(&master));
        assert_eq!(get(&cluster, replica, &kept), value(&kept));
        assert!(starts(&get(&cluster, master, &kept), "MOVED 0 "));
        cluster.settled();
        assert_eq!(cluster.replicas_of(replica), [master]);
    }
    let refusal = catch_unwind(AssertUnwindSafe(|| cluster.failover(3, Failover::Force))).unwrap_err();
    assert_eq!(refusal.downcast_ref::<String>().unwrap(), "node 3 is not a replica");
}

#[test]
fn a_cluster_replaces_a_killed_master_and_a_paused_one() {
    let cluster = RealCluster::start();
    let kept = key(16_383, "kept");
    set(&cluster, &kept);
    cluster.replicated();
    cluster.node(2).kill();
    assert_eq!(cluster.promoted(2), 5);
    assert_eq!(cluster.promoted(2), 5);
    assert_eq!(get(&cluster, 5, &kept), value(&kept));
    assert_eq!(cluster.masters(), [0, 1, 5]);
    assert!(cluster.replicas_of(5).is_empty());
    cluster.node(2).restart();
    cluster.settled();
    assert_eq!(cluster.replicas_of(5), [2]);
    cluster.node(5).pause();
    assert_eq!(cluster.promoted(5), 2);
    cluster.settled();
    cluster.node(5).resume();
    cluster.settled();
    assert_eq!(cluster.replicas_of(2), [5]);
    assert_eq!(get(&cluster, 2, &kept), value(&kept));
}

#[test]
fn a_replica_of_a_paused_master_is_promoted_by_force() {
    let cluster = RealCluster::start();
    cluster.node(1).pause();
    cluster.failover(4, Failover::Force);
    assert_eq!(cluster.master_of(8000), 4);
    assert_eq!(cluster.promoted(1), 4);
    cluster.node(1).resume();
    cluster.settled();
    assert_eq!(cluster.replicas_of(4), [1]);
}

#[test]
fn a_cluster_notices_a_killed_replica() {
    let cluster = RealCluster::start();
    cluster.node(4).kill();
    cluster.settled();
    assert!(cluster.replicas_of(1).is_empty());
    cluster.node(4).restart();
    cluster.settled();
    assert_eq!(cluster.replicas_of(1), [4]);
}

#[test]
fn a_cluster_moves_a_slot_with_its_keys_there_and_back() {
    let cluster = RealCluster::builder().replicas(0).start();
    let keys = keys(100, 250);
    keys.iter().for_each(|key| set(&cluster, key));
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 0)] {
        cluster.move_slot(100, to);
        assert_eq!(cluster.master_of(100), to);
        for key in &keys {
            assert_eq!(get(&cluster, to, key), value(key));
        }
        assert!(starts(&get(&cluster, from, &keys[0]), "MOVED 100 "));
    }
    assert_eq!(cluster.master_of(99), 0);
}

#[test]
fn a_cluster_moves_a_slot_step_by_step() {
    let cluster = RealCluster::builder().replicas(0).start();
    let keys = keys(7, 5);
    keys.iter().for_each(|key| set(&cluster, key));
    let asked = |key: &str| {
        let mut client = cluster.node(1).client();
        assert_eq!(client.call(&["ASKING"]).unwrap(), Reply::Status("OK".to_owned()));
        client.call(&["GET", key]).unwrap()
    };

    let pending = cluster.begin_move(7, 1);
    assert_eq!((pending.from(), pending.to()), (0, 1));
    assert!(starts(&get(&cluster, 0, &key(7, "absent")), "ASK 7 "));
    pending.cancel();
    assert_eq!(get(&cluster, 0, &key(7, "absent")), Reply::Nil);

    let pending = cluster.begin_move(7, 1);
    assert_eq!(pending.move_keys(2), 2);
    cluster.settled();
    let left = keys.iter().filter(|key| get(&cluster, 0, key) == value(key)).count();
    assert_eq!(left, 3);
    for moved in keys.iter().filter(|key| starts(&get(&cluster, 0, key), "ASK 7 ")) {
        assert!(starts(&get(&cluster, 1, moved), "MOVED 7 "));
        assert_eq!(asked(moved), value(moved));
    }
    assert_eq!(cluster.master_of(7), 0);
    pending.finish();
    for key in &keys {
        assert_eq!(get(&cluster, 1, key), value(key));
        assert!(starts(&get(&cluster, 2, key), "MOVED 7 "));
    }

    let pending = cluster.begin_move(7, 2);
    assert_eq!(pending.move_keys(usize::MAX), 5);
    let refusal = catch_unwind(AssertUnwindSafe(|| pending.cancel())).unwrap_err();
    assert!(refusal.downcast_ref::<String>().unwrap().contains("keys were moved"));
}

#[test]
fn a_cluster_grows_and_shrinks() {
    let cluster = RealCluster::start();
    let kept = [key(0, "kept"), key(3000, "kept"), key(5460, "kept")];
    kept.iter().for_each(|key| set(&cluster, key));
    let added = cluster.add_master();
    assert_eq!((added, cluster.len()), (6, 7));
    assert_eq!(cluster.masters(), [0, 1, 2, 6]);
    cluster.move_slot(0, added);
    assert_eq!(get(&cluster, added, &kept[0]), value(&kept[0]));

    // The new master has the fewest slots, so it gets those of node 0, and its replica.
    cluster.remove(0);
    assert_eq!(cluster.members(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(cluster.masters(), [1, 2, 6]);
    assert_eq!(cluster.replicas_of(6), [3]);
    assert_eq!(cluster.url(), cluster.node(1).url());
    for key in &kept {
        assert_eq!(get(&cluster, 6, key), value(key));
    }
    cluster.remove(4);
    assert!(cluster.replicas_of(1).is_empty());
    assert_eq!(cluster.seeds_url().matches(',').count(), 4);
}

#[test]
fn a_cluster_restarts_on_other_ports() {
    let cluster = RealCluster::start();
    cluster.move_slot(0, 1);
    cluster.node(5).kill();
    let ports = |cluster: &RealCluster| -> Vec<u16> {
        cluster.members().iter().map(|node| cluster.node(*node).port()).collect()
    };
    let before = ports(&cluster);
    cluster.restart_all_elsewhere();
    let after = ports(&cluster);
    assert!(after.iter().all(|port| !before.contains(port)));
    assert_eq!(cluster.live(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(cluster.masters(), [0, 1, 2]);
    assert_eq!(cluster.replicas_of(2), [5]);
    assert_eq!(cluster.master_of(0), 1);
    assert_eq!(cluster.url(), format!("redis://127.0.0.1:{}", after[0]));
    for node in cluster.live() {
        assert_eq!(cluster.node(node).redis_cli(&["CLUSTER", "MYID"]), cluster.id(node));
    }
    let redirect = get(&cluster, 0, &key(0, "key"));
    assert_eq!(redirect, Reply::Error(format!("MOVED 0 127.0.0.1:{}", after[1])));
}
