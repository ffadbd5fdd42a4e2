//! Commands on the master that sentinels name.

use redis_keyspace::health::ServerRole;
use redis_keyspace::{Key, Redis, redis};
use redis_keyspace_tests::{PATIENCE, RealSentinels, clients_of_program, eventually, within};

use crate::{ShopKeys, answer, builder, on, sentinels};

#[test]
fn all_commands_run_on_the_master() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[2]), async |redis: Redis| {
        redis.connect().await.unwrap();
        ShopKeys::page(1).set("title").await.unwrap();
        assert_eq!(ShopKeys::page(1).get().await.unwrap().as_deref(), Some("title"));
        assert_eq!(ShopKeys::views(1).incr().await.unwrap(), 1);
        Key::set_many((0..100).map(|id| (ShopKeys::page(id), "x"))).await.unwrap();
        assert_eq!(ShopKeys::page_keys().all().count().await.unwrap(), 100);
        ShopKeys::lock(1).lock().await.unwrap().release().await.unwrap();
        let wire = redis.wire_key(&ShopKeys::page(1)).unwrap();
        let get = async |mut connection| redis::cmd("GET").arg(&wire).query_async(&mut connection).await;
        assert_eq!(redis.raw::<String, _, _>(get).await.unwrap(), "x");
        assert_eq!(servers.node(0).redis_cli(&["GET", &wire]), "x");
        assert_eq!(ShopKeys::page_keys().all().delete().await.unwrap().affected, 100);

        // The others are learned from the configured one.
        answer(&redis, 3).await;
        let health = redis.health().with_write_probe().await;
        assert!(health.healthy, "{health:?}");
        assert_eq!(health.role, Some(ServerRole::Master));
        let known = health.sentinels.expect("sentinels name the server");
        assert_eq!((known.known, known.answering, known.has_majority, known.switches), (3, 3, true, 0));
        assert_eq!(known.master, Some(servers.node_address(0).to_string()));
        assert_eq!(sentinels(&redis), known);
        let json = serde_json::to_string(&redis.stats()).unwrap();
        assert!(json.contains(r#""sentinels":{"master":"127.0.0.1"#), "{json}");
    });
}

fn clients(servers: &RealSentinels, sentinel: usize) -> usize {
    clients_of_program(servers.sentinel(sentinel))
}

#[test]
fn handles_share_the_connections_to_sentinels() {
    let servers = RealSentinels::start();
    on(builder(&servers, &[0, 1, 2]), async |redis: Redis| {
        redis.ping().await.unwrap();
        answer(&redis, 3).await;
        let before = clients(&servers, 0);
        let other = builder(&servers, &[0, 1, 2]).db(1).build().unwrap();
        other.ping().await.unwrap();
        assert_eq!(other.stats().connections[0].sentinels, redis.stats().connections[0].sentinels);
        assert_eq!((before, clients(&servers, 0)), (1, 1));
        other.close().await;
        drop(other);
        redis.ping().await.unwrap();
        assert_eq!(clients(&servers, 0), 1);
    });
    let ended = async || clients(&servers, 0) == 0;
    within(PATIENCE, async {
        eventually("the last handle closes the connections", ended).await;
    });
}
