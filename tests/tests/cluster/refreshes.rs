//! When nodes are asked for the slots, and which ones.

use std::time::{Duration, Instant};

use redis_keyspace::{Redis, RedisBuilder};
use redis_keyspace_tests::eventually;
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};
use tokio::task::JoinSet;

use crate::{CartKeys, LIMIT, on};

fn builder(node: &ScriptedNode) -> RedisBuilder {
    Redis::builder().host("127.0.0.1").port(node.port()).cluster(true).timeout(LIMIT)
}

/// Sets the slots that all nodes report.
fn serve(nodes: &[&ScriptedNode], map: &str) {
    nodes.iter().for_each(|node| node.reply("CLUSTER SLOTS", map));
}

fn asked(nodes: &[&ScriptedNode]) -> usize {
    nodes.iter().map(|node| node.received("CLUSTER SLOTS")).sum()
}

#[test]
fn any_number_of_redirections_causes_one_refresh() {
    const MANY: u64 = 1000;
    let [first, second] = [(); 2].map(|()| ScriptedNode::start());
    let nodes = [&first, &second];
    serve(&nodes, &list(&[slots(0, 16_383, &[(&first, "aaa"), (&second, "bbb")])]));
    second.reply("GET", &bulk("x"));
    // Not answered until all commands were sent.
    first.reply("GET", "");
    on(builder(&first).shared_connections(1), async |redis: Redis| {
        redis.connect().await.unwrap();
        let before = asked(&nodes);
        let mut reading = JoinSet::new();
        // All in one slot.
        for id in 0..MANY {
            reading.spawn(CartKeys::item(7, id).on(&redis).get().into_future());
        }
        eventually("the first is received", async || first.received("GET") > 0).await;
        eventually("all are sent", async || redis.stats().connections[0].in_flight == MANY as usize).await;
        serve(&nodes, &list(&[slots(0, 16_383, &[(&second, "bbb"), (&first, "aaa")])]));
        let moved = format!("-MOVED {} 127.0.0.1:{}\r\n", CartKeys::item(7, 0).slot(), second.port());
        // Some at a time, so that a refresh may end between them.
        for _ in 0..20 {
            (0..MANY / 20).for_each(|_| first.reply_once("GET", &moved));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for read in reading.join_all().await {
            assert_eq!(read.unwrap().as_deref(), Some("x"));
        }
        assert_eq!((first.received("GET"), second.received("GET")), (MANY as usize, MANY as usize));
        eventually("the map is refreshed", async || asked(&nodes) > before).await;
        // One more, if it was asked already when the slot moved.
        let refreshes = asked(&nodes) - before;
        assert!(refreshes <= 2, "{refreshes} refreshes");
    });
}

#[test]
fn a_cluster_that_is_down_is_not_flooded_with_questions() {
    let [first, second] = [(); 2].map(|()| ScriptedNode::start());
    let nodes = [&first, &second];
    serve(&nodes, &list(&[slots(0, 8191, &[(&first, "aaa")]), slots(8192, 16_383, &[(&second, "bbb")])]));
    nodes.iter().for_each(|node| node.reply("GET", "-CLUSTERDOWN The cluster is down\r\n"));
    on(builder(&first).retries(100), async |redis: Redis| {
        redis.connect().await.unwrap();
        let (before, start) = (asked(&nodes), Instant::now());
        let mut reading = JoinSet::new();
        for id in 0..300 {
            reading.spawn(CartKeys::page(id).on(&redis).get().into_future());
        }
        while start.elapsed() < Duration::from_secs(3) {
            // More trouble, which is the same one.
            assert!(CartKeys::page(1).get().timeout(Duration::from_millis(20)).await.is_err());
        }
        let (refreshes, most) = (asked(&nodes) - before, start.elapsed().as_millis() / 50 + 10);
        assert!(refreshes > 1, "no node is asked");
        // The busier the machine, the fewer.
        assert!(refreshes as u128 <= most, "{refreshes} refreshes instead of {most}");
        nodes.iter().for_each(|node| node.reply("GET", &bulk("x")));
        for read in reading.join_all().await {
            assert_eq!(read.unwrap().as_deref(), Some("x"));
        }
    });
}

/// Three nodes. The third has left the cluster.
fn with_former(body: impl AsyncFnOnce([&ScriptedNode; 3])) {
    let [first, second, third] = [(); 3].map(|()| ScriptedNode::start());
    let nodes = [&first, &second, &third];
    serve(
        &nodes,
        &list(&[
            slots(0, 8191, &[(&third, "ccc")]),
            slots(8192, 16_383, &[(&second, "bbb"), (&first, "aaa")]),
        ]),
    );
    nodes.iter().for_each(|node| node.reply("GET", &bulk("x")));
    on(builder(&first).retries(100), async |redis: Redis| {
        let lower = (0..).map(CartKeys::page).find(|page| page.slot() < 8192).unwrap();
        lower.get().await.unwrap();
        assert_eq!(third.received("GET"), 1);
        assert!(third.open() > 0);
        serve(&nodes, &list(&[slots(0, 16_383, &[(&second, "bbb"), (&first, "aaa")])]));
        // It tells so itself.
        third.reply("GET", &format!("-MOVED {} 127.0.0.1:{}\r\n", lower.slot(), second.port()));
        lower.get().await.unwrap();
        let address = format!("127.0.0.1:{}", second.port());
        eventually("the map has changed", async || {
            let nodes = &redis.stats().connections[0].nodes;
            nodes.iter().any(|node| node.endpoint.contains(&address) && node.slots == 16_384)
        })
        .await;
        body(nodes).await;
    });
}

#[test]
fn the_connections_to_a_node_that_left_are_closed() {
    with_former(async |[_, _, third]| {
        eventually("its connections are closed", async || third.open() == 0).await;
    });
}

#[test]
fn a_node_that_left_is_asked_when_no_other_one_answers() {
    with_former(async |[first, second, third]| {
        // The third one has come back and has all slots, but no other node can report that.
        third.reply(
            "CLUSTER SLOTS",
            &list(&[slots(0, 16_383, &[(third, "ccc"), (second, "bbb"), (first, "aaa")])]),
        );
        third.reply("GET", &bulk("back"));
        for node in [&first, &second] {
            node.reply("CLUSTER SLOTS", "-LOADING Redis is loading the dataset in memory\r\n");
            node.reply("GET", "-CLUSTERDOWN The cluster is down\r\n");
        }
        assert_eq!(CartKeys::page(1).get().await.unwrap().as_deref(), Some("back"));
    });
}
