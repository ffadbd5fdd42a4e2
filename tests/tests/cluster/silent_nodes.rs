//! A node that does not answer holds up nothing but its own commands.

use redis_keyspace::{Error, Key, Redis, Result};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};
use redis_keyspace_tests::{PATIENCE, RealCluster, eventually, unique_namespace};
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

    async fn run(self, redis: Redis) -> Result<()> {
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

/// The results of operations on many keys, each with its id.
type Each<T> = Vec<(u64, Result<T>)>;

/// Reads pages, writes values with stale copies, and deletes blobs, at the same time.
async fn each_of_many(redis: &Redis) -> (Each<Option<String>>, Each<()>, Each<bool>) {
    let ids = 0..60;
    let read = Key::get_many(ids.clone().map(CartKeys::page)).on(redis).each();
    let written = Key::set_many(ids.clone().map(|id| (CartKeys::kept(id), "x"))).on(redis).each();
    let deleted = Key::del_many(ids.map(CartKeys::blob)).on(redis).each();
    let (read, written, deleted) = tokio::join!(read, written, deleted);
    let (read, written, deleted) = (read.unwrap(), written.unwrap(), deleted.unwrap());
    ((0..).zip(read).collect(), (0..).zip(written).collect(), (0..).zip(deleted).collect())
}

/// Checks that the keys of this node, and no others, fail with an error of this kind.
fn assert_costs_only_its_keys<T: std::fmt::Debug>(
    results: Each<T>,
    is_there: impl Fn(u64) -> bool,
    is_expected: impl Fn(&Error) -> bool,
    is_right: impl Fn(&T) -> bool,
) {
    assert_eq!(results.len(), 60);
    assert!((0..60).any(&is_there) && !(0..60).all(&is_there));
    for (id, result) in results {
        match result {
            Ok(value) => assert!(!is_there(id) && is_right(&value), "{id}: {value:?}"),
            Err(error) => assert!(is_there(id) && is_expected(&error), "{id}: {error}"),
        }
    }
}

/// Makes a master fail, and checks the results of operations on many keys.
fn a_failing_master_costs_only_its_keys(
    fail: impl Fn(&RealCluster, usize),
    limit: std::time::Duration,
    is_expected: impl Fn(&Error) -> bool,
) {
    // The nodes do not notice the failure, and the master is not replaced.
    let cluster = RealCluster::builder().replicas(0).node_timeout(600_000).start();
    let namespace = unique_namespace();
    let builder = || builder(&cluster).namespace(&namespace).unwrap();
    on(builder(), async |redis: Redis| {
        let impatient = builder().timeout(limit).build().unwrap();
        Key::set_many((0..60).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        // Also connects to all nodes.
        each_of_many(&impatient).await;
        let failing = cluster.masters()[1];
        let owner = |slot| cluster.master_of(slot);
        let page_owners: Vec<_> = (0..60).map(|id| owner(slot_of(&redis, &CartKeys::page(id)))).collect();
        let kept_owners: Vec<_> = (0..60).map(|id| owner(slot_of(&redis, &CartKeys::kept(id)))).collect();
        let blob_owners: Vec<_> = (0..60).map(|id| owner(slot_of(&redis, &CartKeys::blob(id)))).collect();
        Key::set_many((0..60).map(|id| (CartKeys::blob(id), vec![1]))).await.unwrap();
        fail(&cluster, failing);
        let (read, written, deleted) = each_of_many(&impatient).await;
        let is_in = |owners: &[usize], id: u64| owners[usize::try_from(id).unwrap()] == failing;
        assert_costs_only_its_keys(
            read,
            |id| is_in(&page_owners, id),
            &is_expected,
            |value| value.as_deref() == Some("x"),
        );
        assert_costs_only_its_keys(written, |id| is_in(&kept_owners, id), &is_expected, |()| true);
        assert_costs_only_its_keys(deleted, |id| is_in(&blob_owners, id), &is_expected, |existed| *existed);
        for id in 0..60 {
            if !is_in(&kept_owners, id) {
                assert_eq!(CartKeys::kept(id).get().await.unwrap().as_deref(), Some("x"));
            }
            if !is_in(&blob_owners, id) {
                assert_eq!(CartKeys::blob(id).get().await.unwrap(), None);
            }
        }
        // As a whole, the same operations fail.
        Key::get_many((0..60).map(CartKeys::page)).on(&impatient).await.unwrap_err();
        impatient.close().await;
    });
}

#[test]
fn a_master_that_is_down_costs_only_its_keys() {
    let kill = |cluster: &RealCluster, node| cluster.node(node).kill();
    a_failing_master_costs_only_its_keys(kill, crate::LIMIT, Error::is_unavailable);
}

#[test]
fn a_frozen_master_costs_only_its_keys() {
    // The other nodes need much less than this.
    let limit = std::time::Duration::from_secs(5);
    let pause = |cluster: &RealCluster, node| cluster.node(node).pause();
    a_failing_master_costs_only_its_keys(pause, limit, Error::is_timeout);
}
