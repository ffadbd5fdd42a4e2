//! A replica that lags behind its master or is cut off from it decides nothing for which fresh data
//! is needed.

use std::time::Duration;

use redis_keyspace::command::Reads;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::{Party, RealSentinels, RealServer, eventually};

use crate::fresh::FreshKeys;
use crate::{configured, in_sync, on, sentinels};

/// What the replica still has, although the master has something else.
const OLD: &str = "old";

/// Stores what the replica must not show later, waits until it has all of that, and uses it.
async fn prepare(redis: &Redis) -> String {
    FreshKeys::user(1).set(&vec![1]).await.unwrap();
    for id in 0..10 {
        FreshKeys::kept(id).set(OLD).await.unwrap();
    }
    let member = FreshKeys::all(1).member(&FreshKeys::name(1)).await.unwrap();
    member.set(OLD).await.unwrap();
    let limit = Duration::from_secs(20);
    FreshKeys::read(0).set("x").wait_replicas(1, limit).await.unwrap();
    eventually("the replica is found", async || {
        _ = FreshKeys::read(0).exists().await;
        in_sync(redis) == 1
    })
    .await;
    member.to_string()
}

/// Changes the data while the replica does not receive it.
async fn change() {
    FreshKeys::user(1).set(&vec![1, 2]).await.unwrap();
    Key::del_many((0..9).map(FreshKeys::kept)).await.unwrap();
    FreshKeys::kept(10).set("new").await.unwrap();
    FreshKeys::all(1).invalidate().await.unwrap();
}

/// Uses everything that needs fresh data, after [`change`]. The replica would answer differently.
async fn everything_is_fresh(redis: &Redis, earlier_member: &str) {
    let user = FreshKeys::user(1);
    assert_eq!(user.get().reads(Reads::Master).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(user.update(|ids| ids.push(3)).await.unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(user.update_or_insert(Vec::new, |ids| ids.push(4)).await.unwrap(), [1, 2, 3, 4]);
    let watched = redis.watch(&user, async |tx| {
        let mut ids = tx.run(user.get()).await?.unwrap();
        ids.push(5);
        Ok(Some(user.set(&ids)))
    });
    watched.await.unwrap();
    let now = Some(vec![1, 2, 3, 4, 5]);
    let (read, ()) = redis.transaction((user.get(), FreshKeys::name(1).set("x"))).await.unwrap();
    assert_eq!(read, now);
    let read = redis.batch((user.get(), FreshKeys::name(1).get())).await.unwrap();
    assert_eq!(read, (now.clone(), Some("x".to_owned())));
    assert_eq!(user.get_ex().await.unwrap(), now);

    let guard = FreshKeys::lock(1).lock().await.unwrap();
    assert!(FreshKeys::lock(1).try_lock().await.unwrap().is_none());
    assert!(FreshKeys::lock(1).is_locked().await.unwrap());
    guard.release().await.unwrap();
    assert!(!FreshKeys::lock(1).is_locked().await.unwrap());
    for allowed in [true, true, false] {
        let decision = FreshKeys::calls(1).check(Rate::per_minute(2)).await.unwrap();
        assert_eq!(decision.allowed, allowed);
    }
    assert!(!FreshKeys::calls(1).peek(Rate::per_minute(2)).await.unwrap().allowed);
    assert_eq!(FreshKeys::paid(1).run(async || "done".to_owned()).await.unwrap(), "done");
    assert_eq!(FreshKeys::paid(1).run(async || "again".to_owned()).await.unwrap(), "done");
    assert_eq!(FreshKeys::paid(1).result().await.unwrap().as_deref(), Some("done"));

    let member = FreshKeys::all(1).member(&FreshKeys::name(1)).await.unwrap();
    assert_ne!(member.to_string(), earlier_member, "the group was invalidated");
    assert_eq!(member.get().reads(Reads::Master).await.unwrap(), None);

    let load = async || "loaded".to_owned();
    assert_eq!(FreshKeys::kept(0).get_or_set(load).across_processes().await.unwrap(), "loaded");
    assert_eq!(FreshKeys::kept(1).get_or_set(load).refresh().await.unwrap(), "loaded");
    assert_eq!(FreshKeys::kept(2).get_or_set(load).early_refresh(1.0).await.unwrap(), "loaded");
    let many = Key::get_or_set_many([3, 4], FreshKeys::kept, async |ids: Vec<u64>| {
        ids.into_iter().map(|id| (id, "loaded".to_owned())).collect::<Vec<_>>()
    });
    assert_eq!(many.await.unwrap(), [Some("loaded".to_owned()), Some("loaded".to_owned())]);
    // Those that were filled, and the last two.
    assert_eq!(FreshKeys::kept_keys().count().await.unwrap(), 7);
    assert_eq!(FreshKeys::kept_keys().all().delete().await.unwrap().affected, 7);
    let waits = FreshKeys::name(1).set("y").wait_replicas(1, Duration::from_millis(50));
    assert_eq!(waits.await.unwrap_err().kind(), ErrorKind::NotReplicated);
}

fn is_old(replica: &RealServer, redis: &Redis) {
    let wire = redis.wire_key(&FreshKeys::user(1)).unwrap();
    assert_eq!(replica.redis_cli(&["GET", &wire]), "[1]", "the replica received the change");
}

#[test]
fn a_replica_that_lags_behind_sentinels_decides_nothing() {
    let servers = RealSentinels::builder().replicas(1).links().start();
    on(sentinels::builder(&servers), async |redis: Redis| {
        let member = prepare(&redis).await;
        servers.cut(Party::Node(0), Party::Node(1));
        change().await;
        // It looks connected, so reads use it, and a deleted value is still there.
        eventually("the replica is read", async || {
            let (user, kept) = (FreshKeys::user(1).get(), FreshKeys::kept(0).get());
            user.await.unwrap() == Some(vec![1]) && kept.await.unwrap().as_deref() == Some(OLD)
        })
        .await;
        // It lacks the new value, but this starts no load.
        assert_eq!(FreshKeys::kept(10).get().await.unwrap(), None);
        let load = async || panic!("the master has the value");
        assert_eq!(FreshKeys::kept(10).get_or_set(load).await.unwrap(), "new");
        everything_is_fresh(&redis, &member).await;
        is_old(servers.node(1), &redis);
        servers.reunite();
        eventually("the replica catches up", async || {
            FreshKeys::user(1).get().await.is_ok_and(|ids| ids == Some(vec![1, 2, 3, 4, 5]))
        })
        .await;
    });
}

/// Takes its master from a replica: nothing listens on that port.
fn cut_off(replica: &RealServer) {
    assert_eq!(replica.redis_cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
}

#[test]
fn a_replica_behind_sentinels_that_is_cut_off_decides_nothing() {
    let servers = RealSentinels::builder().replicas(1).start();
    on(sentinels::builder(&servers), async |redis: Redis| {
        let member = prepare(&redis).await;
        cut_off(servers.node(1));
        change().await;
        is_old(servers.node(1), &redis);
        everything_is_fresh(&redis, &member).await;
    });
}

#[test]
fn a_configured_replica_that_is_cut_off_decides_nothing() {
    let (master, replica) = configured::servers();
    let builder = Redis::builder().host("127.0.0.1").port(master.port());
    on(builder.replicas([replica.address().to_string()]).unwrap(), async |redis: Redis| {
        let member = prepare(&redis).await;
        cut_off(&replica);
        change().await;
        is_old(&replica, &redis);
        everything_is_fresh(&redis, &member).await;
        is_old(&replica, &redis);
    });
}
