//! Scans cover all masters.

use std::collections::BTreeSet;

use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::RealCluster;

use crate::{CartKeys, LIMIT, builder, on, on_cluster, slot_of};

#[test]
fn a_scan_finds_the_keys_of_all_nodes() {
    on_cluster(async |redis: Redis| {
        Key::set_many((0..500).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        CartKeys::blob(1).set(b"other").await.unwrap();
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), 500);
        let mut scan = CartKeys::page_keys().page_size(20).scan();
        let mut found = BTreeSet::new();
        while let Some(key) = scan.next().await.transpose().unwrap() {
            assert!(found.insert(key.key().to_string()), "twice: {}", key.key());
        }
        assert_eq!(found.len(), 500);
        let mut values = CartKeys::page_keys().values();
        let mut read = 0;
        while let Some(value) = values.next().await {
            assert_eq!(value.unwrap().1, "x");
            read += 1;
        }
        assert_eq!(read, 500);
        let expired = CartKeys::page_keys().all().expire(std::time::Duration::from_secs(500)).await.unwrap();
        assert_eq!((expired.affected, expired.finished), (500, true));
        let mut fraction = 0.0;
        let deleted = CartKeys::page_keys().all().delete().page_size(50);
        let deleted = deleted.on_progress(|progress| fraction = progress.fraction()).await.unwrap();
        assert_eq!((deleted.affected, deleted.matched, deleted.finished), (500, 500, true));
        assert!(deleted.total >= 501, "the keys of all nodes: {deleted:?}");
        assert!((fraction - 1.0).abs() < f64::EPSILON);
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), 0);
        assert_eq!(CartKeys::blob(1).get().await.unwrap().as_deref(), Some(&b"other"[..]));
        drop(redis);
    });
}

/// Loads values on all nodes. They must not be stored if this runs meanwhile.
fn ends_loads(sweep: impl AsyncFnOnce()) {
    on_cluster(async |redis: Redis| {
        let (loading, mut loads) = tokio::sync::mpsc::unbounded_channel();
        let (release, gate) = tokio::sync::watch::channel(false);
        let loads_of = |id| {
            let (loading, mut gate) = (loading.clone(), gate.clone());
            CartKeys::kept(id).on(&redis).get_or_set(async move || {
                loading.send(id).unwrap();
                gate.wait_for(|open| *open).await.unwrap();
                "old".to_owned()
            })
        };
        let fills: Vec<_> =
            (0..12).map(|id| tokio::spawn(loads_of(id).across_processes().into_future())).collect();
        for _ in 0..12 {
            loads.recv().await.unwrap();
        }
        sweep().await;
        release.send(true).unwrap();
        for fill in fills {
            assert_eq!(fill.await.unwrap().unwrap(), "old");
        }
        assert_eq!(CartKeys::kept_keys().count().await.unwrap(), 0, "an outdated value was stored");
    });
}

#[test]
fn deleting_a_pattern_ends_loads_on_all_nodes() {
    ends_loads(async || _ = CartKeys::kept_keys().all().delete().await.unwrap());
    ends_loads(async || _ = CartKeys::delete_pattern("kept:*").await.unwrap());
}

#[test]
fn expiring_a_pattern_ends_loads_on_all_nodes() {
    ends_loads(async || _ = CartKeys::kept_keys().all().expire(LIMIT).await.unwrap());
}

#[test]
fn deleting_a_pattern_ends_no_running_work() {
    on_cluster(async |redis: Redis| {
        let again = async |id| {
            let run = CartKeys::paid(id).run(async || panic!("the work runs twice"));
            run.await.unwrap_err().kind()
        };
        for id in 0..6 {
            let work = async || {
                CartKeys::paid_keys().all().expire(LIMIT).await.unwrap();
                CartKeys::paid_keys().all().delete().await.unwrap();
                CartKeys::delete_pattern("*").await.unwrap();
                assert_eq!(again(id).await, ErrorKind::InProgress);
                "done".to_owned()
            };
            assert_eq!(CartKeys::paid(id).run(work).payload_bytes("a").await.unwrap(), "done");
            let other = CartKeys::paid(id).run(async || panic!("it has run")).payload_bytes("b").await;
            assert_eq!(other.unwrap_err().kind(), ErrorKind::PayloadMismatch);
        }
        drop(redis);
    });
}

#[test]
fn a_scan_finds_keys_that_move_to_a_node_without_slots() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        // The keys of one slot are on two nodes, one of which serves no slot yet.
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        CartKeys::views(7).incr().await.unwrap();
        let slot = slot_of(&redis, &CartKeys::user(7));
        let added = tokio::task::block_in_place(|| cluster.add_master());
        let slot_move = tokio::task::block_in_place(|| cluster.begin_move(slot, added));
        for expected in [[1, 1], [1, 1], [1, 1]] {
            let found =
                [CartKeys::user_keys().count().await.unwrap(), CartKeys::views_keys().count().await.unwrap()];
            assert_eq!(found, expected);
            slot_move.move_keys(1);
        }
        // Its connections are used again for each redirected command.
        let connections = || -> u64 {
            let info = cluster.node(added).redis_cli(&["INFO", "stats"]);
            let mut lines = info.lines().map(str::trim);
            lines.find_map(|line| line.strip_prefix("total_connections_received:")?.parse().ok()).unwrap()
        };
        let before = connections();
        for nth in 2..50 {
            assert_eq!(CartKeys::views(7).incr().await.unwrap(), nth);
        }
        let made = connections() - before;
        assert!(made < 20, "{made} connections for 48 commands");
        slot_move.finish();
        assert_eq!(CartKeys::user_keys().all().delete().await.unwrap().affected, 1);
    });
}

#[test]
fn a_dry_run_counts_the_keys_of_slots_that_move_once() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        let items = (0..20).flat_map(|cart| (0..3).map(move |id| CartKeys::item(cart, id)));
        Key::set_many(items.map(|item| (item, "x"))).await.unwrap();
        let slot = slot_of(&redis, &CartKeys::item(7, 0));
        let next = || {
            let (masters, from) = (cluster.masters(), cluster.master_of(slot));
            masters.into_iter().find(|node| *node != from).unwrap()
        };
        // The slot moves after all its keys were counted.
        let mut is_moved = false;
        let preview = CartKeys::item_keys().all().delete().dry_run().on_progress(|progress| {
            if progress.matched == 60 && !std::mem::replace(&mut is_moved, true) {
                tokio::task::block_in_place(|| cluster.move_slot(slot, next()));
            }
        });
        let preview = preview.await.unwrap();
        assert_eq!((preview.matched, preview.affected, preview.finished), (60, 0, true));
        assert!(is_moved);

        // The keys move after they were counted, and the slot does not.
        let slot_move = tokio::task::block_in_place(|| cluster.begin_move(slot, next()));
        let mut is_moved = false;
        let preview = CartKeys::item_keys().all().delete().dry_run().on_progress(|progress| {
            if progress.matched == 60 && !std::mem::replace(&mut is_moved, true) {
                assert_eq!(tokio::task::block_in_place(|| slot_move.move_keys(10)), 3);
            }
        });
        assert_eq!(preview.await.unwrap().matched, 60);
        assert!(is_moved);
        slot_move.finish();
    });
}
