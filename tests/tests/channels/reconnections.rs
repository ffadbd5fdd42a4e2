//! Connections that are lost, and servers that are replaced.

use std::time::Duration;

use redis_keyspace::channel::Event;
use redis_keyspace::{Redis, RedisBuilder};
use redis_keyspace_embedded::{Fault as Injected, Server};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, eventually, shared_server, unique_namespace, within,
};

use crate::{Chat, message, resubscribed};

/// A handle that connects through a proxy, and one that does not.
fn handles(proxy: &Proxy, set: impl Fn(RedisBuilder) -> RedisBuilder) -> (Redis, Redis) {
    let (server, namespace) = (shared_server(), unique_namespace());
    let build =
        |url: &str| set(Redis::builder().url(url).unwrap()).namespace(&namespace).unwrap().build().unwrap();
    (build(&server.url_through(proxy)), build(&server.url()))
}

/// Publishes until the message arrives: until `is_it` says so of an event. The second loss may be
/// noticed only after the first one was reported as repaired, and what is published in between is
/// lost.
async fn until_received(publish: impl AsyncFn(), mut is_it: impl AsyncFnMut() -> bool) {
    loop {
        publish().await;
        let received = async { while !is_it().await {} };
        if tokio::time::timeout(Duration::from_millis(100), received).await.is_ok() {
            break;
        }
    }
}

#[test]
fn all_subscriptions_come_back_after_two_losses_in_a_row() {
    let proxy = Proxy::start(shared_server().address());
    let (subscriber, publisher) = handles(&proxy, |builder| builder.timeout(PATIENCE));
    within(PATIENCE, async {
        let names: Vec<String> = (0..300).map(|nth| nth.to_string()).collect();
        let mut rooms = Vec::new();
        for name in &names {
            rooms.push(Chat::room(name).subscribe().on(&subscriber).await.unwrap());
        }
        let mut all = Chat::room_keys().subscribe().on(&subscriber).await.unwrap();
        // Older servers have only ordinary channels.
        let mut shard = match shared_server().supports("SSUBSCRIBE") {
            true => Some(Chat::shard("a").subscribe().on(&subscriber).await.unwrap()),
            false => None,
        };
        for round in 0..5 {
            let before = proxy.traffic().connections;
            proxy.cut_all();
            proxy.until(|traffic| traffic.connections > before).await;
            // It is being subscribed again.
            proxy.cut_all();
            for room in &mut rooms {
                resubscribed(room).await;
            }
            if let Some(shard) = &mut shard {
                resubscribed(shard).await;
            }
            while !matches!(all.next().await.unwrap().unwrap(), Event::Resubscribed) {}
            let text = round.to_string();
            let publish = async |room: &str| {
                Chat::room(room).publish(&text).on(&publisher).await.unwrap();
            };
            for (name, room) in names.iter().zip(&mut rooms) {
                let is_it = async || room.next().await.unwrap().unwrap() == Event::Message(text.clone());
                until_received(async || publish(name).await, is_it).await;
            }
            if let Some(shard) = &mut shard {
                let publish = async || {
                    Chat::shard("a").publish(&text).on(&publisher).await.unwrap();
                };
                let is_it = async || shard.next().await.unwrap().unwrap() == Event::Message(text.clone());
                until_received(publish, is_it).await;
            }
            let is_it = async || matches!(all.next().await.unwrap().unwrap(), Event::Message(_));
            until_received(async || publish("0").await, is_it).await;
        }
    });
}

/// The connection is open, and nothing arrives on it.
#[test]
fn a_server_that_stops_answering_is_noticed() {
    let proxy = Proxy::start(shared_server().address());
    let set = |builder: RedisBuilder| {
        builder.timeout(Duration::from_secs(1)).ping_interval(Duration::from_millis(100))
    };
    let (subscriber, publisher) = handles(&proxy, set);
    within(PATIENCE, async {
        let mut messages = Chat::room("a").subscribe().timeout(PATIENCE).on(&subscriber).await.unwrap();
        proxy.on("PING", Fault::BlackHole);
        resubscribed(&mut messages).await;
        Chat::room("a").publish("x").on(&publisher).await.unwrap();
        while messages.next().await.unwrap().unwrap() != Event::Message("x".to_owned()) {}
    });
}

