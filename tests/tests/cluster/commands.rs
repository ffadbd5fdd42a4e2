//! Commands reach the nodes of their keys.

use std::collections::BTreeSet;
use std::time::Duration;

use redis_keyspace::config::Protocol;
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::{
    RealCluster, RealServer, eventually, require_setting, shared_cluster, unique_namespace,
};

use crate::{CartKeys, LIMIT, builder, on, on_cluster, slot, slot_of};

/// How many keys are enough to use all nodes.
const MANY: u64 = 60;

#[test]
fn each_command_reaches_the_node_of_its_key() {
    let cluster = shared_cluster();
    let run = async |redis: Redis| {
        for id in 0..MANY {
            CartKeys::page(id).set(&format!("page {id}")).await.unwrap();
            assert_eq!(CartKeys::views(id).incr().await.unwrap(), 1);
        }
        for id in 0..MANY {
            assert_eq!(CartKeys::page(id).get().await.unwrap(), Some(format!("page {id}")));
            let owner = cluster.node(cluster.master_of(slot_of(&redis, &CartKeys::page(id))));
            let name = redis.wire_key(&CartKeys::page(id)).unwrap();
            assert_eq!(owner.redis_cli(&["EXISTS", &name]), "1", "{name}");
        }
        let stats = redis.stats();
        let nodes = &stats.connections[0].nodes;
        let masters: Vec<_> = nodes.iter().filter(|node| node.slots > 0).collect();
        assert_eq!(masters.len(), 3, "{nodes:?}");
        assert_eq!(masters.iter().map(|node| node.slots).sum::<usize>(), 16_384);
        assert!(masters.iter().all(|node| node.shared_connections > 0), "{nodes:?}");
        assert!(
            nodes.iter().filter(|node| node.slots == 0).all(|node| node.shared_connections == 0),
            "{nodes:?}"
        );
    };
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        on(builder(cluster).protocol(protocol), run);
    }
    // Any node leads to the others, and so does a list that contains nodes that do not exist.
    let seeds = format!("redis://127.0.0.1:1,{}", cluster.seeds_url().trim_start_matches("redis://"));
    let namespace = unique_namespace;
    on(Redis::builder().url(&seeds).unwrap().namespace(namespace()).unwrap(), run);
    // Without the facts of a login, the first redirection shows that it is a cluster.
    let plain = format!("{}?login=plain", cluster.url());
    on(Redis::builder().url(&plain).unwrap().namespace(namespace()).unwrap(), run);
    on(Redis::builder().url(&plain).unwrap().cluster(true).namespace(namespace()).unwrap(), run);
}

#[test]
fn operations_on_many_keys_are_divided_and_joined_in_order() {
    on_cluster(async |redis| {
        let pages = || (0..MANY).map(|id| (CartKeys::page(id), format!("page {id}")));
        Key::set_many(pages()).await.unwrap();
        let read = Key::get_many((0..MANY + 2).rev().map(CartKeys::page)).await.unwrap();
        let expected: Vec<_> =
            (0..MANY + 2).rev().map(|id| (id < MANY).then(|| format!("page {id}"))).collect();
        assert_eq!(read, expected);
        assert!(CartKeys::page(1).ttl().await.unwrap().remaining() > Some(Duration::from_secs(3000)));

        // Templates with stale copies write atomically, in each slot.
        Key::set_many((0..MANY).map(|id| (CartKeys::kept(id), "kept"))).await.unwrap();
        let kept = Key::get_many((0..MANY).map(CartKeys::kept)).await.unwrap();
        assert!(kept.iter().all(|value| value.as_deref() == Some("kept")));
        assert_eq!(Key::del_many((0..MANY).map(CartKeys::kept)).await.unwrap(), MANY);

        assert_eq!(Key::del_many((0..2 * MANY).map(CartKeys::page)).await.unwrap(), MANY);
        assert_eq!(Key::get_many([1, 2].map(CartKeys::page)).await.unwrap(), [None, None]);

        // Thousands of keys, in several commands for each slot.
        Key::set_many((0..5000).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        let read = Key::get_many((0..5000).map(CartKeys::page)).await.unwrap();
        assert_eq!(read.iter().flatten().count(), 5000);

        let commands: Vec<_> = (0..MANY).map(|id| CartKeys::views(id).incr()).collect();
        let counted = redis.batch(commands).await.unwrap();
        assert_eq!(counted, vec![1; MANY as usize]);
    });
}

#[test]
fn each_command_of_a_batch_fails_on_its_own() {
    on_cluster(async |redis| {
        CartKeys::page(1).set("text").await.unwrap();
        let wrong = redis.wire_key(&CartKeys::views(2)).unwrap();
        redis
            .raw_for(&CartKeys::views(2), |mut connection| async move {
                redis::cmd("RPUSH").arg(wrong).arg(1).query_async::<()>(&mut connection).await
            })
            .await
            .unwrap();
        let commands = vec![CartKeys::views(1).incr(), CartKeys::views(2).incr(), CartKeys::views(3).incr()];
        let outcomes = redis.batch(commands).each().await.unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), 1);
        assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), ErrorKind::WrongType);
        assert_eq!(*outcomes[2].as_ref().unwrap(), 1);
    });
}

