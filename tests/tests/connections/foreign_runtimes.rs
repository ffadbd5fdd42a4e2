//! Requests that are polled on a different runtime than their connection, and many runtimes in
//! sequence.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::{Counter, ErrorKind, Keyspace, Lock, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, Proxy, RealServer, eventually, within};
use tokio::runtime::Runtime;

/// The maximum duration of a request whose deadline passes.
const LIMIT: Duration = Duration::from_millis(300);

#[derive(Keyspace)]
#[keyspace(prefix = "foreign", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    hits: fn(id: u32) -> Counter,
    #[key(ttl = "1h")]
    job: fn(id: u32) -> Lock,
}

/// A runtime that runs only during `block_on`.
fn stalled_runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn on_both(body: impl Fn(RedisBuilder)) {
    body(Redis::builder().embedded(Server::new()).timeout(PATIENCE));
    let real = RealServer::start();
    body(Redis::builder().url(&real.url()).unwrap().timeout(PATIENCE));
}

async fn is_pending<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Accepts a timeout or a result, because a request of the stalled runtime may have been answered.
fn assert_in_time<T>(outcome: redis_keyspace::Result<T>) {
    if let Err(error) = outcome {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
}

#[test]
fn a_command_on_a_stalled_runtime_meets_its_deadline() {
    on_both(|builder| {
        let redis = builder.retries(0).build().unwrap();
        let home = stalled_runtime();
        let mut command = Box::pin(Keys::text(1).get().on(&redis).timeout(LIMIT));
        home.block_on(async {
            redis.connect().await.unwrap();
            assert!(is_pending(&mut command).await);
        });
        // No reply can arrive: the driver of the connection does not run.
        let error = within(PATIENCE, command).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    });
}

#[test]
fn a_connecting_command_on_a_stalled_runtime_meets_its_deadline() {
    on_both(|builder| {
        let redis = builder.retries(0).build().unwrap();
        let home = stalled_runtime();
        let mut command = Box::pin(Keys::text(1).get().on(&redis).timeout(LIMIT));
        home.block_on(async { assert!(is_pending(&mut command).await) });
        assert_in_time(within(PATIENCE, command));
    });
}

#[test]
fn a_guard_is_released_or_fails_while_its_runtime_is_stalled() {
    on_both(|builder| {
        let redis = builder.timeout(LIMIT).build().unwrap();
        let home = stalled_runtime();
        let guard = home.block_on(async { Keys::job(1).on(&redis).lock().timeout(PATIENCE).await.unwrap() });
        within(PATIENCE, async {
            let error = guard.release().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        });
    });
}

#[test]
fn a_scan_moved_to_another_runtime_meets_its_deadline() {
    on_both(|builder| {
        let redis = builder.build().unwrap();
        let home = stalled_runtime();
        let mut scan = home.block_on(async {
            for id in 0..200 {
                Keys::text(id).on(&redis).set("a").await.unwrap();
            }
            // Long enough for the first page, also on a busy machine.
            let mut scan = Keys::text_keys().on(&redis).page_size(10).timeout(10 * LIMIT).scan();
            scan.next().await.unwrap().unwrap();
            scan
        });
        within(PATIENCE, async {
            let error = loop {
                match scan.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error,
                    None => panic!("the connection is not driven"),
                }
            };
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert!(scan.next().await.is_none());
        });
    });
}

#[test]
fn a_guard_and_a_scan_outlive_their_runtime() {
    on_both(|builder| {
        let redis = builder.build().unwrap();
        let home = stalled_runtime();
        let (guard, mut scan) = home.block_on(async {
            for id in 0..200 {
                Keys::text(id).on(&redis).set("a").await.unwrap();
            }
            let guard = Keys::job(1).on(&redis).lock().await.unwrap();
            let mut scan = Keys::text_keys().on(&redis).page_size(10).scan();
            scan.next().await.unwrap().unwrap();
            (guard, scan)
        });
        drop(home);
        within(PATIENCE, async {
            guard.release().await.unwrap();
            assert!(!Keys::job(1).on(&redis).is_locked().await.unwrap());
            let mut found = 1;
            while let Some(key) = scan.next().await {
                key.unwrap();
                found += 1;
            }
            assert_eq!(found, 200);
        });
    });
}

/// Moves a command that waits for a connection to another runtime, which ends afterwards.
fn connect_for_a_foreign_runtime(builder: RedisBuilder, refuse: impl Fn(bool)) {
    let builder = builder.shared_connections(1).breaker(0, PATIENCE).timeout(PATIENCE);
    let redis = builder.retries(100).retry_delay(Duration::from_millis(5)).build().unwrap();
    let running =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let failed = || redis.stats().connections[0].failed_connects;
    let (home, other) = (running(), running());
    let mut command = Box::pin(Keys::hits(1).incr().on(&redis));
    refuse(true);
    home.block_on(async {
        assert!(is_pending(&mut command).await);
        eventually("the first attempt fails", async || failed() > 0).await;
    });
    other.block_on(async {
        let allow = async {
            eventually("the other runtime tries", async || failed() > 1).await;
            refuse(false);
        };
        let (count, ()) = tokio::join!(command, allow);
        assert_eq!(count.unwrap(), 1);
    });
    drop(other);
    home.block_on(async {
        assert_eq!(Keys::hits(1).incr().on(&redis).await.unwrap(), 2);
        let stats = &redis.stats().connections[0];
        assert_eq!((stats.connects, stats.lost_connections), (1, 0), "{stats:?}");
    });
}

#[test]
fn a_connection_belongs_to_the_runtime_of_its_pool() {
    let server = Server::new();
    let builder = Redis::builder().embedded(server.clone());
    connect_for_a_foreign_runtime(builder, |refuses| server.refuse_connections(refuses));
    let real = RealServer::start();
    let proxy = Proxy::start(real.address());
    let builder = Redis::builder().url(&real.url_through(&proxy)).unwrap();
    connect_for_a_foreign_runtime(builder, |refuses| proxy.refuse(refuses));
}

#[test]
fn short_lived_runtimes_leak_no_connections() {
    let server = RealServer::start();
    let redis = Redis::builder().url(&server.url()).unwrap().build().unwrap();
    for _ in 0..100 {
        within(PATIENCE, async {
            Keys::hits(1).incr().on(&redis).await.unwrap();
            let guard = Keys::job(1).on(&redis).lock().await.unwrap();
            Keys::text(1).on(&redis).get_or_set(|| async { "a".to_owned() }).await.unwrap();
            guard.release().await.unwrap();
        });
    }
    within(PATIENCE, async {
        assert_eq!(Keys::hits(1).get().on(&redis).await.unwrap(), 100);
        // On a busy machine, several runtimes may still be ending.
        assert!(redis.stats().connections.len() < 50, "{:?}", redis.stats().connections);
        let connected = || {
            let clients = server.redis_cli(&["CLIENT", "LIST", "TYPE", "normal"]);
            // Servers before 7.0 do not name the subcommand.
            let is_this = |line: &&str| line.contains("cmd=client|list") || line.contains("cmd=client ");
            clients.lines().filter(|line| !is_this(line)).count()
        };
        let here = || redis.stats().connections.iter().map(|pool| pool.shared_connections).sum();
        eventually("the connections of the other runtimes are closed", async || connected() <= here()).await;
    });
}
