//! Scans and watches while slots move from master to master.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::{Error, Key, Redis};
use redis_keyspace_tests::RealCluster;
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::foreign_keys::ForeignKeys;
use crate::{CartKeys, builder, on, slot_of};

/// Runs `body` while each slot moves from master to master. The argument counts the moves.
async fn while_moving<F>(cluster: &RealCluster, slots: &[u16], body: impl FnOnce(watch::Receiver<u64>) -> F)
where
    F: Future<Output = ()>,
{
    let masters = cluster.masters();
    let (moved, moves) = watch::channel(0);
    std::thread::scope(|threads| {
        threads.spawn(move || {
            let next = slots.iter().cycle().take_while(|_| moved.receiver_count() > 0);
            for (slot, nth) in next.zip(1..) {
                let from = cluster.master_of(*slot);
                let place = masters.iter().position(|node| *node == from).unwrap();
                cluster.move_slot(*slot, masters[(place + 1) % masters.len()]);
                moved.send_replace(nth);
            }
        });
        // The moves end when the receiver is dropped, also by a panic.
        block_in_place(|| tokio::runtime::Handle::current().block_on(body(moves)));
    });
}

#[test]
fn a_scan_finds_every_key() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        // Many keys in one slot, and some in others.
        let slot = slot_of(&redis, &CartKeys::user(7));
        Key::set_many((0..200).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        let slots: BTreeSet<_> =
            (0..200).map(|id| slot_of(&redis, &CartKeys::page(id))).take(20).chain([slot]).collect();
        let slots: Vec<_> = slots.into_iter().collect();
        while_moving(&cluster, &slots, async |moves| {
            for nth in 0..30 {
                let mut scan = CartKeys::page_keys().page_size(10).scan();
                let mut found = BTreeSet::new();
                while let Some(key) = scan.next().await {
                    assert!(found.insert(key.unwrap().key().to_string()), "twice");
                }
                assert_eq!(found.len(), 200, "scan {nth}");
            }
            assert!(*moves.borrow() > 0);
        })
        .await;
    });
}

#[test]
fn keys_are_deleted_and_expired_by_pattern() {
    const MANY: u64 = 200;
    const LIFETIME: Duration = Duration::from_secs(600);
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        let pages = || (0..MANY).map(|id| (CartKeys::page(id), "x"));
        Key::set_many(pages()).await.unwrap();
        let foreign = block_in_place(|| ForeignKeys::create(&cluster, &redis));
        let slots: BTreeSet<_> = (0..15)
            .flat_map(|id| [slot_of(&redis, &CartKeys::page(id)), slot_of(&redis, &CartKeys::blob(id))])
            .collect();
        let slots: Vec<_> = slots.into_iter().collect();
        while_moving(&cluster, &slots, async |mut moves| {
            for nth in 0..20 {
                Key::set_many(pages()).await.unwrap();
                moves.mark_unchanged();
                let expired = CartKeys::page_keys().all().expire(LIFETIME).page_size(10).await.unwrap();
                // A key of a slot that moves may count twice.
                assert!(expired.finished && expired.affected >= MANY, "{nth}: {expired:?}");
                for id in 0..MANY {
                    let ttl = CartKeys::page(id).ttl().await.unwrap().remaining();
                    assert!(ttl.is_some_and(|ttl| ttl <= LIFETIME), "{nth}: {ttl:?}");
                }
                let deleted = CartKeys::page_keys().all().delete().page_size(10).await.unwrap();
                assert_eq!((deleted.affected, deleted.finished), (MANY, true), "{nth}: {deleted:?}");
                assert!(deleted.skipped >= ForeignKeys::MATCHED, "{nth}: {deleted:?}");
                assert_eq!(CartKeys::page_keys().count().await.unwrap(), 0, "{nth}");

                // A raw glob ignores templates.
                Key::set_many((0..MANY).map(|id| (CartKeys::blob(id), *b"x"))).await.unwrap();
                let deleted = CartKeys::delete_pattern("blob:*").page_size(10).await.unwrap();
                assert_eq!((deleted.affected, deleted.finished), (MANY, true), "{nth}: {deleted:?}");
                assert_eq!(CartKeys::blob_keys().count().await.unwrap(), 0, "{nth}");
                moves.changed().await.unwrap();
            }
        })
        .await;
        block_in_place(|| foreign.are_unchanged());
    });
}

