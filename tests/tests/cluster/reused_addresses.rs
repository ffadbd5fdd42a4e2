//! Addresses of nodes at which another server answers now, and nodes that joined another cluster.

use std::time::Duration;

use redis_keyspace::{ErrorKind, Key, Redis, RedisBuilder, Text};
use redis_keyspace_tests::eventually;
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};

use crate::{CartKeys, LIMIT, on};

/// How long a command is repeated.
const BRIEF: Duration = Duration::from_secs(1);

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

/// A node that has just joined does not know all others, so its view must not replace the map.
#[test]
fn a_node_that_knows_only_some_slots_does_not_hide_the_others() {
    let [first, second, _] = nodes();
    let [lower, upper] = keys();
    first.reply("GET", &bulk("first"));
    on(builder(&first), async |redis| {
        assert_eq!(upper.get().await.unwrap().as_deref(), Some("second"));
        assert_eq!(lower.get().await.unwrap().as_deref(), Some("first"));
        let partial = slots(8192, 16_383, &[(&second, "bbb"), (&first, "aaa")]);
        second.reply("CLUSTER SLOTS", &list(&[partial]));
        second.reply("GET", "-CLUSTERDOWN The cluster is down\r\n");
        // Refreshes begin with a random node.
        for _ in 0..12 {
            let asked = first.received("CLUSTER SLOTS");
            eventually("the nodes are asked", async || {
                upper.get().await.unwrap_err();
                first.received("CLUSTER SLOTS") > asked
            })
            .await;
            assert_eq!(lower.get().await.unwrap().as_deref(), Some("first"));
        }
        assert!(second.received("CLUSTER SLOTS") > 0);
        // If no node serves them, they are gone.
        first.reply("CLUSTER SLOTS", &list(&[slots(8192, 16_383, &[(&second, "bbb"), (&first, "aaa")])]));
        eventually("the slots are unserved", async || {
            upper.get().await.unwrap_err();
            redis.stats().connections[0].nodes.iter().map(|node| node.slots).sum::<usize>() == 8192
        })
        .await;
    });
}

/// With announced host names, a node that has just joined redirects to a node whose name it does
/// not know yet.
#[test]
fn a_redirection_without_a_host_is_followed_when_the_name_is_known() {
    let [first, second, _] = nodes();
    let [_, upper] = keys();
    on(builder(&first).timeout(BRIEF), async |_| {
        assert_eq!(upper.get().await.unwrap().as_deref(), Some("second"));
        second.reply("GET", &format!("-MOVED {} ?:6379\r\n", upper.slot()));
        eventually("the deadline passes", async || {
            let error = upper.get().await.unwrap_err();
            assert!(error.is_unavailable() || error.kind() == ErrorKind::Timeout, "{error}");
            error.to_string().contains("cluster-announce-hostname")
        })
        .await;
    });
    on(builder(&first), async |_| {
        let before = second.received("GET");
        let get = tokio::spawn(upper.get().on(&Redis::current().unwrap()));
        eventually("it is sent again", async || second.received("GET") > before + 2).await;
        second.reply("GET", &bulk("known"));
        assert_eq!(get.await.unwrap().unwrap().as_deref(), Some("known"));
    });
}

/// `CLUSTER NODES` always contains addresses. With TLS or NAT, only the announced names may work.
#[test]
fn a_scan_reaches_a_joining_node_by_its_name() {
    let [first, second, _] = nodes();
    let (a, b) = (first.port(), second.port());
    let named = list(&[list(&[
        ":0\r\n".to_owned(),
        ":16383\r\n".to_owned(),
        list(&[bulk("localhost"), format!(":{a}\r\n"), bulk("aaa")]),
    ])]);
    first.reply("CLUSTER SLOTS", &named);
    second.reply("CLUSTER SLOTS", &named);
    // Nothing listens on these addresses.
    let line =
        |id: &str, port: u16, rest: &str| format!("{id} 127.9.9.9:{port}@1,localhost,shard-id=x {rest}\n");
    first.reply(
        "CLUSTER NODES",
        &bulk(
            &(line("aaa", a, "myself,master - 0 0 1 connected 0-16383 [5->-bbb]")
                + &line("bbb", b, "master - 0 0 2 connected")),
        ),
    );
    second.reply(
        "CLUSTER NODES",
        &bulk(
            &(line("aaa", a, "master - 0 0 1 connected 0-16383")
                + &line("bbb", b, "myself,master - 0 0 2 connected [5-<-aaa]")),
        ),
    );
    let page = |id: u64| list(&[bulk("0"), list(&[bulk(CartKeys::page(id).as_ref())])]);
    first.reply("SCAN", &page(1));
    second.reply("SCAN", &list(&[bulk("0"), list(&[])]));
    on(builder(&first), async |_| {
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), 1);
    });
    assert!(second.received("SCAN") > 0, "the joining node may have keys");
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
