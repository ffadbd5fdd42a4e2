//! What a handle reports about each node.

use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace::stats::BreakerState;
use redis_keyspace_tests::RealCluster;

use crate::{CartKeys, LIMIT, builder, on, slot_of};

#[test]
fn a_dead_master_is_reported_and_the_others_are_not() {
    // It is not replaced, and the others go on.
    let cluster = RealCluster::builder().replicas(0).arg("--cluster-require-full-coverage").arg("no").start();
    let breaker = builder(&cluster).breaker(3, Duration::from_secs(600)).retries(0);
    on(breaker, async |redis: Redis| {
        redis.connect().await.unwrap();
        let write = async || {
            let mut failed = 0;
            for id in 0..60 {
                failed += usize::from(CartKeys::page(id).set("x").await.is_err());
            }
            failed
        };
        assert_eq!(write().await, 0);
        let health = redis.health().timeout(LIMIT).await;
        assert!(health.healthy && health.nodes.len() == 3, "{health:?}");
        assert!(
            health.nodes.iter().all(|node| node.error.is_none() && node.latency_ms.is_some()),
            "{health:?}"
        );
        assert_eq!(health.unserved_slots, Some(0));

        let dead = cluster.masters()[1];
        let address = cluster.node(dead).address().to_string();
        cluster.node(dead).kill();
        let health = redis.health().timeout(LIMIT).await;
        assert!(!health.healthy && health.error.is_some(), "{health:?}");
        for node in &health.nodes {
            let is_dead = node.endpoint.contains(&address);
            assert_eq!((node.error.is_some(), node.latency_ms.is_none()), (is_dead, is_dead), "{health:?}");
        }

        let of_dead = (0..60).filter(|&id| cluster.master_of(slot_of(&redis, &CartKeys::page(id))) == dead);
        assert_eq!(write().await, of_dead.count());
        let health = redis.health().timeout(LIMIT).await;
        assert!(!health.healthy && health.breaker != BreakerState::Closed, "{health:?}");
        let stats = redis.stats();
        let nodes = stats.connections[0].nodes.iter().map(|node| {
            let is_used = node.shared_connections > 0;
            (&node.endpoint, node.breaker, node.breaker_opened > 0, is_used)
        });
        let of_health = health.nodes.iter().map(|node| (&node.endpoint, node.breaker, node.error.is_some()));
        for (endpoint, breaker, has_opened, is_used) in nodes.clone() {
            let is_dead = endpoint.contains(&address);
            assert_eq!(
                (breaker == BreakerState::Closed, has_opened, is_used),
                (!is_dead, is_dead, !is_dead),
                "{stats:?}"
            );
        }
        for (endpoint, breaker, has_error) in of_health.clone() {
            let is_dead = endpoint.contains(&address);
            assert_eq!((breaker == BreakerState::Closed, has_error), (!is_dead, is_dead), "{health:?}");
        }
        assert_eq!((nodes.len(), of_health.len()), (3, 3));
    });
}
