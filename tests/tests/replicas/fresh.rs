//! Operations that need fresh data use the master, although the keyspace reads from replicas.

use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{Group, Json, Key, Keyspace, Lock, Once, RateLimit, Redis, Text};
use redis_keyspace_tests::{Executed, Monitor, RealCluster, RealSentinels, RealServer, eventually};

use crate::{configured, in_sync, on, sentinels};

#[derive(Keyspace)]
#[keyspace(prefix = "fresh", ttl = "1h", reads = "replica")]
pub struct FreshKeys {
    #[key("user:{id}", hash_tag = id)]
    pub user: fn(id: u64) -> Json<Vec<u64>>,
    #[key("name:{id}", hash_tag = id)]
    pub name: fn(id: u64) -> Text,
    #[key("all:{id}", hash_tag = id)]
    pub all: fn(id: u64) -> Group,
    pub lock: fn(id: u64) -> Lock,
    #[key(ttl = none)]
    pub calls: fn(id: u64) -> RateLimit,
    pub paid: fn(id: u64) -> Once<Text>,
    #[key("kept:{id}", stale_for = "1m", negative_ttl = "10s")]
    pub kept: fn(id: u64) -> Text,
    /// Read to show that reads use the replicas.
    pub read: fn(id: u64) -> Text,
}

/// Records what clients do with the keys on a replica. The writes that it receives from a master do
/// not count.
fn used(replica: &RealServer, masters: &[&RealServer]) -> Monitor {
    let masters: Vec<_> = masters.iter().map(|master| master.address().to_string()).collect();
    Monitor::start(replica, move |executed| {
        !masters.contains(&executed.client) && executed.words.iter().any(|word| word.contains(":fresh:"))
    })
    .unwrap()
}

async fn everything_fresh(redis: &Redis, id: u64) {
    let user = FreshKeys::user(id);
    user.update_or_insert(Vec::new, |ids| ids.push(1)).await.unwrap();
    user.update(|ids| ids.push(2)).await.unwrap();
    user.update_with(|_| redis_keyspace::update::Change::Keep).await.unwrap();
    let watched = redis.watch(&user, async |tx| {
        let mut ids = tx.run(user.get()).await?.unwrap();
        ids.push(3);
        Ok(Some(user.set(&ids)))
    });
    watched.await.unwrap();
    redis.transaction((user.get(), FreshKeys::name(id).set("x"))).await.unwrap();
    redis.batch((user.get(), FreshKeys::name(id).get())).await.unwrap();
    user.get_ex().await.unwrap();

    let guard = FreshKeys::lock(id).lock().await.unwrap();
    assert!(FreshKeys::lock(id).try_lock().await.unwrap().is_none());
    assert!(FreshKeys::lock(id).is_locked().await.unwrap());
    guard.release().await.unwrap();
    assert!(FreshKeys::calls(id).check(Rate::per_minute(10)).await.unwrap().allowed);
    assert!(FreshKeys::calls(id).peek(Rate::per_minute(10)).await.unwrap().allowed);
    for _ in 0..2 {
        assert_eq!(FreshKeys::paid(id).run(async || "done".to_owned()).await.unwrap(), "done");
    }
    let member = FreshKeys::all(id).member(&FreshKeys::name(id)).await.unwrap();
    member.set("x").await.unwrap();
    FreshKeys::all(id).invalidate().await.unwrap();
    drop(FreshKeys::all(id).member(&FreshKeys::name(id)).await.unwrap());

    let kept = FreshKeys::kept(id);
    let load = async || "loaded".to_owned();
    assert_eq!(kept.get_or_set(load).across_processes().await.unwrap(), "loaded");
    assert_eq!(kept.get_or_set(load).refresh().await.unwrap(), "loaded");
    assert_eq!(kept.get_or_set(load).early_refresh(1.0).await.unwrap(), "loaded");
    let many = Key::get_or_set_many([id], FreshKeys::kept, async |ids: Vec<u64>| {
        ids.into_iter().map(|id| (id, "loaded".to_owned())).collect::<Vec<_>>()
    });
    assert_eq!(many.await.unwrap().len(), 1);
    assert!(FreshKeys::kept_keys().count().await.unwrap() > 0);
    assert!(FreshKeys::user_keys().all().expire(crate::LIMIT).await.unwrap().affected > 0);
}

/// Uses keys on all masters. Afterwards, each replica has been read from, and has seen no other
/// command.
async fn uses_masters(redis: &Redis, replicas: &[Monitor]) {
    eventually("the replicas are found", async || {
        FreshKeys::read(0).exists().await.unwrap();
        in_sync(redis) == replicas.len()
    })
    .await;
    for id in 0..20 {
        everything_fresh(redis, id).await;
    }
    let is_read = |executed: &Executed| executed.words.iter().any(|word| word.contains(":fresh:read:"));
    // A connection sees the commands in their order.
    for id in 0..100 {
        FreshKeys::read(1000 + id).strlen().await.unwrap();
    }
    eventually("the replicas are read", async || {
        replicas
            .iter()
            .all(|replica| replica.executed().iter().any(|read| read.words[0] == "STRLEN" && is_read(read)))
    })
    .await;
    for replica in replicas {
        let others: Vec<_> = replica.executed().into_iter().filter(|executed| !is_read(executed)).collect();
        assert_eq!(others, []);
    }
}

#[test]
fn a_configured_replica_is_not_asked_for_fresh_data() {
    let (master, replica) = configured::servers();
    let builder = Redis::builder().host("127.0.0.1").port(master.port());
    on(builder.replicas([replica.address().to_string()]).unwrap(), async |redis: Redis| {
        uses_masters(&redis, &[used(&replica, &[&master])]).await;
    });
}

#[test]
fn the_replicas_of_a_cluster_are_not_asked_for_fresh_data() {
    let cluster = RealCluster::start();
    on(Redis::builder().url(&cluster.url()).unwrap(), async |redis: Redis| {
        let masters = cluster.masters();
        let servers: Vec<_> = masters.iter().map(|&node| cluster.node(node)).collect();
        let replicas = masters.iter().flat_map(|&master| cluster.replicas_of(master));
        let replicas: Vec<_> = replicas.map(|node| used(cluster.node(node), &servers)).collect();
        uses_masters(&redis, &replicas).await;
    });
}

#[test]
fn the_replicas_that_sentinels_know_are_not_asked_for_fresh_data() {
    let servers = RealSentinels::start();
    on(sentinels::builder(&servers), async |redis: Redis| {
        let replicas = [1, 2].map(|node| used(servers.node(node), &[servers.node(0)]));
        uses_masters(&redis, &replicas).await;
    });
}
