//! Clusters whose nodes listen with TLS only.

use std::collections::BTreeSet;
use std::time::Duration;

use redis_keyspace::config::{Protocol, Tls};
use redis_keyspace::error::TlsFailure;
use redis_keyspace::{
    Channel, Counter, ErrorKind, Group, Json, Key, Keyspace, Lock, Once, Redis, RedisBuilder, Text,
};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, eventually, require_setting, require_tls, unique_namespace, within,
};
use tokio::task::block_in_place;

use crate::authority::{Authority, Issued, Validity};

/// The timeout of commands, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// How many keys are enough to use all nodes.
const MANY: u64 = 60;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    page: fn(id: u64) -> Text,
    #[key("near:{id}", reads = "replica")]
    near: fn(id: u64) -> Text,
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: u64) -> Json<Vec<u64>>,
    #[key("user:{id}:views", hash_tag = id)]
    views: fn(id: u64) -> Counter,
    lock: fn(id: u64) -> Lock,
    paid: fn(id: u64) -> Once<Text>,
    #[key("all:{id}", hash_tag = id)]
    all: fn(id: u64) -> Group,
    #[key("part:{id}", hash_tag = id)]
    part: fn(id: u64) -> Text,
    room: fn(id: u64) -> Channel<Text>,
}

/// A cluster whose nodes present this certificate.
fn start(authority: &Authority, issued: &Issued, replicas: usize) -> RealCluster {
    RealCluster::builder().replicas(replicas).tls(authority.files("server", issued)).start()
}

fn builder(url: &str, tls: Tls) -> RedisBuilder {
    Redis::builder().url(url).unwrap().tls(tls).timeout(LIMIT).connect_timeout(LIMIT)
}

fn on<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    within(PATIENCE, async {
        let redis = builder.build().unwrap();
        redis.scope(body(redis.clone())).await;
        redis.close().await;
    });
}

/// The index of the master of a key.
fn master_of<V>(cluster: &RealCluster, key: &Key<CartKeys, V>) -> usize {
    cluster.master_of(key.slot())
}

/// Runs one of each kind of operation, on all nodes.
fn do_everything(builder: RedisBuilder) {
    on(builder.namespace(unique_namespace()).unwrap(), everything);
}

async fn everything(redis: Redis) {
    redis.connect().await.unwrap();
    let pages = || (0..MANY).map(CartKeys::page);
    Key::set_many(pages().map(|page| (page, "x"))).await.unwrap();
    assert_eq!(Key::get_many(pages()).await.unwrap().iter().flatten().count(), 60);
    let counted = redis.batch((0..MANY).map(|id| CartKeys::views(id).incr()).collect::<Vec<_>>());
    assert_eq!(counted.await.unwrap(), vec![1; 60]);
    for id in 0..12 {
        CartKeys::page(id).set("y").await.unwrap();
        assert_eq!(CartKeys::page(id).get().await.unwrap().as_deref(), Some("y"));
        let loaded = CartKeys::user(id).get_or_set(async || vec![id]).across_processes();
        assert_eq!(loaded.await.unwrap(), [id]);
        CartKeys::user(id).update(|cart| cart.push(7)).await.unwrap();
        let both = redis.transaction((CartKeys::user(id).get(), CartKeys::views(id).incr()));
        assert_eq!(both.await.unwrap(), (Some(vec![id, 7]), 2));
        assert_eq!(CartKeys::lock(id).with_lock(async |_| 5).await.unwrap(), 5);
        assert_eq!(CartKeys::paid(id).run(async || "done".to_owned()).await.unwrap(), "done");
        let member = CartKeys::all(id).member(&CartKeys::part(id)).await.unwrap();
        member.set("part").await.unwrap();
        CartKeys::all(id).invalidate().await.unwrap();
        let member = CartKeys::all(id).member(&CartKeys::part(id)).await.unwrap();
        assert_eq!(member.get().await.unwrap(), None);
        let wire = redis.wire_key(&CartKeys::page(id)).unwrap();
        let get =
            async |mut connection| redis::cmd("GET").arg(&wire).query_async::<String>(&mut connection).await;
        assert_eq!(redis.raw_for(&CartKeys::page(id), get).await.unwrap(), "y");
    }
    let ids = redis.raw_each(async |mut connection| {
        redis::cmd("CLUSTER").arg("MYID").query_async::<String>(&mut connection).await
    });
    assert_eq!(ids.await.unwrap().into_iter().collect::<BTreeSet<_>>().len(), 3);
    let mut messages = CartKeys::room(1).subscribe().await.unwrap();
    CartKeys::room(1).publish("hello").await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap().message().as_deref(), Some("hello"));
    assert_eq!(CartKeys::page_keys().count().await.unwrap(), 60);
    assert_eq!(CartKeys::page_keys().all().expire(LIMIT).await.unwrap().affected, 60);
    assert_eq!(Key::del_many((0..10).map(CartKeys::page)).await.unwrap(), 10);
    assert_eq!(CartKeys::page_keys().all().delete().await.unwrap().affected, 50);
    let health = redis.health().with_write_probe().timeout(LIMIT).await;
    assert!(health.healthy, "{health:?}");
    let stats = redis.stats();
    let masters: Vec<_> = stats.connections[0].nodes.iter().filter(|node| node.slots > 0).collect();
    assert_eq!(masters.len(), 3, "{masters:?}");
    assert!(masters.iter().all(|node| node.shared_connections > 0), "{masters:?}");
}