#[test]
fn a_scan_of_a_collection_finds_every_element() {
    const MANY: u32 = 2000;
    let members = || (0..MANY).map(u64::from);
    let scores = || (0..MANY).map(|nth| (u64::from(nth), f64::from(nth)));
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        let (prices, ranks, guests) = (CartKeys::prices(7), CartKeys::ranks(7), CartKeys::guests(7));
        prices.hset_many(members().map(|nth| (nth, nth + 1)).collect::<BTreeMap<_, _>>()).await.unwrap();
        ranks.zadd_many(scores().collect::<Vec<_>>()).await.unwrap();
        guests.sadd_many(members()).await.unwrap();
        while_moving(&cluster, &[slot_of(&redis, &prices)], async |mut moves| {
            // Each scan sees at least one move between two of its pages: not one before it.
            let mut moved = async || {
                moves.mark_unchanged();
                moves.changed().await.unwrap();
            };
            let mut found = BTreeMap::new();
            let mut scan = prices.hscan().batch(50);
            while let Some(entry) = scan.next().await {
                let (field, value) = entry.unwrap();
                assert_eq!(found.insert(field, value), None, "each once");
                if found.len() == 300 {
                    moved().await;
                }
            }
            assert!(found.into_iter().eq(members().map(|nth| (nth, nth + 1))));

            let mut found = BTreeMap::new();
            let mut scan = ranks.zscan().batch(50);
            while let Some(member) = scan.next().await {
                let (member, score) = member.unwrap();
                assert_eq!(found.insert(member, score), None, "each once");
                if found.len() == 300 {
                    moved().await;
                }
            }
            assert!(found.into_iter().eq(scores()));

            let mut found = BTreeSet::new();
            let mut scan = guests.sscan().batch(50);
            while let Some(member) = scan.next().await {
                assert!(found.insert(member.unwrap()), "each once");
                if found.len() == 300 {
                    moved().await;
                }
            }
            assert!(found.into_iter().eq(members()));
        })
        .await;
    });
}

/// Moves one piece from the first stock to the second, if it has one.
async fn carry(redis: &Redis, from: u64, to: u64, attempts: &AtomicU32) -> Result<bool, Error> {
    let (from, to) = (CartKeys::stock(7, from), CartKeys::stock(7, to));
    let carried = redis
        .watch(vec![from.clone(), to.clone()], async |tx| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let (has, there) = tx.run((from.get(), to.get())).await?;
            Ok((has > 0).then(|| (from.set(has - 1), to.set(there + 1))))
        })
        .attempts(u32::MAX)
        .await?;
    Ok(carried.is_some())
}

#[test]
fn a_watch_loses_no_update() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster).exclusive_connections(8), async |redis: Redis| {
        // The stock 3 is never created, so its node is always asked for a missing key.
        for id in 0..3 {
            CartKeys::stock(7, id).set(50).await.unwrap();
        }
        while_moving(&cluster, &[slot_of(&redis, &CartKeys::stock(7, 0))], async |moves| {
            let attempts = AtomicU32::new(0);
            let mut carried = 0;
            // At least three moves, so that the slot was at each master.
            while *moves.borrow() < 3 {
                let both = tokio::join!(
                    carry(&redis, 0, 1, &attempts),
                    carry(&redis, 1, 2, &attempts),
                    carry(&redis, 2, 0, &attempts),
                    carry(&redis, 3, 0, &attempts),
                );
                for done in [both.0, both.1, both.2] {
                    carried += u32::from(done.unwrap());
                }
                assert!(!both.3.unwrap(), "a missing stock has nothing");
                let mut total = 0;
                for id in 0..4 {
                    total += CartKeys::stock(7, id).get().await.unwrap();
                }
                assert_eq!(total, 150);
            }
            assert!(carried > 0 && attempts.into_inner() >= carried);
        })
        .await;
    });
}
