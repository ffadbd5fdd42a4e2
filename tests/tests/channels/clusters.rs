//! Channels of a cluster.

use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace::channel::Event;
use redis_keyspace_tests::{
    PATIENCE, RealCluster, eventually, require_command, shared_cluster, shared_server, slot_tag,
    unique_namespace, within,
};

use crate::{Chat, message, resubscribed};

fn handle(cluster: &RealCluster) -> Redis {
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    builder.namespace(unique_namespace()).unwrap().build().unwrap()
}

/// Two handles of the same namespace, which share nothing but the cluster.
fn two_handles(cluster: &RealCluster) -> (Redis, Redis) {
    let namespace = unique_namespace();
    let build = |name: &str| {
        let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE).client_name(name);
        builder.namespace(&namespace).unwrap().build().unwrap()
    };
    (build("one"), build("other"))
}

#[test]
fn messages_reach_subscribers_at_other_nodes() {
    let (subscriber, publisher) = two_handles(shared_cluster());
    within(PATIENCE, async {
        // The first use of the handle: it finds out that there is a cluster.
        let mut all = Chat::room_keys().subscribe().on(&subscriber).await.unwrap();
        let mut rooms = Vec::new();
        for nth in 0..20 {
            rooms.push(Chat::room(&nth.to_string()).subscribe().on(&subscriber).await.unwrap());
        }
        // Each channel is published at the node of its slot, so all nodes publish.
        for nth in 0..20 {
            Chat::room(&nth.to_string()).publish("x").on(&publisher).await.unwrap();
        }
        for room in &mut rooms {
            assert_eq!(message(room).await, "x");
        }
        for _ in 0..20 {
            assert!(all.next().await.unwrap().unwrap().message().is_some());
        }
    });
}

#[test]
fn sharded_channels_are_served_by_the_masters_of_their_slots() {
    if !require_command(shared_server(), "SSUBSCRIBE") {
        return;
    }
    let (subscriber, publisher) = two_handles(shared_cluster());
    within(PATIENCE, async {
        let mut shards = Vec::new();
        for nth in 0..30 {
            shards.push(Chat::shard(&nth.to_string()).subscribe().on(&subscriber).await.unwrap());
        }
        for nth in 0..30 {
            let shard = Chat::shard(&nth.to_string());
            assert_eq!(shard.publish("x").on(&publisher).await.unwrap(), 1);
            assert_eq!(shard.subscribers().on(&publisher).await.unwrap(), 1);
        }
        for shard in &mut shards {
            assert_eq!(message(shard).await, "x");
        }
        let connections = subscriber.stats().connections[0].subscription_connections;
        assert_eq!(connections, 3, "one for each master");
    });
}

/// The server sends an unsolicited `sunsubscribe` when a slot moves.
#[test]
fn sharded_channels_follow_a_slot_that_moves() {
    if !require_command(shared_server(), "SSUBSCRIBE") {
        return;
    }
    let cluster = RealCluster::builder().replicas(0).start();
    let redis = handle(&cluster);
    within(
        PATIENCE,
        redis.scope(async {
            let mut moved = Chat::shard("moved").subscribe().await.unwrap();
            let wire = redis.wire_key(&Chat::shard("moved")).unwrap();
            let slot: u16 = cluster.node(0).redis_cli(&["CLUSTER", "KEYSLOT", &wire]).parse().unwrap();
            for round in 0..3 {
                let from = cluster.master_of(slot);
                let to = cluster.masters().into_iter().find(|node| *node != from).unwrap();
                tokio::task::block_in_place(|| cluster.move_slot(slot, to));
                resubscribed(&mut moved).await;
                let text = round.to_string();
                assert_eq!(
                    Chat::shard("moved").publish(&text).await.unwrap(),
                    1,
                    "it is subscribed at the new master"
                );
                while moved.next().await.unwrap().unwrap() != Event::Message(text.clone()) {}
            }
        }),
    );
}

#[test]
fn subscriptions_survive_the_loss_of_any_node() {
    let cluster = RealCluster::builder().replicas(1).start();
    let (subscriber, publisher) = two_handles(&cluster);
    within(PATIENCE, async {
        let mut room = Chat::room("a").subscribe().on(&subscriber).await.unwrap();
        let mut shards = Vec::new();
        // Older servers have only ordinary channels.
        let slots = [0, 8_000, 16_000].into_iter().filter(|_| shared_server().supports("SSUBSCRIBE"));
        for slot in slots {
            let tag = slot_tag(slot);
            shards.push((tag.clone(), Chat::shard(&tag).subscribe().on(&subscriber).await.unwrap()));
        }
        tokio::task::block_in_place(|| cluster.replicated());
        // The node that the ordinary channels use.
        let wire = subscriber.wire_key(&Chat::room("a")).unwrap();
        let of_room = cluster
            .masters()
            .into_iter()
            .find(|node| cluster.node(*node).redis_cli(&["PUBSUB", "NUMSUB", &wire]).ends_with('1'));
        tokio::task::block_in_place(|| cluster.node(of_room.unwrap()).kill());
        resubscribed(&mut room).await;
        eventually("a replica was promoted", async || {
            for (tag, _) in &shards {
                if Chat::shard(tag).publish("probe").on(&publisher).await.is_err() {
                    return false;
                }
            }
            Chat::room("a").publish("probe").on(&publisher).await.is_ok()
        })
        .await;
        for (tag, shard) in &mut shards {
            eventually("it is subscribed again", async || {
                Chat::shard(tag).publish("x").on(&publisher).await.is_ok_and(|received| received == 1)
            })
            .await;
            while !matches!(shard.next().await.unwrap(), Ok(Event::Message(text)) if text == "x") {}
        }
        Chat::room("a").publish("x").on(&publisher).await.unwrap();
        while !matches!(room.next().await.unwrap(), Ok(Event::Message(text)) if text == "x") {}
    });
}

#[test]
fn a_sharded_channel_waits_for_a_node_that_serves_its_slot() {
    if !require_command(shared_server(), "SSUBSCRIBE") {
        return;
    }
    let cluster = RealCluster::builder().masters(1).replicas(0).start();
    let redis = handle(&cluster);
    within(
        PATIENCE,
        redis.scope(async {
            let wire = redis.wire_key(&Chat::shard("a")).unwrap();
            let slot = cluster.node(0).redis_cli(&["CLUSTER", "KEYSLOT", &wire]);
            Chat::shard("a").publish("x").await.unwrap();
            assert_eq!(cluster.node(0).redis_cli(&["CLUSTER", "DELSLOTS", &slot]), "OK");
            let unserved = format!("serves the slot {slot}");
            eventually("the map lacks the slot", async || {
                let outcome = Chat::shard("a").publish("x").timeout(Duration::from_secs(1)).await;
                outcome.is_err_and(|error| error.to_string().contains(&unserved))
            })
            .await;
            let error = Chat::shard("a").subscribe().timeout(Duration::from_secs(1)).await.unwrap_err();
            assert!(error.to_string().contains(&unserved), "{error}");
            let subscribing = Chat::shard("a").subscribe();
            let adding = async {
                assert_eq!(cluster.node(0).redis_cli(&["CLUSTER", "ADDSLOTS", &slot]), "OK");
            };
            let (subscribed, ()) = tokio::join!(subscribing.into_future(), adding);
            let mut shard = subscribed.unwrap();
            Chat::shard("a").publish("y").await.unwrap();
            assert_eq!(message(&mut shard).await, "y");
        }),
    );
}
