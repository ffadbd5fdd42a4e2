//! Handles that are closed while they are connected to several servers.

use redis_keyspace::{Redis, RedisBuilder};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealSentinels, RealServer, clients_of_program, eventually, within,
};

use crate::configured::servers;
use crate::{LIMIT, uses};

/// Closes a handle that is connected to all these servers, while the handle of a tenant lives on.
fn close(builder: RedisBuilder, replicas: usize, servers: &[&RealServer]) {
    within(PATIENCE, async {
        let redis = builder.timeout(LIMIT).build().unwrap();
        let tenant = redis.for_tenant("acme").unwrap();
        tenant.ping().await.unwrap();
        redis.scope(uses(&redis, replicas)).await;
        eventually("all servers are used", async || {
            servers.iter().all(|server| clients_of_program(server) > 0)
        })
        .await;
        redis.close().await;
        eventually("all connections are closed", async || {
            servers.iter().all(|server| clients_of_program(server) == 0)
        })
        .await;
        drop(tenant);
    });
}

#[test]
fn a_closed_handle_has_no_connections_to_a_configured_replica() {
    let (master, replica) = servers();
    let builder = Redis::builder().host("127.0.0.1").port(master.port());
    close(builder.replicas([replica.address().to_string()]).unwrap(), 1, &[&master, &replica]);
}

#[test]
fn a_closed_handle_has_no_connections_to_sentinels_and_the_servers_that_they_know() {
    let servers = RealSentinels::start();
    let addresses = servers.sentinel_addresses().into_iter().map(|address| address.to_string());
    let builder = Redis::builder().sentinel(RealSentinels::MASTER, addresses).unwrap();
    let all: Vec<_> = (0..3).flat_map(|nth| [servers.node(nth), servers.sentinel(nth)]).collect();
    close(builder, 2, &all);
}

#[test]
fn a_closed_handle_has_no_connections_to_the_nodes_of_a_cluster() {
    let cluster = RealCluster::start();
    let replicas = cluster.masters().into_iter().flat_map(|master| cluster.replicas_of(master));
    let replicas: Vec<_> = replicas.map(|node| cluster.node(node)).collect();
    close(Redis::builder().url(&cluster.url()).unwrap(), 3, &replicas);
}
