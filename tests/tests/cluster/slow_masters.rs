//! Masters that do not answer for a while: slow, paused, or replaced.

use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace_tests::scripted::{ScriptedNode, list, slots};
use redis_keyspace_tests::{PATIENCE, Proxy, RealCluster, eventually};

use crate::{CartKeys, builder, on, slot, slot_of};

/// Longer than a test may take, so the nodes are not probed because they are silent.
const ENDLESS: Duration = PATIENCE.saturating_mul(10);

/// Two masters and a replica of the first. The first does not answer UNLINK yet.
struct SlowMaster {
    first: ScriptedNode,
    second: ScriptedNode,
    replica: ScriptedNode,
}

impl SlowMaster {
    fn start() -> Self {
        let [first, second, replica] = [(); 3].map(|()| ScriptedNode::start());
        let slow = Self { first, second, replica };
        slow.serve(&list(&[
            slots(0, 8191, &[(&slow.first, "aaa"), (&slow.replica, "ccc")]),
            slots(8192, 16_383, &[(&slow.second, "bbb")]),
        ]));
        slow.first.reply("UNLINK", "");
        slow
    }

    /// Sets the slots that all nodes report.
    fn serve(&self, map: &str) {
        for node in [&self.first, &self.second, &self.replica] {
            node.reply("CLUSTER SLOTS", map);
        }
    }

    async fn run<F: Future<Output = ()>>(&self, body: impl FnOnce(Redis) -> F) {
        let builder = Redis::builder().host("127.0.0.1").port(self.first.port()).cluster(true);
        let redis = builder.retries(0).timeout(ENDLESS).build().unwrap();
        redis.scope(body(redis.clone())).await;
    }
}

/// Waits until the handle has learned that a node serves this many slots, and for some of the
/// checks whether its connections are dead.
async fn learned(redis: &Redis, node: &ScriptedNode, slots: usize) {
    let address = format!("127.0.0.1:{}", node.port());
    let serves = || {
        let stats = redis.stats();
        let nodes = &stats.connections[0].nodes;
        nodes.iter().filter(|node| node.endpoint.contains(&address)).map(|node| node.slots).sum::<usize>()
    };
    eventually("the handle knows the new slots", async || serves() == slots).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Returns the id of a page in the lower slots.
fn lower() -> u64 {
    (0..).find(|id| CartKeys::page(*id).slot() < 8192).unwrap()
}

#[test]
fn a_master_that_was_drained_may_answer_late() {
    redis_keyspace_tests::within(PATIENCE, async {
        let slow = SlowMaster::start();
        slow.run(async |redis| {
            redis.connect().await.unwrap();
            let deleting = tokio::spawn(CartKeys::page(lower()).on(&redis).del());
            // Another master has taken all slots over.
            slow.serve(&list(&[slots(0, 16_383, &[(&slow.second, "bbb")])]));
            learned(&redis, &slow.second, 16_384).await;
            assert!(!deleting.is_finished());
            slow.first.reply("UNLINK", ":1\r\n");
            assert!(deleting.await.unwrap().unwrap());
        })
        .await;
    });
}

#[test]
fn a_silent_master_that_was_replaced_is_not_waited_for() {
    redis_keyspace_tests::within(PATIENCE, async {
        let slow = SlowMaster::start();
        slow.run(async |redis| {
            redis.connect().await.unwrap();
            let deleting = tokio::spawn(CartKeys::page(lower()).on(&redis).del());
            // Its replica was promoted.
            let map =
                [slots(0, 8191, &[(&slow.replica, "ccc")]), slots(8192, 16_383, &[(&slow.second, "bbb")])];
            slow.serve(&list(&map));
            let error = deleting.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("another server has replaced it"), "{error}");
        })
        .await;
    });
}

/// During a failover, a master pauses writes but answers all other commands.
#[test]
fn a_master_that_pauses_writes_loses_no_connection() {
    let cluster = RealCluster::builder().replicas(0).start();
    let proxies: Vec<_> =
        cluster.members().into_iter().map(|node| Proxy::start(cluster.node(node).address())).collect();
    let ports: Vec<_> = cluster
        .members()
        .into_iter()
        .zip(&proxies)
        .map(|(node, proxy)| (cluster.node(node).port(), proxy.port()))
        .collect();
    let through = Arc::new(ports);
    let translate = move |host: &str, port: u16| {
        let proxy = through.iter().find(|(node, _)| *node == port).map_or(port, |(_, proxy)| *proxy);
        (host.to_owned(), proxy)
    };
    on(builder(&cluster).address_map(translate), async |redis| {
        redis.connect().await.unwrap();
        // The probes must also work on nodes that do not serve the slot of a fixed key.
        let probed = cluster.master_of(slot("%probe"));
        let is_elsewhere = |id: &u64| cluster.master_of(slot_of(&redis, &CartKeys::views(*id))) != probed;
        let id = (0..).find(is_elsewhere).unwrap();
        let node = cluster.master_of(slot_of(&redis, &CartKeys::views(id)));
        let before = proxies[node].traffic().connections;
        cluster.node(node).redis_cli(&["CLIENT", "PAUSE", "600000", "WRITE"]);
        let counting = tokio::spawn(CartKeys::views(id).on(&redis).incr());
        // If the server answered the probes, the connection would be replaced.
        proxies[node].until(|traffic| traffic.connections > before + 2).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.node(node).redis_cli(&["CLIENT", "UNPAUSE"]);
        assert_eq!(counting.await.unwrap().unwrap(), 1);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.lost_connections, stats.breaker_opened), (0, 0), "{stats:?}");
    });
}

/// No node answers, so the first map is never known.
#[test]
fn closing_a_handle_ends_the_wait_for_the_first_map() {
    redis_keyspace_tests::within(PATIENCE, async {
        let slow = SlowMaster::start();
        slow.serve("");
        slow.run(async |redis| {
            let counting = tokio::spawn(CartKeys::views(1).on(&redis).incr());
            let connecting = || redis.stats().connections.first().is_some_and(|pool| pool.connects > 0);
            eventually("the command waits for the map", async || connecting()).await;
            redis.close().await;
            let error = counting.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), redis_keyspace::ErrorKind::Closed, "{error}");
        })
        .await;
    });
}

#[test]
fn closing_a_handle_closes_the_connections_to_nodes_that_slots_are_moved_to() {
    let cluster = RealCluster::builder().replicas(0).start();
    let added = cluster.add_master();
    // On a busy machine, the nodes may lose each other for a moment (CLUSTERDOWN).
    on(builder(&cluster).retries(20), async |redis| {
        let slot_move =
            tokio::task::block_in_place(|| cluster.begin_move(slot_of(&redis, &CartKeys::page(1)), added));
        CartKeys::page(1).set("x").await.unwrap();
        let clients = || {
            let list = cluster.node(added).redis_cli(&["CLIENT", "LIST", "TYPE", "normal"]);
            list.lines()
                .filter(|line| line.contains("lib-name=redis-keyspace") || line.contains("name=cluster"))
                .count()
        };
        assert!(clients() > 0);
        redis.close().await;
        eventually("its connections are closed", async || clients() == 0).await;
        slot_move.finish();
    });
}
