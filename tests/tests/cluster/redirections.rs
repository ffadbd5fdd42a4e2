//! Commands on slots that are being moved.

use std::time::Duration;

use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::{Failover, RealCluster};

use crate::{CartKeys, builder, on, slot_of};

/// The timeout of commands that do not wait for a slot. A busy machine answers in time.
const BRIEF: Duration = Duration::from_secs(10);

#[test]
fn commands_follow_a_slot_while_and_after_it_moves() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        // Several keys of one slot, and keys of all others.
        let slot = slot_of(&redis, &CartKeys::user(7));
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        CartKeys::views(7).incr().await.unwrap();
        Key::set_many((0..30).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        let from = cluster.master_of(slot);
        let to = cluster.masters().into_iter().find(|node| *node != from).unwrap();

        let slot_move = cluster.begin_move(slot, to);
        // Nothing has moved yet: reads stay, and a key that does not exist is created at the new
        // node.
        assert_eq!(CartKeys::user(7).get().await.unwrap(), Some(vec![1]));
        // A lock is a script on two keys. A cluster runs it when the slot has moved.
        let locking = tokio::spawn(CartKeys::lock(7).on(&redis).try_lock().into_future());
        assert_eq!(slot_move.move_keys(1), 1);
        // One of the keys is at the new node. All commands find their keys.
        for _ in 0..3 {
            assert_eq!(CartKeys::user(7).get().await.unwrap(), Some(vec![1]));
        }
        assert_eq!(CartKeys::views(7).incr().await.unwrap(), 2);
        CartKeys::user(7).set(&vec![2]).await.unwrap();
        let (user, views) = (CartKeys::user(7).get(), CartKeys::views(7).incr());
        let both = redis.batch((user, views)).await.unwrap();
        assert_eq!(both, (Some(vec![2]), 3));
        // So does an update, which also uses a key that does not exist.
        let updating = CartKeys::user(7).on(&redis).update(|cart| cart.push(3)).into_future();
        let updating = tokio::spawn(updating);
        while slot_move.move_keys(10) > 0 {}
        let both = redis.transaction((CartKeys::user(7).get(), CartKeys::views(7).incr())).await;
        assert_eq!(both.unwrap(), (Some(vec![2]), 4));
        slot_move.finish();
        updating.await.unwrap().unwrap();
        let guard = locking.await.unwrap().unwrap().expect("it is not held");
        guard.release().await.unwrap();

        assert_eq!(CartKeys::views(7).incr().await.unwrap(), 5);
        assert_eq!(CartKeys::user(7).get().await.unwrap(), Some(vec![2, 3]));
        let name = redis.wire_key(&CartKeys::user(7)).unwrap();
        assert_eq!(cluster.node(to).redis_cli(&["EXISTS", &name]), "1");
        assert_eq!(Key::get_many((0..30).map(CartKeys::page)).await.unwrap().iter().flatten().count(), 30);
    });
}

#[test]
fn a_command_on_keys_that_are_half_moved_waits_for_the_rest() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis: Redis| {
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        CartKeys::views(7).incr().await.unwrap();
        let slot = slot_of(&redis, &CartKeys::user(7));
        let from = cluster.master_of(slot);
        let to = cluster.masters().into_iter().find(|node| *node != from).unwrap();
        let slot_move = cluster.begin_move(slot, to);
        assert_eq!(slot_move.move_keys(1), 1);
        // TRYAGAIN, until the other key has moved too.
        let together = redis.transaction((CartKeys::user(7).get(), CartKeys::views(7).incr()));
        let mut together = std::pin::pin!(together.into_future());
        let early = tokio::time::timeout(Duration::from_millis(100), together.as_mut()).await;
        assert!(early.is_err(), "the keys are on two nodes: {early:?}");
        while slot_move.move_keys(10) > 0 {}
        assert_eq!(together.await.unwrap(), (Some(vec![1]), 2));
        slot_move.finish();
    });
}

#[test]
fn reads_and_deletes_of_many_keys_do_not_wait_for_a_slot_that_moves() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster).timeout(BRIEF), async |redis: Redis| {
        let items = |ids: std::ops::Range<u64>| ids.map(|id| CartKeys::item(7, id)).collect::<Vec<_>>();
        Key::set_many(items(0..20).into_iter().map(|item| (item, "x"))).await.unwrap();
        let slot = slot_of(&redis, &CartKeys::item(7, 0));
        let from = cluster.master_of(slot);
        let to = cluster.masters().into_iter().find(|node| *node != from).unwrap();
        // The move is not finished before the commands.
        let slot_move = cluster.begin_move(slot, to);
        for more in [0, 5, 15] {
            assert_eq!(slot_move.move_keys(more), more);
            // Some keys are at either node, and some do not exist.
            let found = Key::get_many(items(0..30)).await.unwrap();
            assert_eq!(
                found.iter().map(Option::is_some).collect::<Vec<_>>(),
                [[true; 20].as_slice(), &[false; 10]].concat()
            );
            let commands = (CartKeys::page(1).exists(), CartKeys::item(7, 1).get());
            assert_eq!(redis.batch(commands).await.unwrap(), (false, Some("x".to_owned())));
        }
        assert_eq!(Key::del_many(items(15..30)).await.unwrap(), 5);
        assert_eq!(CartKeys::item_keys().cart(7).delete().await.unwrap().affected, 15);
        assert_eq!(CartKeys::item_keys().cart(7).count().await.unwrap(), 0);
        slot_move.finish();
    });
}

#[test]
fn a_graceful_failover_is_followed_without_an_error() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        Key::set_many((0..30).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        cluster.replicated();
        let master = cluster.masters()[0];
        let replica = cluster.replicas_of(master)[0];
        let counting = tokio::spawn(redis.clone().scope(async {
            for nth in 1..=500 {
                for id in [1, 2, 3, 4, 5, 6] {
                    assert_eq!(CartKeys::views(id).incr().await.unwrap(), nth);
                }
            }
        }));
        tokio::task::block_in_place(|| cluster.failover(replica, Failover::Graceful));
        counting.await.unwrap();
        assert_eq!(Key::get_many((0..30).map(CartKeys::page)).await.unwrap().iter().flatten().count(), 30);
        assert!(cluster.masters().contains(&replica));
    });
}
