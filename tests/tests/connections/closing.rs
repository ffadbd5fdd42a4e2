//! Handles that are closed while parts of them live on, and handles that are created afterwards
//! with the same configuration.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::channel::{Event, Subscription};
use redis_keyspace::{Channel, Counter, Keyspace, Lock, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, eventually, shared_cluster, shared_server, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "closing", tenant = "t", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("job:{id}", ttl = "1h")]
    job: fn(id: u32) -> Lock,
}

#[derive(Keyspace)]
#[keyspace(prefix = "closing-count", ttl = 3600)]
struct Counts {
    count: fn(id: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "closing-second", db = 2, ttl = 3600)]
struct Second {
    count: fn(id: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "closing-room")]
struct Rooms {
    #[key("room:{id}")]
    room: fn(id: u32) -> Channel<Text>,
}

async fn subscribed(redis: &Redis) -> Subscription<Text> {
    Rooms::room(1).on(redis).subscribe().await.unwrap()
}

/// Closes a handle while its tenant, a subscription and a lock guard exist. An equal handle that is
/// created afterwards opens new connections.
async fn reopen(builder: RedisBuilder) {
    let builder = builder.namespace(unique_namespace()).unwrap().timeout(Duration::from_secs(60));
    let new = || builder.clone().build().unwrap();
    for round in 0..3 {
        let old = new();
        let tenant = old.for_tenant("acme").unwrap();
        Keys::text(1).set("x").on(&tenant).await.unwrap();
        let guard = Keys::job(round).on(&tenant).lock().await.unwrap();
        let mut heard = subscribed(&old).await;
        old.close().await;
        assert!(heard.next().await.is_none(), "the subscription ends with its handle");

        let (one, two) = (new(), new());
        let mut heard_again = subscribed(&one).await;
        Rooms::room(1).on(&two).publish("hello").await.unwrap();
        assert!(matches!(heard_again.next().await, Some(Ok(Event::Message(text))) if text == "hello"));
        let acme = one.for_tenant("acme").unwrap();
        assert_eq!(Keys::text(1).get().on(&acme).await.unwrap().as_deref(), Some("x"));

        // What is left of the old handle does not end the sharing of the new pool.
        drop((tenant, guard, heard, old));
        let three = new();
        Counts::count(1).incr().on(&three).await.unwrap();
        let refs = |redis: &Redis| redis.stats().connections[0].refs;
        assert_eq!((refs(&one), refs(&three)), (4, 4));
    }
}

#[test]
fn a_closed_pool_is_not_used_by_later_handles() {
    within(PATIENCE, async {
        reopen(Redis::builder().embedded(Server::new())).await;
        reopen(Redis::builder().url(&shared_server().url()).unwrap()).await;
    });
}

#[test]
fn a_closed_pool_on_a_cluster_is_not_used_by_later_handles() {
    within(PATIENCE, reopen(Redis::builder().url(&shared_cluster().url()).unwrap()));
}

/// Two handles share a pool. Neither has a tenant, a subscription or a guard that keeps it open.
#[test]
fn the_last_handle_that_is_closed_closes_the_pool() {
    within(PATIENCE, async {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone());
        let new = || builder.clone().build().unwrap();
        let (one, two) = (new(), new());
        let tenant = one.for_tenant("acme").unwrap();
        Keys::text(1).set("x").on(&tenant).await.unwrap();
        Counts::count(1).incr().on(&two).await.unwrap();
        assert_eq!(two.stats().connections[0].refs, 2);
        one.close().await;
        assert_eq!(two.stats().connections[0].refs, 1, "the tenant is closed too");
        Counts::count(1).incr().on(&two).await.unwrap();
        two.close().await;
        eventually("all connections are closed", async || server.connection_count() == 0).await;
        drop(tenant);
    });
}

/// On a paused clock, the commands are in flight until all tasks wait.
#[tokio::test(start_paused = true)]
async fn a_dropped_close_has_closed_all_pools() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    // It keeps both pools alive.
    let tenant = redis.for_tenant("acme").unwrap();
    Counts::count(1).incr().on(&tenant).await.unwrap();
    Second::count(1).incr().on(&tenant).await.unwrap();
    assert_eq!(redis.stats().total, 2);
    server.inject(Fault::delay(Duration::from_millis(50)).on("INCRBY")).keep();
    let (one, two) =
        (tokio::spawn(Counts::count(1).incr().on(&redis)), tokio::spawn(Second::count(1).incr().on(&redis)));
    eventually("the commands are in flight", async || {
        redis.stats().connections.iter().all(|pool| pool.in_flight > 0)
    })
    .await;
    {
        let mut closing = pin!(redis.close());
        let is_pending = poll_fn(|context| Poll::Ready(closing.as_mut().poll(context).is_pending()));
        assert!(is_pending.await, "the commands are in flight");
    }
    assert_eq!((one.await.unwrap().unwrap(), two.await.unwrap().unwrap()), (2, 2));
    eventually("all connections are closed", async || server.connection_count() == 0).await;
    drop(tenant);
}
