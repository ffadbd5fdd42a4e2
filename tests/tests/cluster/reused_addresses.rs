//! Addresses of nodes at which another server answers now, and nodes that joined another cluster.

use redis_keyspace::{Key, Redis, RedisBuilder, Text};
use redis_keyspace_tests::eventually;

use crate::scripted::{ScriptedNode, bulk, list, slots};
use crate::{CartKeys, LIMIT, on};

/// A key of the lower half of the slots, and one of the upper half.
fn keys() -> [Key<CartKeys, Text>; 2] {
    let of = |is_upper: bool| (0..).map(CartKeys::page).find(|key| (key.slot() > 8191) == is_upper);
    [false, true].map(|is_upper| of(is_upper).unwrap())
}

/// The reply of a node that knows these masters of both halves.
fn halves(lower: (&ScriptedNode, &str), upper: (&ScriptedNode, &str)) -> String {
    list(&[slots(0, 8191, &[lower]), slots(8192, 16_383, &[upper])])
}

fn builder(node: &ScriptedNode) -> RedisBuilder {
    Redis::builder().host("127.0.0.1").port(node.port()).cluster(true).retries(0).timeout(LIMIT)
}

/// Two masters, and the one that has replaced the second at another address.
fn nodes() -> [ScriptedNode; 3] {
    let [first, second, moved] = [(); 3].map(|()| ScriptedNode::start());
    let map = halves((&first, "aaa"), (&second, "bbb"));
    [&first, &second].iter().for_each(|node| node.reply("CLUSTER SLOTS", &map));
    second.reply("GET", &bulk("second"));
    moved.reply("GET", &bulk("moved"));
    [first, second, moved]
}

/// Turns a node into a standalone server.
fn replace(node: &ScriptedNode) {
    node.reply("CLUSTER SLOTS", "-ERR This instance has cluster support disabled\r\n");
    node.reply("GET", &bulk("foreign"));
    node.cut_all();
}

#[test]
fn a_node_is_found_at_its_new_address_while_another_server_has_the_old_one() {
    let [first, second, moved] = nodes();
    let [lower, upper] = keys();
    on(builder(&first), async |_| {
        assert_eq!(upper.get().await.unwrap().as_deref(), Some("second"));
        replace(&second);
        // These servers do not report their mode, so the program can't know yet.
        eventually("the other server answers", async || {
            upper.get().await.is_ok_and(|value| value.as_deref() == Some("foreign"))
        })
        .await;
        first.reply("CLUSTER SLOTS", &halves((&first, "aaa"), (&moved, "bbb")));
        first.reply("GET", "-CLUSTERDOWN The cluster is down\r\n");
        eventually("the node answers at its new address", async || {
            lower.get().await.unwrap_err();
            upper.get().await.is_ok_and(|value| value.as_deref() == Some("moved"))
        })
        .await;
    });
}

#[test]
fn a_server_that_reports_another_mode_is_no_node() {
    let [first, second, moved] = nodes();
    let [_, upper] = keys();
    [&first, &second, &moved].iter().for_each(|node| node.report_mode("cluster"));
    on(builder(&first), async |_| {
        assert_eq!(upper.get().await.unwrap().as_deref(), Some("second"));
        second.report_mode("standalone");
        replace(&second);
        eventually("the other server is not used", async || {
            let error = upper.get().await.unwrap_err();
            error.to_string().contains("is not a node of the cluster")
        })
        .await;
        first.reply("CLUSTER SLOTS", &halves((&first, "aaa"), (&moved, "bbb")));
        eventually("the node answers at its new address", async || {
            let read = upper.get().await;
            assert_ne!(read.as_ref().ok().and_then(|value| value.as_deref()), Some("foreign"));
            read.is_ok_and(|value| value.as_deref() == Some("moved"))
        })
        .await;
        assert_eq!(second.received("GET"), 1, "only before it was replaced");
    });
}

#[test]
fn an_empty_host_is_that_of_the_configured_node_that_was_reached() {
    let [first, ..] = nodes();
    let itself = list(&[bulk(""), format!(":{}\r\n", first.port()), bulk("aaa")]);
    let all_slots = [":0\r\n".to_owned(), ":16383\r\n".to_owned(), itself];
    first.reply("CLUSTER SLOTS", &list(&[list(&all_slots)]));
    // Nothing listens at the first address.
    let seeds = ["127.0.0.2", "127.0.0.1"].map(|host| format!("{host}:{}", first.port()));
    on(builder(&first).nodes(seeds).unwrap(), async |_| {
        let [lower, _] = keys();
        lower.set("x").await.unwrap();
        assert_eq!(first.received("SET"), 1);
    });
}

#[test]
fn a_node_that_joined_another_cluster_does_not_change_the_map() {
    let [first, second, foreign] = nodes();
    let [lower, upper] = keys();
    on(builder(&first), async |_| {
        lower.set("x").await.unwrap();
        upper.set("x").await.unwrap();
        second.reply("CLUSTER SLOTS", &halves((&foreign, "fff"), (&second, "bbb")));
        let before = second.received("CLUSTER SLOTS");
        first.reply("GET", "-CLUSTERDOWN The cluster is down\r\n");
        eventually("the second node is asked", async || {
            lower.get().await.unwrap_err();
            second.received("CLUSTER SLOTS") > before + 3
        })
        .await;
        lower.set("x").await.unwrap();
        assert_eq!((first.received("SET"), foreign.received("SET")), (2, 0));
    });
}
