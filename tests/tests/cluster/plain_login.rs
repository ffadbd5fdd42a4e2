//! Logins at which a server does not report that it is a node of a cluster.

use redis_keyspace::config::LoginMode;
use redis_keyspace::{Key, Redis, RedisBuilder};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};
use redis_keyspace_tests::{Fault, Proxy, shared_cluster, unique_namespace};

use crate::{CartKeys, LIMIT, builder, on, slot_of};

/// How many keys are enough to use all nodes.
const MANY: u64 = 60;

fn plain(port: u16, namespace: &str) -> RedisBuilder {
    let builder = Redis::builder().host("127.0.0.1").port(port).login(LoginMode::Plain).timeout(LIMIT);
    builder.retries(0).namespace(namespace).unwrap()
}

/// Writes keys to all nodes.
async fn fill(namespace: &str) {
    let redis = builder(shared_cluster()).namespace(namespace).unwrap().build().unwrap();
    Key::set_many((0..MANY).map(|id| (CartKeys::page(id).on(&redis), "x"))).await.unwrap();
    redis.close().await;
}

#[test]
fn the_first_scan_of_a_plain_login_covers_all_nodes() {
    let cluster = shared_cluster();
    let handle = |namespace: &str| plain(cluster.node(0).port(), namespace);
    let name = unique_namespace();
    on(handle(&name), async |_| {
        fill(&name).await;
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), MANY);
    });
    on(handle(&name), async |_| {
        assert_eq!(CartKeys::page_keys().all().delete().await.unwrap().affected, MANY);
    });
    on(handle(&name), async |redis| {
        let masters =
            redis.raw_each(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await });
        assert_eq!(masters.await.unwrap().len(), 3);
    });
    on(handle(&name).cluster(false), async |_| {
        fill(&name).await;
        let found = CartKeys::page_keys().count().await.unwrap();
        assert!(found > 0 && found < MANY, "only the keys of the first node: {found}");
    });
}

#[test]
fn a_batch_of_writes_with_lifetimes_runs_on_nodes_that_do_not_report_their_mode() {
    on(plain(shared_cluster().node(0).port(), &unique_namespace()).cluster(true), async |redis| {
        // The nodes are not connected yet, and each of them serves several of the keys.
        let adding = (0..MANY).map(|id| CartKeys::fans(id).sadd(&1));
        assert_eq!(redis.batch(adding.collect::<Vec<_>>()).await.unwrap(), vec![true; MANY as usize]);
    });
}

#[test]
fn a_user_without_permission_for_the_slots_is_told() {
    let cluster = shared_cluster();
    let name = unique_namespace();
    let words = format!("ACL SETUSER {name} on >secret ~* +@all -cluster");
    for node in cluster.members() {
        assert_eq!(cluster.node(node).redis_cli(&words.split(' ').collect::<Vec<_>>()), "OK");
    }
    on(plain(cluster.node(0).port(), &name).username(name.as_str()).password("secret"), async |_| {
        let error = CartKeys::page_keys().count().await.unwrap_err().to_string();
        assert!(error.contains("clusters require more permissions"), "{error}");
    });
    for node in cluster.members() {
        cluster.node(node).redis_cli(&["ACL", "DELUSER", &name]);
    }
}

/// Two masters that do not know HELLO, but report their mode in INFO.
fn reported_by_info() -> [ScriptedNode; 2] {
    let nodes = [(); 2].map(|()| ScriptedNode::start());
    let [first, second] = &nodes;
    let map = list(&[slots(0, 8191, &[(first, "aaa")]), slots(8192, 16_383, &[(second, "bbb")])]);
    let of = |is_upper: bool| (0..).map(CartKeys::page).find(|page| (page.slot() > 8191) == is_upper);
    for (node, is_upper) in [(first, false), (second, true)] {
        let line = |id: &str, port: u16, flags: &str, slots: &str| {
            format!("{id} 127.0.0.1:{port}@1 {flags} - 0 0 1 connected {slots}\n")
        };
        let flags = |is_itself: bool| if is_itself { "myself,master" } else { "master" };
        let lines = line("aaa", first.port(), flags(!is_upper), "0-8191")
            + &line("bbb", second.port(), flags(is_upper), "8192-16383");
        node.reply("CLUSTER NODES", &bulk(&lines));
        node.reply("CLUSTER SLOTS", &map);
        node.reply("INFO", &bulk(&format!("run_id:{}\r\nredis_mode:cluster\r\n", node.port())));
        node.reply("SCAN", &list(&[bulk("0"), list(&[bulk(of(is_upper).unwrap().as_ref())])]));
        node.reply("DBSIZE", ":1\r\n");
    }
    nodes
}