#[test]
fn every_kind_of_operation_works_on_all_nodes_of_a_cluster() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let cluster = start(&authority, &authority.issue(&["127.0.0.1"], Validity::Now), 0);
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        do_everything(builder(&cluster.url(), authority.trusted()).protocol(protocol));
    }
    do_everything(builder(&cluster.seeds_url(), authority.trusted()));
    // No port answers without TLS.
    on(
        builder(&cluster.url().replace("rediss", "redis"), Tls::new()).timeout(Duration::from_secs(1)),
        async |_| {
            CartKeys::page(1).get().await.unwrap_err();
        },
    );
}

#[test]
fn redirections_are_followed_with_tls() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let cluster = start(&authority, &authority.issue(&["127.0.0.1"], Validity::Now), 0);
    on(builder(&cluster.url(), authority.trusted()), async |redis| {
        CartKeys::user(7).set(&vec![1]).await.unwrap();
        CartKeys::views(7).incr().await.unwrap();
        let wire = redis.wire_key(&CartKeys::views(7)).unwrap();
        let slot = CartKeys::views(7).slot();
        let added = block_in_place(|| cluster.add_master());
        // To a node that the handle does not know: ASK, and then MOVED.
        let moving = block_in_place(|| cluster.begin_move(slot, added));
        block_in_place(|| moving.move_keys(usize::MAX));
        assert_eq!(CartKeys::views(7).incr().await.unwrap(), 2);
        assert_eq!(CartKeys::user(7).get().await.unwrap(), Some(vec![1]));
        block_in_place(|| moving.finish());
        assert_eq!(CartKeys::views(7).incr().await.unwrap(), 3);
        assert_eq!(cluster.node(added).redis_cli(&["GET", &wire]), "3");
    });
}

