//! Reads from replicas that the configuration names.

use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace::command::Reads;
use redis_keyspace_tests::{RealServer, eventually, eventually_blocking};
use tokio::task::JoinSet;

use crate::{ShopKeys, count, in_sync, on, reads, uses};

/// Starts a master and a replica that follows it.
pub fn servers() -> (RealServer, RealServer) {
    let master = RealServer::builder().arg("--repl-diskless-sync-delay").arg("0").start();
    let port = master.port().to_string();
    let replica = RealServer::builder().arg("--replicaof").arg("127.0.0.1").arg(port).start();
    eventually_blocking("the replica receives writes", || {
        let mut client = master.client();
        client.call(&["SET", ":warm", "up"]).unwrap();
        client.call(&["WAIT", "1", "100"]).unwrap().to_string() == "1"
    });
    (master, replica)
}

#[test]
fn reads_use_the_configured_replica_until_it_is_down() {
    let (master, replica) = servers();
    let builder = Redis::builder().host("127.0.0.1").port(master.port());
    let builder = builder.replicas([replica.address().to_string()]).unwrap();
    on(builder, async |redis: Redis| {
        let limit = Duration::from_secs(20);
        ShopKeys::page(1).set("page").wait_replicas(1, limit).await.unwrap();
        ShopKeys::near(1).set("near").wait_replicas(1, limit).await.unwrap();
        uses(&redis, 1).await;
        let (of_master, of_replica) = ([reads(&master)], [reads(&replica)]);
        for _ in 0..10 {
            assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("page"));
        }
        eventually("the replica answers", async || count(&of_replica) == 10).await;
        assert_eq!(count(&of_master), 0);
        replica.kill();
        for _ in 0..10 {
            assert_eq!(ShopKeys::near(1).get().await.unwrap().as_deref(), Some("near"));
        }
        assert!(ShopKeys::page(1).get().await.is_err());
        uses(&redis, 0).await;
        replica.restart();
        eventually("the replica is used again", async || {
            let read = ShopKeys::page(1).get().await;
            in_sync(&redis) == 1 && read.is_ok_and(|value| value.as_deref() == Some("page"))
        })
        .await;
    });
}

#[test]
fn the_master_answers_what_a_busy_replica_has_no_room_for() {
    let (master, replica) = servers();
    let builder = Redis::builder().host("127.0.0.1").port(master.port());
    let builder = builder.replicas([replica.address().to_string()]).unwrap();
    on(builder.shared_connections(1).max_in_flight(3), async |redis: Redis| {
        ShopKeys::near(1).set("near").wait_replicas(1, Duration::from_secs(20)).await.unwrap();
        uses(&redis, 1).await;
        replica.pause();
        let mut reading = JoinSet::new();
        for _ in 0..4 {
            reading.spawn(redis.scope(async { ShopKeys::near(1).get().await }));
        }
        let first = reading.join_next().await.unwrap().unwrap();
        assert_eq!(first.unwrap().as_deref(), Some("near"), "the replica is paused");
        replica.resume();
        for value in reading.join_all().await {
            assert_eq!(value.unwrap().as_deref(), Some("near"));
        }
    });
}

#[test]
fn a_single_server_answers_all_reads() {
    redis_keyspace_tests::on_real(async |_| {
        ShopKeys::page(1).set("page").await.unwrap();
        assert_eq!(ShopKeys::page(1).get().reads(Reads::Replica).await.unwrap().as_deref(), Some("page"));
    });
    redis_keyspace_tests::on_embedded(async |_| {
        ShopKeys::page(1).set("page").await.unwrap();
        assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("page"));
        let error = ShopKeys::views(1).incr().reads(Reads::Replica).await.unwrap_err();
        assert!(error.to_string().contains("`reads` is for commands that only read"), "{error}");
    });
}