#[test]
fn a_cluster_that_does_not_know_hello_is_found_by_info() {
    let handle =
        |node: &ScriptedNode| Redis::builder().host("127.0.0.1").port(node.port()).timeout(LIMIT).retries(0);
    let [first, second] = reported_by_info();
    // The first operation is not one on a key, which would be redirected.
    on(handle(&first), async |_| {
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), 2);
        assert_eq!((first.received("SCAN"), second.received("SCAN")), (1, 1));
    });
    on(handle(&first), async |redis| {
        let error = redis.raw(|_| async { Ok(()) }).await.unwrap_err();
        assert!(error.to_string().contains("raw_for"), "{error}");
    });
    on(handle(&first), async |redis| {
        let each = redis.raw_each(|mut c| async move { redis::cmd("PING").query_async::<()>(&mut c).await });
        assert_eq!(each.await.unwrap().len(), 2);
    });
    assert!(first.received("HELLO") > 0);
}

/// A handle that does not know yet that its server is a node of a cluster, and is connected.
fn unaware<F: Future<Output = ()>>(body: impl Fn(Redis, Proxy) -> F) {
    let cluster = shared_cluster();
    let proxy = Proxy::start(cluster.node(0).address());
    // Both attempts to find out.
    proxy.on("CLUSTER", Fault::CutRequest);
    proxy.on("CLUSTER", Fault::CutRequest);
    let name = unique_namespace();
    on(plain(proxy.port(), &name), async |redis| {
        fill(&name).await;
        let is_served = |id: &u64| cluster.master_of(slot_of(&redis, &CartKeys::page(*id))) == 0;
        let served = (0..MANY).find(is_served).unwrap();
        assert!(CartKeys::page(served).exists().await.unwrap());
        assert_eq!(proxy.unused(), 0);
        assert!(redis.stats().connections[0].nodes.is_empty(), "the cluster is not known yet");
        body(redis, proxy).await;
    });
}

#[test]
fn a_redirection_within_a_batch_shows_that_it_is_a_cluster() {
    unaware(async |redis, _proxy| {
        let commands: Vec<_> = (0..MANY).map(|id| CartKeys::views(id).incr()).collect();
        assert_eq!(redis.batch(commands).await.unwrap(), vec![1; MANY as usize]);
        assert_eq!(CartKeys::page_keys().count().await.unwrap(), MANY);
    });
    // The connection is lost, so the batch does not take the fast path.
    unaware(async |redis, proxy| {
        proxy.cut_all();
        proxy.until(|traffic| traffic.open == 0).await;
        let connected = || redis.stats().connections[0].shared_connections > 0;
        redis_keyspace_tests::eventually("the loss is noticed", async || !connected()).await;
        let commands: Vec<_> = (0..MANY).map(|id| CartKeys::views(id).incr()).collect();
        assert_eq!(redis.batch(commands).await.unwrap(), vec![1; MANY as usize]);
    });
}

#[test]
fn a_sweep_starts_again_on_all_nodes_when_the_cluster_is_found() {
    // Found after the first page, and after the last page of the first node.
    for page_size in [1, 1000] {
        unaware(async |redis, _proxy| {
            let mut is_first = true;
            let deleting = CartKeys::page_keys().all().delete().page_size(page_size).on_progress(|_| {
                if std::mem::take(&mut is_first) {
                    let redirected =
                        Key::set_many((0..MANY).map(|id| (CartKeys::blob(id).on(&redis), *b"x")));
                    let runtime = tokio::runtime::Handle::current();
                    tokio::task::block_in_place(|| runtime.block_on(redirected.into_future())).unwrap();
                }
            });
            let deleted = deleting.await.unwrap();
            assert_eq!((deleted.affected, deleted.finished), (MANY, true), "pages of {page_size}");
        });
    }
}