#[test]
fn a_transaction_needs_one_slot() {
    on_cluster(async |redis| {
        let (cart, views) =
            redis.transaction((CartKeys::user(7).set(&vec![1]), CartKeys::views(7).incr())).await.unwrap();
        assert_eq!(((), 1), (cart, views));
        let error = redis.transaction((CartKeys::page(1).get(), CartKeys::page(2).get())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        for part in ["cart:page:{id}", "nothing was sent", "hash_tag"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    });
}

#[test]
fn fills_updates_and_locks_work_in_the_slot_of_their_key() {
    on_cluster(async |_| {
        for id in 0..12 {
            let loaded = CartKeys::kept(id).get_or_set(async || "loaded".to_owned());
            assert_eq!(loaded.across_processes().await.unwrap(), "loaded");
            let again = CartKeys::kept(id).get_or_set(async || "again".to_owned());
            assert_eq!(again.await.unwrap(), "loaded");
            CartKeys::user(id).set(&vec![]).await.unwrap();
            CartKeys::user(id).update(|cart| cart.push(id)).await.unwrap();
            assert_eq!(CartKeys::user(id).get().await.unwrap(), Some(vec![id]));
            let guard = CartKeys::lock(id).try_lock().await.unwrap().expect("it is not held");
            assert!(CartKeys::lock(id).try_lock().await.unwrap().is_none());
            guard.release().await.unwrap();
        }
    });
}

#[test]
fn raw_commands_choose_their_node() {
    let cluster = shared_cluster();
    on_cluster(async |redis| {
        let error = redis.raw(|_| async { Ok(()) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("raw_for") && error.to_string().contains("raw_each"), "{error}");
        for id in 0..12 {
            let key = CartKeys::page(id);
            let name = redis.wire_key(&key).unwrap();
            let set = redis.raw_for(&key, |mut connection| async move {
                redis::cmd("SET").arg(name).arg("raw").query_async::<String>(&mut connection).await
            });
            assert_eq!(set.await.unwrap(), "OK");
            assert_eq!(key.get().await.unwrap().as_deref(), Some("raw"));
        }
        let ports = redis.raw_each(|mut connection| async move {
            let myself: String = redis::cmd("CLUSTER").arg("MYID").query_async(&mut connection).await?;
            Ok(myself)
        });
        let ids: BTreeSet<_> = ports.await.unwrap().into_iter().collect();
        let masters: BTreeSet<_> = cluster.masters().into_iter().map(|node| cluster.id(node)).collect();
        assert_eq!(ids, masters);
    });
}

#[test]
fn raw_commands_on_every_master_reach_a_new_one() {
    let cluster = RealCluster::builder().replicas(0).start();
    on(builder(&cluster), async |redis| {
        redis.connect().await.unwrap();
        // The handle sends nothing while a new master takes a slot over.
        tokio::task::block_in_place(|| {
            let added = cluster.add_master();
            cluster.move_slot(7, added);
        });
        let ids = redis.raw_each(|mut connection| async move {
            redis::cmd("CLUSTER").arg("MYID").query_async::<String>(&mut connection).await
        });
        let ids: BTreeSet<_> = ids.await.unwrap().into_iter().collect();
        let masters: BTreeSet<_> = cluster.masters().into_iter().map(|node| cluster.id(node)).collect();
        assert_eq!((ids.len(), ids), (4, masters));
    });
}

#[test]
fn one_node_can_be_used_alone() {
    let cluster = shared_cluster();
    on(builder(cluster).cluster(false), async |redis| {
        // The first node serves some of the keys, and rejects the others.
        let (mut served, mut rejected) = (0, 0);
        for id in 0..MANY {
            match CartKeys::page(id).set("x").await {
                Ok(()) => {
                    served += 1;
                    let owner = cluster.master_of(slot_of(&redis, &CartKeys::page(id)));
                    assert_eq!(owner, 0);
                }
                Err(error) => {
                    rejected += 1;
                    assert_eq!(error.code(), Some("MOVED"), "{error}");
                    assert!(error.to_string().contains("another node"), "{error}");
                }
            }
        }
        assert!(served > 0 && rejected > 0);
        assert!(redis.stats().connections[0].nodes.is_empty());
        redis
            .raw(|mut connection| async move { redis::cmd("PING").query_async::<()>(&mut connection).await })
            .await
            .unwrap();
    });
}

#[derive(redis_keyspace::Keyspace)]
#[keyspace(prefix = "other", db = 2, ttl = "1h")]
struct DatabaseKeys {
    page: fn(id: u64) -> redis_keyspace::Text,
}

#[derive(redis_keyspace::Keyspace)]
#[keyspace(prefix = "too-high", db = 16, ttl = "1h")]
struct TooHighKeys {
    page: fn(id: u64) -> redis_keyspace::Text,
}

#[test]
fn a_database_is_rejected_with_the_option_that_maps_it() {
    let cluster = shared_cluster();
    on(builder(cluster), async |redis| {
        let error = DatabaseKeys::page(1).set("x").await.unwrap_err();
        for part in ["database 2", "`.keyspace::<S>(|options| options.db(0))`"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        redis.close().await;
    });
    on(builder(cluster).keyspace::<DatabaseKeys>(|options| options.db(0)), async |_| {
        DatabaseKeys::page(1).set("x").await.unwrap();
        assert_eq!(DatabaseKeys::page(1).get().await.unwrap().as_deref(), Some("x"));
    });
}

#[test]
fn a_cluster_with_several_databases_accepts_each() {
    if !require_setting("cluster-databases") {
        return;
    }
    let two = RealCluster::builder().masters(2).replicas(0);
    let cluster = two.arg("--cluster-databases").arg("16").start();
    on(builder(&cluster), async |redis| {
        Key::set_many((0..MANY).map(|id| (DatabaseKeys::page(id), "x"))).await.unwrap();
        assert_eq!(DatabaseKeys::page(1).get().await.unwrap().as_deref(), Some("x"));
        let size = |node, db| cluster.node(node).redis_cli(&["-n", db, "DBSIZE"]).parse::<u64>().unwrap();
        assert_eq!([size(0, "2") + size(1, "2"), size(0, "0") + size(1, "0")], [MANY, 0]);
        assert_eq!(DatabaseKeys::page_keys().all().delete().await.unwrap().affected, MANY);
        // A cluster may still have too few of them.
        let error = TooHighKeys::page(1).set("x").on(&redis).await.unwrap_err();
        assert!(error.to_string().contains("`cluster-databases`"), "{error}");
    });
}

#[test]
fn eager_connections_go_to_all_masters_and_a_health_check_asks_each() {
    on_cluster(async |redis| {
        redis.connect().await.unwrap();
        let stats = redis.stats();
        let connected =
            stats.connections[0].nodes.iter().filter(|node| node.slots > 0 && node.shared_connections > 0);
        assert_eq!(connected.count(), 3, "{stats:?}");
        let health = redis.health().with_write_probe().await;
        assert!(health.healthy, "{health:?}");
        assert_eq!(health.nodes.len(), 3);
        assert!(health.nodes.iter().all(|node| node.error.is_none() && node.latency_ms.is_some()));
    });
}

/// The shared connections of each master.
fn connections_of_masters(redis: &Redis) -> Vec<usize> {
    let stats = redis.stats();
    let masters = stats.connections[0].nodes.iter().filter(|node| node.slots > 0);
    masters.map(|node| node.shared_connections).collect()
}

#[test]
fn several_masters_get_one_shared_connection_each_unless_another_number_is_set() {
    on_cluster(async |redis| {
        redis.connect().await.unwrap();
        assert_eq!(connections_of_masters(&redis), [1, 1, 1]);
    });
    on(builder(shared_cluster()).shared_connections(3), async |redis| {
        redis.connect().await.unwrap();
        assert_eq!(connections_of_masters(&redis), [3, 3, 3]);
    });
}

#[test]
fn a_cluster_that_grows_to_several_masters_needs_fewer_shared_connections_for_each() {
    let cluster = RealCluster::builder().masters(1).replicas(0).start();
    on(builder(&cluster), async |redis| {
        redis.connect().await.unwrap();
        assert_eq!(connections_of_masters(&redis), [2]);
        let added = cluster.add_master();
        cluster.move_slot(slot_of(&redis, &CartKeys::page(1)), added);
        // The first command on the slot is redirected.
        CartKeys::page(1).set("x").await.unwrap();
        eventually("both masters have one connection", async || connections_of_masters(&redis) == [1, 1])
            .await;
        assert_eq!(CartKeys::page(1).get().await.unwrap().as_deref(), Some("x"));
        CartKeys::page(2).set("y").await.unwrap();
        assert_eq!(connections_of_masters(&redis), [1, 1]);
    });
}

#[test]
fn a_cluster_with_a_slot_that_no_node_serves_is_not_healthy() {
    let cluster = RealCluster::builder().masters(1).replicas(0).start();
    on(builder(&cluster), async |redis| {
        let health = redis.health().timeout(LIMIT).await;
        assert!(health.healthy && health.unserved_slots == Some(0), "{health:?}");
        assert_eq!(cluster.node(0).redis_cli(&["CLUSTER", "DELSLOTS", "7", "8"]), "OK");
        let health = redis.health().timeout(LIMIT).await;
        assert_eq!((health.healthy, health.unserved_slots), (false, Some(2)));
        assert!(health.error.unwrap().contains("serves 2 of its slots"));
        assert_eq!(cluster.node(0).redis_cli(&["CLUSTER", "ADDSLOTS", "7", "8"]), "OK");
        assert!(redis.health().timeout(LIMIT).await.healthy);
    });
}

#[test]
fn a_cluster_of_one_node_works() {
    let cluster = RealCluster::builder().masters(1).replicas(0).start();
    on(builder(&cluster), async |redis| {
        Key::set_many((0..MANY).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        assert_eq!(Key::get_many((0..MANY).map(CartKeys::page)).await.unwrap().iter().flatten().count(), 60);
        assert_eq!(redis.stats().connections[0].nodes.len(), 1);
    });
    assert_eq!(slot("123456789"), 0x31c3);
}

redis_keyspace::catalog!(CATALOG = [CartKeys], cluster, together = [CartKeys::user, CartKeys::views]);

#[test]
fn the_rules_of_a_catalog_are_enough_on_a_cluster() {
    let cluster = shared_cluster();
    let name = unique_namespace();
    let rules = CATALOG.acl_rules().cluster().namespace(&name).to_string();
    for node in cluster.members() {
        let words = format!("ACL SETUSER {name} on >secret {rules}");
        let words: Vec<_> = words.split(' ').collect();
        assert_eq!(cluster.node(node).redis_cli(&words), "OK");
    }
    let builder = builder(cluster).namespace(&name).unwrap().username(name.as_str()).password("secret");
    on(builder, async |redis| {
        Key::set_many((0..MANY).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
        redis.transaction((CartKeys::user(7).set(&vec![1]), CartKeys::views(7).incr())).await.unwrap();
        assert_eq!(CartKeys::kept(1).get_or_set(async || "loaded".to_owned()).await.unwrap(), "loaded");
        assert_eq!(CartKeys::page_keys().all().delete().await.unwrap().affected, MANY);
        assert!(redis.health().await.healthy);
    });
}

#[test]
fn many_missing_values_are_loaded_together() {
    on_cluster(async |_| {
        Key::set_many((0..10).map(|id| (CartKeys::page(id), "stored"))).await.unwrap();
        let load = async |ids: Vec<u64>| {
            ids.into_iter()
                .map(|id| (id, format!("loaded {id}")))
                .collect::<std::collections::HashMap<_, _>>()
        };
        let found = Key::get_or_set_many(0..20, CartKeys::page, load).await.unwrap();
        for (id, value) in (0..20).zip(found) {
            let expected = if id < 10 { "stored".to_owned() } else { format!("loaded {id}") };
            assert_eq!(value, Some(expected));
        }
        assert_eq!(CartKeys::page(15).get().await.unwrap().as_deref(), Some("loaded 15"));
    });
}

#[test]
fn servers_that_are_no_cluster_are_not_used_as_one() {
    let (one, other) = (RealServer::start(), RealServer::start());
    let url = format!("{},127.0.0.1:{}", one.url(), other.port());
    on(Redis::builder().url(&url).unwrap(), async |_| {
        let error = CartKeys::page(1).set("x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("not a node of a cluster"), "{error}");
    });
    on(Redis::builder().url(&one.url()).unwrap().cluster(true), async |_| {
        let error = CartKeys::page(1).set("x").await.unwrap_err().to_string();
        assert!(
            error.contains("is not a node of a cluster") && error.contains("cluster support disabled"),
            "{error}"
        );
    });
}

#[test]
fn commands_on_many_slots_fail_together_while_no_node_answers() {
    let port = redis_keyspace_tests::Proxy::start(shared_cluster().node(0).address());
    port.refuse(true);
    let builder = Redis::builder().host("127.0.0.1").port(port.port()).cluster(true).timeout(LIMIT);
    on(builder.retries(0).breaker(0, LIMIT), async |redis| {
        let error = Key::get_many((0..MANY).map(CartKeys::page)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let attempts = redis.stats().connections[0].failed_connects;
        assert!(attempts > 0 && attempts < MANY / 4, "{attempts} attempts for one command");
    });
}