#[test]
fn the_name_of_each_node_is_checked() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let cluster = start(&authority, &authority.issue(&["127.0.0.1"], Validity::Now), 0);
    // One node, which is not the configured one, presents a certificate for another name.
    let files = authority.files("other", &authority.issue(&["redis.internal"], Validity::Now));
    let [certificate, key] = [&files.certificate, &files.key].map(|file| file.to_str().unwrap());
    let wrong = cluster.node(2);
    wrong.redis_cli(&["CONFIG", "SET", "tls-cert-file", certificate, "tls-key-file", key]);
    let address = wrong.address().to_string();
    on(builder(&cluster.url(), authority.trusted()).retries(0).breaker(0, LIMIT), async |redis| {
        for id in 0..MANY {
            let outcome = CartKeys::page(id).set("x").await;
            if master_of(&cluster, &CartKeys::page(id)) != 2 {
                outcome.unwrap();
                continue;
            }
            let error = outcome.unwrap_err();
            let found = (error.kind(), error.tls_failure());
            assert_eq!(found, (ErrorKind::Unavailable, Some(TlsFailure::WrongName)), "{error}");
            let text = error.to_string();
            assert!(text.contains("is for `redis.internal`, not for `127.0.0.1`"), "{text}");
            assert!(text.contains(&address), "{text}");
        }
        let stats = redis.stats();
        let node = stats.connections[0].nodes.iter().find(|node| node.endpoint.contains(&address));
        assert_eq!(node.unwrap().connects, 0, "{stats:?}");
    });
    // One name for all nodes.
    let named = authority.trusted().server_name("redis.internal");
    on(builder(&wrong.url(), named).retries(0).breaker(0, LIMIT), async |redis| {
        for id in 0..MANY {
            let outcome = CartKeys::page(id).set("x").await;
            let is_right = master_of(&cluster, &CartKeys::page(id)) == 2;
            let failure = outcome.as_ref().err().and_then(redis_keyspace::Error::tls_failure);
            assert_eq!(failure, (!is_right).then_some(TlsFailure::WrongName), "{outcome:?}");
        }
        drop(redis);
    });
}

/// The certificates do not contain the addresses.
#[test]
fn nodes_are_reached_by_the_names_that_they_announce() {
    if !require_tls() || !require_setting("cluster-announce-hostname") {
        return;
    }
    let authority = Authority::new();
    let files = authority.files("server", &authority.issue(&["localhost"], Validity::Now));
    let named = RealCluster::builder().replicas(0).tls(files);
    let named = named.arg("--cluster-announce-hostname").arg("localhost");
    let cluster = named.arg("--cluster-preferred-endpoint-type").arg("hostname").start();
    let url = cluster.url().replace("127.0.0.1", "localhost");
    do_everything(builder(&url, authority.trusted()));
    on(builder(&cluster.url(), authority.trusted()), async |_| {
        let error = CartKeys::page(1).get().await.unwrap_err();
        assert_eq!(error.tls_failure(), Some(TlsFailure::WrongName), "{error}");
    });
}

#[test]
fn replicas_of_a_cluster_are_read_with_tls() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let cluster = start(&authority, &authority.issue(&["127.0.0.1"], Validity::Now), 1);
    // Without MONITOR, for which the harness has no TLS.
    let reads = |node: usize| -> u64 {
        let stats = cluster.node(node).redis_cli(&["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    };
    on(builder(&cluster.url(), authority.trusted()), async |redis| {
        Key::set_many((0..MANY).map(|id| (CartKeys::near(id), "near"))).await.unwrap();
        block_in_place(|| cluster.replicated());
        eventually("the replicas are found", async || {
            CartKeys::near(0).exists().await.unwrap();
            let stats = redis.stats();
            let replicas = stats.connections[0].nodes.iter().filter_map(|node| node.replica);
            replicas.filter(|replica| replica.in_sync).count() == 3
        })
        .await;
        let masters = block_in_place(|| cluster.masters());
        let replicas: Vec<_> = masters.iter().flat_map(|&master| cluster.replicas_of(master)).collect();
        let count = |nodes: &[usize]| nodes.iter().map(|&node| reads(node)).sum::<u64>();
        let before = (count(&masters), count(&replicas));
        for id in 0..MANY {
            assert_eq!(CartKeys::near(id).get().await.unwrap().as_deref(), Some("near"));
        }
        assert_eq!((count(&masters), count(&replicas)), (before.0, before.1 + MANY));
    });
}
