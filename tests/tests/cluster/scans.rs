//! Scans cover all masters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::RealCluster;

use crate::{CartKeys, builder, on, on_cluster, slot_of};

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

#[test]
fn a_scan_finds_every_key_while_slots_move_to_and_fro() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        // Many keys in one slot, and some in others.
        let slot = slot_of(&redis, &CartKeys::user(7));
        Key::set_many((0..200).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        let slots: BTreeSet<_> =
            (0..200).map(|id| slot_of(&redis, &CartKeys::page(id))).take(20).chain([slot]).collect();
        let is_over = AtomicBool::new(false);
        let masters = cluster.masters();
        std::thread::scope(|threads| {
            let moving = threads.spawn(|| {
                let mut moves = 0;
                while !is_over.load(Ordering::Relaxed) {
                    for &slot in &slots {
                        let from = cluster.master_of(slot);
                        let place = masters.iter().position(|node| *node == from).unwrap();
                        cluster.move_slot(slot, masters[(place + 1) % masters.len()]);
                        moves += 1;
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
                moves
            });
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    for nth in 0..30 {
                        let mut scan = CartKeys::page_keys().page_size(10).scan();
                        let mut found = BTreeSet::new();
                        while let Some(key) = scan.next().await {
                            match key {
                                Ok(key) => assert!(found.insert(key.key().to_string()), "twice"),
                                Err(error) => panic!("{error}"),
                            }
                        }
                        assert_eq!(found.len(), 200, "scan {nth}");
                    }
                });
            });
            is_over.store(true, Ordering::Relaxed);
            assert!(moving.join().unwrap() > 0);
        });
    });
}
