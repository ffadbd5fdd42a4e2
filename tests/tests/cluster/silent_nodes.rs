//! A node that does not answer holds up nothing but its own commands.

use redis_keyspace::{Key, Redis};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};
use redis_keyspace_tests::{PATIENCE, RealCluster, eventually};
use tokio::task::{JoinSet, block_in_place};

use crate::{CartKeys, builder, on, slot_of};

/// Longer than a test may take, so that nodes are not probed because they are silent.
const ENDLESS: std::time::Duration = PATIENCE.saturating_mul(10);
const COMMANDS: [&str; 4] = ["GET", "MGET", "SET", "UNLINK"];

/// A page of the lower half of the slots, and one of the upper half.
fn ids() -> [u64; 2] {
    let of = |is_upper: bool| (0..).find(|id| (CartKeys::page(*id).slot() > 8191) == is_upper);
    [false, true].map(|is_upper| of(is_upper).unwrap())
}

/// An operation on a key of each node.
#[derive(Clone, Copy, Debug)]
enum Operation {
    GetMany,
    SetMany,
    DelMany,
    Batch,
}

impl Operation {
    const ALL: [Self; 4] = [Self::GetMany, Self::SetMany, Self::DelMany, Self::Batch];

    async fn run(self, redis: Redis) -> redis_keyspace::Result<()> {
        let pages = ids().map(|id| CartKeys::page(id).on(&redis));
        match self {
            Self::GetMany => Key::get_many(pages).await.map(drop),
            Self::SetMany => Key::set_many(pages.map(|page| (page, "x"))).await,
            Self::DelMany => Key::del_many(pages).await.map(drop),
            Self::Batch => redis.batch(pages.map(|page| page.get())).await.map(drop),
        }
    }
}

fn answer(node: &ScriptedNode) {
    let replies = [bulk("x"), list(&[bulk("x")]), "+OK\r\n".to_owned(), ":1\r\n".to_owned()];
    COMMANDS.iter().zip(&replies).for_each(|(command, reply)| node.reply(command, reply));
}

fn received(node: &ScriptedNode) -> usize {
    COMMANDS.iter().map(|command| node.received(command)).sum()
}

#[test]
fn the_parts_for_all_nodes_are_sent_at_once() {
    let nodes = [(); 2].map(|()| ScriptedNode::start());
    let [first, second] = &nodes;
    let map = list(&[slots(0, 8191, &[(first, "aaa")]), slots(8192, 16_383, &[(second, "bbb")])]);
    for node in &nodes {
        node.reply("CLUSTER SLOTS", &map);
        answer(node);
    }
    let builder = Redis::builder().host("127.0.0.1").port(first.port()).cluster(true).timeout(ENDLESS);
    on(builder.shared_connections(1), async |redis| {
        redis.connect().await.unwrap();
        for (silent, other) in [(0, 1), (1, 0)] {
            for operation in Operation::ALL {
                let before = nodes.each_ref().map(received);
                COMMANDS.iter().for_each(|command| nodes[silent].reply(command, ""));
                let running = tokio::spawn(operation.run(redis.clone()));
                for node in [silent, other] {
                    let has_arrived = async || received(&nodes[node]) > before[node];
                    eventually("each node receives its part", has_arrived).await;
                }
                // The other node goes on answering.
                for _ in 0..100 {
                    CartKeys::page(ids()[other]).get().await.unwrap();
                }
                assert!(!running.is_finished(), "{operation:?}");
                answer(&nodes[silent]);
                running.await.unwrap().unwrap();
            }
        }
    });
}

#[test]
fn a_frozen_master_holds_up_no_command_for_others() {
    // It is not replaced.
    let cluster = RealCluster::builder().replicas(0).node_timeout(600_000).start();
    on(builder(&cluster).timeout(ENDLESS), async |redis: Redis| {
        Key::set_many((0..60).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        let frozen = cluster.masters()[1];
        let is_there = |id: &u64| cluster.master_of(slot_of(&redis, &CartKeys::page(*id))) == frozen;
        let (there, elsewhere): (Vec<u64>, Vec<u64>) = (0..60).partition(is_there);
        cluster.node(frozen).pause();
        let mut stuck = JoinSet::new();
        for &id in &there {
            stuck.spawn(redis.scope(async move { CartKeys::page(id).get().await.map(drop) }));
        }
        for _ in 0..20 {
            stuck.spawn(redis.scope(async { Key::get_many((0..60).map(CartKeys::page)).await.map(drop) }));
            let batch = redis.clone();
            stuck.spawn(async move {
                let reads = (0..60).map(|id| CartKeys::page(id).get()).collect::<Vec<_>>();
                batch.batch(reads).await.map(drop)
            });
        }
        for _ in 0..20 {
            for &id in &elsewhere {
                assert_eq!(CartKeys::page(id).get().await.unwrap().as_deref(), Some("x"));
            }
        }
        assert!(stuck.try_join_next().is_none(), "the master is frozen");
        block_in_place(|| cluster.node(frozen).resume());
        for outcome in stuck.join_all().await {
            outcome.unwrap();
        }
    });
}