#[test]
fn a_subscription_waits_for_a_server_that_comes_up_in_time() {
    let proxy = Proxy::start(shared_server().address());
    let (subscriber, publisher) = handles(&proxy, |builder| builder.timeout(PATIENCE));
    within(PATIENCE, async {
        proxy.refuse(true);
        let subscribing = tokio::spawn(Chat::room("a").subscribe().on(&subscriber).into_future());
        eventually("an attempt failed", async || {
            subscriber.stats().connections.iter().any(|pool| pool.failed_connects > 0)
        })
        .await;
        proxy.refuse(false);
        let mut messages = subscribing.await.unwrap().unwrap();
        Chat::room("a").publish("x").on(&publisher).await.unwrap();
        assert_eq!(message(&mut messages).await, "x");
    });
}

#[test]
fn subscriptions_survive_a_restart_of_the_server() {
    let server = RealServer::start();
    let redis = Redis::builder().url(&server.url()).unwrap().timeout(PATIENCE).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let mut messages = Chat::room("a").subscribe().await.unwrap();
            tokio::task::block_in_place(|| {
                server.kill();
                server.restart();
            });
            resubscribed(&mut messages).await;
            Chat::room("a").publish("x").await.unwrap();
            while messages.next().await.unwrap().unwrap() != Event::Message("x".to_owned()) {}
        }),
    );
}

#[test]
fn a_connection_that_the_embedded_server_closes_comes_back() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let mut messages = Chat::room("a").subscribe().await.unwrap();
            for _ in 0..10 {
                server.disconnect_all();
                resubscribed(&mut messages).await;
            }
            Chat::room("a").publish("x").await.unwrap();
            while messages.next().await.unwrap().unwrap() != Event::Message("x".to_owned()) {}
        }),
    );
}

/// The name of the server leads to another one soon. Nothing arrives on the idle connection.
#[tokio::test(start_paused = true)]
async fn an_idle_subscription_leaves_a_master_that_became_a_replica() {
    let server = Server::new();
    let builder = Redis::builder().embedded(server.clone()).ping_interval(None).retries(0);
    let redis = builder.build().unwrap();
    let mut messages = Chat::room("a").subscribe().on(&redis).await.unwrap();
    let refusal = Injected::error("READONLY You can't write against a read only replica.");
    let _fault = server.inject(refusal.on("PUBLISH").times(1));
    let start = tokio::time::Instant::now();
    let error = Chat::room("b").publish("x").on(&redis).await.unwrap_err();
    assert_eq!(error.code(), Some("READONLY"));
    assert_eq!(messages.next().await.unwrap().unwrap(), Event::Resubscribed);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Each command that a replica rejects would end the subscription otherwise. A server that stays a
/// replica goes on delivering what its master sends.
#[tokio::test(start_paused = true)]
async fn a_server_that_stays_a_replica_keeps_its_subscriptions() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    let mut messages = Chat::room("a").subscribe().on(&redis).await.unwrap();
    let losses = tokio::spawn(async move {
        let mut losses = 0;
        loop {
            match messages.next().await.unwrap().unwrap() {
                Event::Resubscribed => losses += 1,
                Event::Message(message) if message == "end" => break losses,
                other => panic!("{other:?}"),
            }
        }
    });
    let refusal = Injected::error("READONLY You can't write against a read only replica.");
    let fault = server.inject(refusal.on("PUBLISH"));
    for _ in 0..200 {
        Chat::room("b").publish("x").on(&redis).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(fault.hits(), 200);
    drop(fault);
    // Until the subscription is there again.
    while Chat::room("a").publish("end").on(&redis).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let losses = losses.await.unwrap();
    // Each pause ends with two: for the replica, and because the server says that it is a master.
    assert!((1..=20).contains(&losses), "{losses} losses in 100 seconds");
}

/// A connection that the server closes ends no subscription.
#[test]
fn a_connection_that_the_server_closes_comes_back() {
    let server = RealServer::start();
    let redis = Redis::builder().url(&server.url()).unwrap().timeout(PATIENCE).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let mut messages = Chat::room("a").subscribe().await.unwrap();
            let listed = server.redis_cli(&["CLIENT", "LIST", "TYPE", "pubsub"]);
            let id = listed.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap().to_owned();
            server.redis_cli(&["CLIENT", "KILL", "ID", &id]);
            resubscribed(&mut messages).await;
            Chat::room("a").publish("x").await.unwrap();
            assert_eq!(message(&mut messages).await, "x");
        }),
    );
}
