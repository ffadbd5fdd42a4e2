//! Handles that are closed while parts of them live on, and handles that are created afterwards
//! with the same configuration.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::channel::{Event, Subscription};
use redis_keyspace::{Channel, Counter, Error, ErrorKind, Keyspace, Lock, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, eventually, shared_cluster, shared_server, unique_namespace, within};

use crate::handles::ping;

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

/// What opens a connection of a handle, directly or for a tenant.
#[derive(Clone, Copy, Debug)]
enum Opening {
    /// The first command connects.
    First,
    /// The first command connects, and is dropped meanwhile. The connection waits for a later one.
    Abandoned,
    /// The second command opens a second connection in the background.
    Second,
    Exclusive,
    Subscription,
}

impl Opening {
    const ALL: [Self; 5] = [Self::First, Self::Abandoned, Self::Second, Self::Exclusive, Self::Subscription];

    async fn prepare(self, tenant: &Redis) {
        match self {
            Self::First | Self::Abandoned => {}
            // The tenant has a reference to the pool afterwards.
            Self::Second | Self::Exclusive | Self::Subscription => {
                Keys::text(1).get().on(tenant).await.unwrap();
            }
        }
    }

    /// May fail, because the handle is closed meanwhile.
    async fn open(self, redis: Redis, tenant: Redis) {
        match self {
            Self::First | Self::Second => drop(Keys::text(1).get().on(&tenant).await),
            Self::Abandoned => {
                let mut command = pin!(Keys::text(1).get().on(&tenant));
                poll_fn(|context| Poll::Ready(command.as_mut().poll(context).is_pending())).await;
            }
            Self::Exclusive => drop(tenant.raw(ping).await),
            Self::Subscription => drop(Rooms::room(1).on(&redis).subscribe().await),
        }
    }
}

async fn yield_often(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// On one thread, a number of turns determines how far the connection has come.
#[tokio::test]
async fn a_connection_that_is_being_opened_does_not_outlive_its_handle() {
    for opening in Opening::ALL {
        for turns in 0..50 {
            let server = Server::new();
            let redis = Redis::with_embedded_server(server.clone());
            let tenant = redis.for_tenant("acme").unwrap();
            opening.prepare(&tenant).await;
            let opened = tokio::spawn(opening.open(redis.clone(), tenant.clone()));
            yield_often(turns).await;
            redis.close().await;
            opened.await.unwrap();
            // A connection that comes later would be missed.
            yield_often(100).await;
            let what = format!("{opening:?} after {turns} turns: all connections are closed");
            eventually(&what, async || server.connection_count() == 0).await;
            drop(tenant);
        }
    }
}

/// A server that answers no login.
#[test]
fn closing_ends_attempts_to_connect() {
    within(PATIENCE, async {
        for opening in Opening::ALL {
            let server = Server::new();
            let redis = Redis::builder()
                .embedded(server.clone())
                .connect_timeout(PATIENCE)
                .timeout(PATIENCE * 2)
                .build()
                .unwrap();
            let tenant = redis.for_tenant("acme").unwrap();
            opening.prepare(&tenant).await;
            let stalled = server.inject(Fault::stall().on("HELLO"));
            let opened = tokio::spawn(opening.open(redis.clone(), tenant.clone()));
            eventually("the login waits for its reply", async || stalled.hits() > 0).await;
            redis.close().await;
            eventually("all connections are closed", async || server.connection_count() == 0).await;
            opened.await.unwrap();
            drop(tenant);
        }
    });
}

/// The handle of a tenant of a closed handle holds the pool that the others share.
#[test]
fn the_last_handle_that_is_dropped_closes_the_pool() {
    within(PATIENCE, async {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone());
        let (one, two) = (builder.clone().build().unwrap(), builder.build().unwrap());
        let tenant = one.for_tenant("acme").unwrap();
        Keys::text(1).set("x").on(&tenant).await.unwrap();
        Counts::count(1).incr().on(&two).await.unwrap();
        one.close().await;
        assert!(server.connection_count() > 0);
        drop(two);
        eventually("all connections are closed", async || server.connection_count() == 0).await;
        drop(tenant);
    });
}

/// On a paused clock, minutes pass at once.
#[tokio::test(start_paused = true)]
async fn closing_ends_the_search_for_a_lost_server() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    let tenant = redis.for_tenant("acme").unwrap();
    Keys::text(1).get().on(&tenant).await.unwrap();
    server.refuse_connections(true);
    server.disconnect_all();
    for _ in 0..10 {
        Keys::text(1).get().on(&tenant).await.unwrap_err();
    }
    // The next probe gets no reply.
    let logins = server.inject(Fault::stall().on("HELLO"));
    server.refuse_connections(false);
    eventually("the server is searched for", async || logins.hits() > 0).await;
    redis.close().await;
    yield_often(100).await;
    assert_eq!(server.connection_count(), 0, "the probe has ended");
    let before = logins.hits();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(logins.hits(), before, "there are no more probes");
    drop(tenant);
}

/// All exclusive connections are in use, and the handle is closed while work waits for one.
#[test]
fn work_on_the_server_of_a_key_does_not_begin_on_a_closed_handle() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).exclusive_connections(1).build().unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel::<()>();
        let using = tokio::spawn({
            let redis = redis.clone();
            async move {
                let work = |connection| async move {
                    let _connection = connection;
                    begin.send(()).unwrap();
                    ended.await.unwrap();
                    Ok(())
                };
                redis.raw(work).await
            }
        });
        begun.await.unwrap();
        let waiting = tokio::spawn({
            let redis = redis.clone();
            async move { redis.raw_for(&Counts::count(1), |_| async { panic!("the handle is closed") }).await }
        });
        let is_waiting =
            async || redis.stats().connections.iter().any(|pool| pool.exclusive_connections_waiting == 1);
        eventually("the work waits", is_waiting).await;
        redis.close().await;
        end.send(()).unwrap();
        using.await.unwrap().unwrap();
        let outcome: Result<(), Error> = waiting.await.unwrap();
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
        eventually("all connections are closed", async || server.connection_count() == 0).await;
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
