//! A `bb8_redis` pool of the application, which keeps using it itself.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use bb8_redis::{RedisConnectionManager, bb8};
use redis_keyspace::command::Ttl;
use redis_keyspace::error::Budget;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::stats::PoolStatus;
use redis_keyspace::{Bytes, Counter, Error, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, eventually, manager, pool_builder, raw, secrets, within,
};
use serde::{Deserialize, Serialize};

type Pool = bb8::Pool<RedisConnectionManager>;
type Mine = bb8::PooledConnection<'static, RedisConnectionManager>;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<u32>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "own", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    cart: fn(id: u32) -> Json<Cart>,
    text: fn(id: u32) -> Text,
    bytes: fn(id: u32) -> Bytes,
    number: fn(id: u32) -> u8,
    flag: fn(id: u32) -> bool,
    named: fn(name: &str) -> Text,
    count: fn(id: u32) -> Counter,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "third", db = 3, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Third {
    text: fn(id: u32) -> Text,
}

/// Creates a pool with up to `size` connections.
async fn pool(url: &str, size: u32) -> Pool {
    pool_builder().max_size(size).build(manager(url)).await.unwrap()
}

async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

/// Runs a command on a connection of the application.
async fn call<T: redis::FromRedisValue>(mine: &mut Mine, command: &[&str]) -> T {
    let sent = redis::cmd(command[0]).arg(&command[1..]).query_async(&mut **mine).await;
    sent.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Returns the line of one connection in `CLIENT LIST`.
fn client(server: &RealServer, id: i64) -> String {
    server.redis_cli(&["CLIENT", "LIST", "ID", &id.to_string()])
}

/// Returns the number of connections to the server, without those of `redis-cli`.
fn clients(server: &RealServer) -> usize {
    let list = server.redis_cli(&["CLIENT", "LIST"]);
    // Servers before 7.0 do not name the subcommand.
    list.lines().filter(|line| !line.contains("cmd=client|list") && !line.contains("cmd=client ")).count()
}

#[track_caller]
fn assert_kind(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
}

/// Runs every kind of typed command once.
async fn typed_commands(redis: &Redis, id: u32) {
    Keys::text(id).set("x").on(redis).await.unwrap();
    assert_eq!(Keys::text(id).get().on(redis).await.unwrap().as_deref(), Some("x"));
    Keys::text(id).set("y").keep_ttl().on(redis).await.unwrap();
    let before = Keys::count(id).get().on(redis).await.unwrap();
    assert_eq!(Keys::count(id).incr().on(redis).await.unwrap(), before + 1);
    let (count, text) = redis.transaction((Keys::count(id).incr(), Keys::text(id).get())).await.unwrap();
    assert_eq!((count, text.as_deref()), (before + 2, Some("y")));
    let (count, there) = redis.batch((Keys::count(id).incr(), Keys::text(id).exists())).await.unwrap();
    assert_eq!((count, there), (before + 3, true));
    redis.raw(ping).await.unwrap();
    redis.ping().await.unwrap();
}

#[test]
fn all_kinds_of_commands_work() {
    within(PATIENCE, async {
        let server = RealServer::start();
        for (protocol, namespace) in [("resp2", "two"), ("resp3", "three")] {
            let pool = pool(&format!("{}?protocol={protocol}", server.url()), 4).await;
            let redis = Redis::builder().pool(pool.clone()).namespace(namespace).unwrap().build().unwrap();
            redis.scope(all_kinds_of_commands(&redis, namespace)).await;
            let keys = server.redis_cli(&["KEYS", &format!("{namespace}:*")]);
            assert!(keys.lines().count() >= 8, "{keys}");
            assert_eq!(server.redis_cli(&["GET", &format!("{namespace}:own:text:1")]), "a");
            assert_eq!(server.redis_cli(&["GET", &format!("{namespace}:own:cart:1")]), "{\"items\":[1,2]}");
        }
        let keys = server.redis_cli(&["KEYS", "*"]);
        assert!(
            keys.lines().all(|key| key.starts_with("two:own:") || key.starts_with("three:own:")),
            "{keys}"
        );
        // All of them belong to the pools: the library opened no others.
        assert!(clients(&server) <= 2 * 4, "{}", server.redis_cli(&["CLIENT", "LIST"]));
    });
}

async fn all_kinds_of_commands(redis: &Redis, namespace: &str) {
    assert_eq!(Keys::text(1).get().await.unwrap(), None);
    Keys::text(1).set("a").await.unwrap();
    assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("a"));
    assert!(matches!(Keys::text(1).ttl().await.unwrap(), Ttl::Remaining(left) if left > 50 * MINUTE));
    let cart = Cart { items: vec![1, 2] };
    Keys::cart(1).set_json(&cart).await.unwrap();
    assert_eq!(Keys::cart(1).get_json().await.unwrap(), Some(cart.clone()));
    let binary: Vec<u8> = (0..=255).chain(*b"\r\n$-1\r\n\0").collect();
    Keys::bytes(1).set(&binary).await.unwrap();
    assert_eq!(Keys::bytes(1).get().await.unwrap(), Some(binary.into()));
    Keys::bytes(2).set(b"").await.unwrap();
    assert_eq!(Keys::bytes(2).get().await.unwrap(), Some(redis_keyspace::bytes::Bytes::new()));
    assert_eq!(Keys::bytes(1).strlen().await.unwrap(), 264);
    Keys::number(1).set(&200).await.unwrap();
    assert_eq!(Keys::number(1).get().await.unwrap(), Some(200));
    Keys::flag(1).set(&true).await.unwrap();
    assert_eq!(Keys::flag(1).get().await.unwrap(), Some(true));

    // The options of SET, and related commands.
    assert!(!Keys::text(1).set("b").only_if_absent().await.unwrap());
    assert!(!Keys::text(2).set("b").only_if_present().await.unwrap());
    assert_eq!(Keys::text(1).set("b").ttl(MINUTE).returning_old().await.unwrap().as_deref(), Some("a"));
    Keys::text(1).set("c").keep_ttl().await.unwrap();
    assert!(Keys::text(1).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
    Keys::text(3).set("new").keep_ttl().await.unwrap();
    assert!(Keys::text(3).ttl().await.unwrap().remaining().unwrap() > MINUTE);
    assert_eq!(Keys::text(1).get_set("a").await.unwrap().as_deref(), Some("c"));
    assert_eq!(Keys::text(3).get_ex().persist().await.unwrap().as_deref(), Some("new"));
    assert_eq!(Keys::text(3).ttl().await.unwrap(), Ttl::NoExpiry);
    assert_eq!(Keys::text(3).get_del().await.unwrap().as_deref(), Some("new"));
    assert!(!Keys::text(3).exists().await.unwrap());
    assert!(!Keys::text(3).del().await.unwrap());
    assert!(Keys::text(1).expire(MINUTE).await.unwrap());
    assert!(Keys::text(1).persist().await.unwrap());
    let late = std::time::SystemTime::now() + 10 * MINUTE;
    assert!(Keys::text(1).expire_at(late).await.unwrap());
    assert!(!Keys::text(4).rename(&Keys::text(5)).await.unwrap());
    Keys::text(4).set("d").await.unwrap();
    assert!(Keys::text(4).rename(&Keys::text(5)).await.unwrap());
    assert!(!Keys::text(5).rename_if_absent(&Keys::text(1)).await.unwrap());

    // Several keys: none, one, and more than fit into one command.
    assert!(Key::get_many(std::iter::empty::<Key<Keys, Text>>()).await.unwrap().is_empty());
    Key::set_many((100..2600).map(|id| (Keys::text(id), id.to_string()))).await.unwrap();
    let many = Key::get_many((99..2601).map(Keys::text)).await.unwrap();
    assert_eq!((many.len(), &many[0], &many[2501]), (2502, &None, &None));
    assert!(many[1..2501].iter().zip(100..).all(|(text, id)| text.as_deref() == Some(&*id.to_string())));
    assert_eq!(Key::del_many((100..2600).map(Keys::text)).await.unwrap(), 2500);

    // Counters, with and without a lifetime.
    assert_eq!(Keys::count(1).get().await.unwrap(), 0);
    assert_eq!(Keys::count(1).incr().await.unwrap(), 1);
    assert!(Keys::count(1).ttl().await.unwrap().remaining().unwrap() > 50 * MINUTE);
    assert!(Keys::count(1).expire(MINUTE).await.unwrap());
    assert_eq!(Keys::count(1).decr_by(5).await.unwrap(), -4);
    assert!(Keys::count(1).ttl().await.unwrap().remaining().unwrap() <= MINUTE);
    assert_eq!(Keys::forever(1).incr_by(7).await.unwrap(), 7);
    assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
    assert_eq!(Key::get_many([1, 2].map(Keys::count)).await.unwrap(), [-4, 0]);

    // Batches and transactions.
    let commands = || {
        (
            Keys::count(1).incr(),
            Keys::text(1).get(),
            Keys::text(1).set("a").keep_ttl(),
            Key::get_many([1, 9].map(Keys::number)),
        )
    };
    let (count, text, (), numbers) = redis.batch(commands()).await.unwrap();
    assert_eq!((count, text.as_deref(), numbers), (-3, Some("a"), vec![Some(200), None]));
    let (count, text, (), numbers) = redis.transaction(commands()).await.unwrap();
    assert_eq!((count, text.as_deref(), numbers), (-2, Some("a"), vec![Some(200), None]));
    let counts = redis.batch((0..50).map(|_| Keys::count(2).incr()).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());

    // Fills.
    let filled = Keys::cart(2).get_or_set(|| async { Cart { items: vec![3] } });
    assert_eq!(filled.await.unwrap().items, [3]);
    assert_eq!(Keys::cart(2).get_or_set(|| async { panic!("a hit") }).await.unwrap().items, [3]);
    let failed = Keys::cart(3).try_get_or_set(|| async { Err::<Cart, _>("no database") }).await;
    assert!(matches!(failed, Err(redis_keyspace::cache::FillError::Loader("no database"))));
    assert_eq!((redis.stats().fills.hits, redis.stats().fills.misses), (1, 2));

    // Failing commands in a batch.
    let list = redis.for_keyspace::<Keys>().unwrap();
    assert_eq!(raw::<u64>(&list, &["RPUSH", &format!("{namespace}:own:text:6"), "x"]).await, 1);
    let error = Keys::text(6).get().await.unwrap_err();
    assert_kind(&error, ErrorKind::WrongType);
    assert_eq!(
        (error.code(), error.key(), error.command()),
        (Some("WRONGTYPE"), Some("own:text:6"), Some("GET"))
    );
    let (wrong, text, count) = redis
        .transaction((Keys::text(6).get(), Keys::text(1).get(), Keys::count(1).incr_by(i64::MIN)))
        .each()
        .await
        .unwrap();
    assert_kind(&wrong.unwrap_err(), ErrorKind::WrongType);
    assert_eq!(text.unwrap().as_deref(), Some("a"));
    assert_kind(&count.unwrap_err(), ErrorKind::Server);
    let (wrong, count) = redis.batch((Keys::text(6).get(), Keys::count(1).get())).each().await.unwrap();
    assert_kind(&wrong.unwrap_err(), ErrorKind::WrongType);
    assert_eq!(count.unwrap(), -2);
}

#[test]
fn stats_show_the_application_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 2).await;
        let redis = Redis::from_pool(pool.clone());
        assert_eq!(redis.stats().total, 0);
        redis.connect().await.unwrap();
        let stats = redis.stats();
        let of_pool = &stats.connections[0];
        assert_eq!((of_pool.status, of_pool.db, of_pool.refs), (PoolStatus::Ready, 0, 0));
        assert_eq!(
            (
                of_pool.exclusive_connections_in_use,
                of_pool.exclusive_connections_idle,
                of_pool.shared_connections
            ),
            (0, 1, 0)
        );
        assert!(of_pool.endpoint.contains("application's pool"), "{of_pool:?}");
        let mine = pool.get().await.unwrap();
        assert_eq!(redis.stats().connections[0].exclusive_connections_in_use, 1);
        drop(mine);

        // Closing the handle leaves the pool to the application.
        redis.close().await;
        assert_kind(&redis.ping().await.unwrap_err(), ErrorKind::Closed);
        assert_kind(&redis.raw(ping).await.unwrap_err(), ErrorKind::Closed);
        let mut mine = pool.get_owned().await.unwrap();
        assert_eq!(call::<String>(&mut mine, &["PING"]).await, "PONG");
        drop(mine);
        let again = Redis::from_pool(pool.clone());
        typed_commands(&again, 1).await;
        // After both have dropped it, the pool is closed.
        drop((redis, again));
        assert!(clients(&server) >= 1);
        drop(pool);
        eventually("all are closed", async || clients(&server) == 0).await;
    });
}

#[test]
fn long_keys_and_values_are_rejected_before_anything_is_sent() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 1).await;
        let builder = Redis::builder().pool(pool).max_key_bytes(1024).max_value_bytes(4096);
        let redis = builder.build().unwrap();
        let (fits, too_long) = ("x".repeat(1000), "x".repeat(4097));
        Keys::named(&fits).set(&fits).on(&redis).await.unwrap();
        let key = Keys::named(&too_long).on(&redis);
        assert_kind(&key.get().await.unwrap_err(), ErrorKind::InvalidInput);
        assert_kind(&key.set("x").await.unwrap_err(), ErrorKind::InvalidInput);
        let value = Keys::named("short").on(&redis).set(&too_long).await.unwrap_err();
        assert_kind(&value, ErrorKind::TooLarge);
        assert_eq!(server.redis_cli(&["DBSIZE"]), "1");
    });
}

#[test]
fn closing_fails_commands_that_wait_for_a_connection_of_the_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 1).await;
        let redis = Redis::builder().pool(pool.clone()).timeout(MINUTE).build().unwrap();
        redis.connect().await.unwrap();
        let mine = pool.get().await.unwrap();
        let waiting = tokio::spawn(Keys::forever(1).incr().on(&redis));
        eventually("it waits", async || pool.state().statistics.get_started >= 3).await;
        redis.close().await;
        drop(mine);
        assert_kind(&waiting.await.unwrap().unwrap_err(), ErrorKind::Closed);
        assert_eq!(server.redis_cli(&["EXISTS", "own:forever:1"]), "0");
    });
}

#[test]
fn a_pool_of_another_database_is_refused() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let of_two = pool(&format!("{}/2", server.url()), 2).await;
        let of_none = pool(&server.url(), 2).await;
        for (redis, found, configured) in [
            (Redis::from_pool(of_two.clone()), "database 2", "database 0"),
            (Redis::from_pool_on(of_two.clone(), 5), "database 2", "database 5"),
            (Redis::from_pool_on(of_none.clone(), 2), "database 0", "database 2"),
            (Redis::builder().db(1).pool(of_two.clone()).build().unwrap(), "database 2", "database 1"),
        ] {
            for error in [
                Keys::text(1).set("x").on(&redis).await.unwrap_err(),
                Keys::count(1).incr().on(&redis).await.unwrap_err(),
                redis.batch([Keys::text(1).get()]).await.unwrap_err(),
                redis.transaction([Keys::text(1).get()]).await.unwrap_err(),
                redis.raw(ping).await.unwrap_err(),
                redis.ping().await.unwrap_err(),
                redis.connect().await.map(drop).unwrap_err(),
            ] {
                assert!(error.is_configuration(), "{error:?}");
                let text = error.to_string();
                assert!(
                    text.contains(found) && text.contains(configured) && text.contains("from_pool_on"),
                    "{text}"
                );
            }
        }
        assert!(!server.redis_cli(&["INFO", "keyspace"]).contains("db"), "nothing was stored");

        let redis = Redis::from_pool_on(of_two.clone(), 2);
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "2", "GET", "own:text:1"]), "x");
        assert_eq!(raw::<u64>(&redis, &["DBSIZE"]).await, 1);
        // The keyspace has another database, and a borrowed connection never changes its database.
        for error in [
            Third::text(1).set("x").on(&redis).await.unwrap_err(),
            redis.for_keyspace::<Third>().map(drop).unwrap_err(),
            redis.batch((Third::text(1).get(), Third::text(2).get())).await.unwrap_err(),
        ] {
            assert!(error.is_configuration(), "{error:?}");
            let text = error.to_string();
            for part in ["Third", "database 3", "pool uses 2", "from_pool_on"] {
                assert!(text.contains(part), "{text}");
            }
        }
        // Other commands in the batch are not affected.
        let (text, third) = redis.batch((Keys::text(1).get(), Third::text(1).get())).each().await.unwrap();
        assert_eq!(text.unwrap().as_deref(), Some("x"));
        assert!(third.unwrap_err().is_configuration());

        // The keyspace works on a pool of its database, and with an option that moves it.
        let of_three = pool(&format!("{}/3", server.url()), 2).await;
        let redis = Redis::from_pool_on(of_three, 3);
        Third::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "3", "GET", "third:text:1"]), "x");
        let moved = Redis::builder().pool(of_two).db(2).keyspace::<Third>(|options| options.db(2));
        Third::text(2).set("x").on(&moved.build().unwrap()).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "2", "GET", "third:text:2"]), "x");
    });
}

/// The application watches keys while other tasks use the pool.
#[test]
fn a_watch_of_the_application_stays_effective() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 3).await;
        let redis = Redis::from_pool(pool.clone());
        let mut mine = pool.get_owned().await.unwrap();
        let id: i64 = call(&mut mine, &["CLIENT", "ID"]).await;
        for (touched, runs) in [(false, true), (true, false), (false, true)] {
            call::<()>(&mut mine, &["WATCH", "own:text:1"]).await;
            for _ in 0..10 {
                typed_commands(&redis, 2).await;
            }
            if touched {
                Keys::text(1).set("touched").on(&redis).await.unwrap();
            }
            assert!(client(&server, id).contains(" cmd=watch "), "{}", client(&server, id));
            call::<()>(&mut mine, &["MULTI"]).await;
            call::<()>(&mut mine, &["SET", "mine", "x"]).await;
            let executed: Option<Vec<String>> = call(&mut mine, &["EXEC"]).await;
            assert_eq!(executed.is_some(), runs, "the typed commands used other connections");
        }
    });
}

#[test]
fn a_transaction_of_the_application_stays_separate() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 3).await;
        let redis = Redis::from_pool(pool.clone());
        let mut mine = pool.get_owned().await.unwrap();
        let id: i64 = call(&mut mine, &["CLIENT", "ID"]).await;
        call::<()>(&mut mine, &["MULTI"]).await;
        assert_eq!(call::<String>(&mut mine, &["INCR", "mine"]).await, "QUEUED");
        let tasks: Vec<_> = (0..10)
            .map(|id| {
                let redis = redis.clone();
                tokio::spawn(async move { typed_commands(&redis, id).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(client(&server, id).contains(" multi=1 "), "one command is queued: {}", client(&server, id));
        assert_eq!(call::<Vec<i64>>(&mut mine, &["EXEC"]).await, [1]);
        assert_eq!(Keys::count(9).get().on(&redis).await.unwrap(), 3);
    });
}

#[test]
fn a_blocked_connection_of_the_application_blocks_no_other_command() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 3).await;
        let redis = Redis::from_pool(pool.clone());
        let mut mine = pool.get_owned().await.unwrap();
        let id: i64 = call(&mut mine, &["CLIENT", "ID"]).await;
        // The connection stays blocked on the server even if the driver's own timeout passes.
        let (give_back, given_back) = tokio::sync::oneshot::channel::<()>();
        let popping = tokio::spawn(async move {
            let popped: redis::RedisResult<(String, String)> =
                redis::cmd("BLPOP").arg("queue").arg(0).query_async(&mut *mine).await;
            let _ = given_back.await;
            drop(mine);
            popped
        });
        let blocked = async || client(&server, id).contains(" flags=b ");
        eventually("the connection is blocked", blocked).await;
        for _ in 0..10 {
            typed_commands(&redis, 1).await;
        }
        assert!(client(&server, id).contains(" cmd=blpop "), "{}", client(&server, id));
        server.redis_cli(&["RPUSH", "queue", "element"]);
        // The blocked client received the element.
        assert_eq!(server.redis_cli(&["LLEN", "queue"]), "0");
        give_back.send(()).unwrap();
        if let Ok((_, element)) = popping.await.unwrap() {
            assert_eq!(element, "element");
        }
        typed_commands(&redis, 1).await;
    });
}

/// The pool has one connection, so leftover state would be visible.
#[test]
fn raw_access_leaves_no_state_in_the_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 1).await;
        let redis = Redis::from_pool(pool.clone());
        for leaving in [
            &["WATCH", "own:text:1"][..],
            &["MULTI"],
            &["SELECT", "5"],
            &["CLIENT", "SETNAME", "worker"],
            &["SUBSCRIBE", "news"],
            &["CLIENT", "REPLY", "ON"],
        ] {
            // The plain command, instead of a method that cleans up.
            let sent: redis::Cmd = {
                let mut command = redis::cmd(leaving[0]);
                command.arg(&leaving[1..]);
                command
            };
            let left = redis
                .raw(|mut connection| async move {
                    redis::aio::ConnectionLike::req_packed_command(&mut connection, &sent).await.map(drop)
                })
                .await;
            assert!(left.is_ok() || leaving[0] == "SUBSCRIBE", "{leaving:?}: {left:?}");
            // Changes the watched key, and reads the key in this database.
            Keys::text(1).set(leaving[0]).on(&redis).await.unwrap();
            assert_eq!(server.redis_cli(&["GET", "own:text:1"]), leaving[0]);
            let mut mine = pool.get_owned().await.unwrap();
            let info: String = call(&mut mine, &["CLIENT", "INFO"]).await;
            for clean in [" db=0 ", " sub=0 ", " flags=N ", " name= "] {
                assert!(info.contains(clean), "after {leaving:?}: {info}");
            }
            let mut transaction = redis::pipe();
            transaction.atomic().cmd("GET").arg("own:text:1");
            let executed: Option<(String,)> = transaction.query_async(&mut *mine).await.unwrap();
            assert_eq!(executed.as_ref().map(|(text,)| &**text), Some(leaving[0]));
            drop(mine);
            typed_commands(&redis, 2).await;
            eventually("the extra connection is closed", async || clients(&server) == 1).await;
        }
    });
}

/// The pool has one connection, so the library must use the one that the application returned. The
/// pool sends no `PING` at checkout, which would detect a `MULTI`.
#[test]
fn a_leftover_watch_or_multi_of_the_application_is_harmless() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = pool_builder().max_size(1).test_on_check_out(false);
        let pool = builder.build(manager(&server.url())).await.unwrap();
        let redis = Redis::from_pool(pool.clone());
        let leave = async |commands: &[&[&str]]| {
            let mut mine = pool.get_owned().await.unwrap();
            for command in commands {
                call::<()>(&mut mine, command).await;
            }
            drop(mine);
            server.redis_cli(&["SET", "watched", "touched"]);
        };
        for _ in 0..3 {
            // The first transaction also detects whether the server supports transactions.
            leave(&[&["WATCH", "watched"]]).await;
            let count = redis.transaction((Keys::count(1).incr(), Keys::text(1).get())).await.unwrap().0;
            leave(&[&["WATCH", "watched"]]).await;
            let (next, _) = redis.batch((Keys::count(1).incr(), Keys::text(1).get())).await.unwrap();
            assert_eq!(next, count + 1);

            leave(&[&["WATCH", "watched"], &["MULTI"], &["SET", "mine", "x"]]).await;
            Keys::text(1).set("stored").on(&redis).await.unwrap();
            assert_eq!(server.redis_cli(&["GET", "own:text:1"]), "stored");
            leave(&[&["MULTI"]]).await;
            let texts = redis.batch((Keys::text(1).get(), Keys::text(2).get())).await.unwrap();
            assert_eq!(texts, (Some("stored".into()), None));
            // A transaction inside a leftover `MULTI` fails with an error that names it. The next
            // transaction works.
            leave(&[&["MULTI"]]).await;
            let error = redis.transaction((Keys::count(1).incr(),)).await.unwrap_err();
            assert!(error.to_string().contains("MULTI"), "{error}");
            redis.transaction((Keys::count(1).incr(),)).await.unwrap();
            assert_eq!(server.redis_cli(&["EXISTS", "mine"]), "0");
        }
    });
}

#[test]
fn a_cancelled_raw_pop_takes_no_element() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool(&server.url(), 1).await;
        let redis = Redis::from_pool(pool.clone());
        let pop = |mut connection: RawConnection| async move {
            redis::cmd("BLPOP").arg("queue").arg(0).query_async::<(String, String)>(&mut connection).await
        };
        let blocked = || server.redis_cli(&["INFO", "clients"]).contains("blocked_clients:1");
        for round in 0..5 {
            let popping = tokio::spawn({
                let redis = redis.clone();
                async move { redis.raw(pop).await }
            });
            eventually("the pop blocks", async || blocked()).await;
            // The only connection of the pool remains free.
            typed_commands(&redis, round).await;
            popping.abort();
            assert!(popping.await.unwrap_err().is_cancelled());
            eventually("the server unblocks the client", async || !blocked()).await;
            server.redis_cli(&["RPUSH", "queue", "element"]);
            assert_eq!(server.redis_cli(&["LLEN", "queue"]), "1", "no cancelled pop takes it");
            let mut mine = pool.get_owned().await.unwrap();
            assert_eq!(call::<String>(&mut mine, &["LPOP", "queue"]).await, "element");
        }
        eventually("all extra connections are closed", async || clients(&server) == 1).await;
    });
}

/// Only explicit limits apply to raw access.
#[test]
fn a_blocking_command_can_exceed_the_timeout_of_the_driver() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().pool(pool(&server.url(), 1).await).timeout(MINUTE).build().unwrap();
        // The driver's own timeout would be half a second.
        let popped: Option<(String, String)> = redis
            .raw(|mut connection| async move {
                redis::cmd("BLPOP").arg("queue").arg("1.2").query_async(&mut connection).await
            })
            .await
            .unwrap();
        assert_eq!(popped, None);
    });
}

#[test]
fn a_busy_pool_is_reported_in_time() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let limit = Duration::from_millis(300);
        // Either the pool's own timeout is shorter, or the command's.
        for of_pool in [Duration::from_millis(200), Duration::from_secs(30)] {
            let builder = pool_builder().max_size(1).connection_timeout(of_pool);
            let pool = builder.build(manager(&server.url())).await.unwrap();
            let redis = Redis::builder().pool(pool.clone()).timeout(limit).build().unwrap();
            // Only the failing commands have short limits. Commands that must succeed are retried.
            eventually("the pool is connected", async || redis.connect().await.is_ok()).await;
            let mine = pool.get().await.unwrap();
            for error in [
                Keys::text(1).get().on(&redis).await.unwrap_err(),
                Keys::count(1).incr().on(&redis).await.unwrap_err(),
                redis.batch([Keys::text(1).get()]).await.unwrap_err(),
                redis.ping().await.unwrap_err(),
                redis.connect().await.map(drop).unwrap_err(),
            ] {
                assert_eq!(
                    (error.kind(), error.budget()),
                    (ErrorKind::PoolBusy, Some(Budget::Checkout)),
                    "{error}"
                );
                assert!(error.is_timeout() && !error.is_unavailable());
                assert!(
                    !error.to_string().contains("`exclusive_connections`"),
                    "the error suggests an option that does not apply: {error}"
                );
                assert!(error.to_string().contains("max_size"), "{error}");
            }
            // Raw access uses an extra connection.
            eventually("raw access uses an extra connection", async || redis.raw(ping).await.is_ok()).await;
            // A waiting command gets the connection when it is free.
            let waiting = tokio::spawn(Keys::text(1).get().on(&redis).timeout(MINUTE));
            drop(mine);
            let waited = waiting.await.unwrap();
            assert!(waited.is_ok() || of_pool < limit, "{waited:?}");
        }
    });
}

#[test]
fn a_stopped_server_is_unavailable() {
    within(PATIENCE, async {
        let server = RealServer::start();
        for of_pool in [Duration::from_millis(100), Duration::from_secs(30)] {
            let builder = pool_builder().max_size(2).connection_timeout(of_pool);
            let pool = builder.build(manager(&server.url())).await.unwrap();
            let patient = Redis::builder().pool(pool.clone()).timeout(MINUTE).build().unwrap();
            let redis = Redis::builder().pool(pool).timeout(Duration::from_secs(1)).build().unwrap();
            eventually("the pool is connected", async || patient.connect().await.is_ok()).await;
            typed_commands(&patient, 1).await;
            server.kill();
            // In parallel, because each one takes its whole limit if the pool's own is longer.
            let outcomes = tokio::join!(
                Keys::text(1).get().on(&redis),
                Keys::count(1).incr().on(&redis),
                redis.batch([Keys::text(1).get()]),
                redis.transaction([Keys::text(1).get()]),
                redis.raw(ping),
                redis.connect(),
            );
            let (get, incr, batch, transaction, raw, connect) = outcomes;
            let errors =
                [get.map(drop), incr.map(drop), batch.map(drop), transaction.map(drop), raw.map(drop)];
            for outcome in errors.into_iter().chain([connect.map(drop)]) {
                let error = outcome.unwrap_err();
                assert!(error.is_unavailable(), "{error:?}");
            }
            server.restart();
            // bb8 retries after its own pause.
            eventually("the pool recovers", async || redis.ping().await.is_ok()).await;
            eventually("it recovers", async || patient.ping().await.is_ok()).await;
            typed_commands(&patient, 1).await;
        }
    });
}

/// The error of a pool that cannot connect names the reason.
#[test]
fn a_pool_that_never_connected_is_unavailable() {
    within(PATIENCE, async {
        // Long enough for the connection to be refused.
        let builder = pool_builder().connection_timeout(Duration::from_secs(1));
        let pool = builder.build_unchecked(manager("redis://127.0.0.1:1"));
        let redis = Redis::from_pool(pool);
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert_kind(&error, ErrorKind::Unavailable);
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
        assert_kind(&redis.raw(ping).await.unwrap_err(), ErrorKind::Unavailable);

        let server = RealServer::builder().password("the right one").start();
        let builder = pool_builder().connection_timeout(Duration::from_secs(1));
        let wrong = format!("redis://:wrong@127.0.0.1:{}", server.port());
        let redis = Redis::from_pool(builder.build_unchecked(manager(&wrong)));
        for error in [Keys::text(1).get().on(&redis).await.unwrap_err(), redis.raw(ping).await.unwrap_err()] {
            assert_kind(&error, ErrorKind::AuthenticationFailed);
            assert!(!error.is_unavailable(), "{error}");
        }
    });
}

/// Starts a server that supports no command and repeats its input in the error.
fn echoing_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The thread lives as long as the process, and holds only a port.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || {
                let (mut lines, mut out) = (BufReader::new(stream.try_clone()?).lines(), stream);
                while let Some(Ok(header)) = lines.next() {
                    let count: usize = header.trim_start_matches('*').parse().unwrap_or(0);
                    let mut told = Vec::new();
                    for _ in 0..count {
                        lines.next();
                        told.extend(lines.next().and_then(Result::ok));
                    }
                    write!(out, "-ERR unknown command '{}'\r\n", told.join("' '"))?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    port
}

#[test]
fn the_password_of_a_pool_appears_nowhere() {
    within(PATIENCE, async {
        let secret = "hunter2-xyzzy";
        let denying = RealServer::builder().password("the right one").start();
        for (port, protocol) in
            [(echoing_server(), 2), (echoing_server(), 3), (denying.port(), 2), (denying.port(), 3)]
        {
            let url = format!("redis://:{secret}@127.0.0.1:{port}?protocol=resp{protocol}");
            let builder = pool_builder().connection_timeout(Duration::from_millis(100));
            let redis = Redis::from_pool(builder.build_unchecked(manager(&url)));
            let mut texts = vec![format!("{redis:?} {redis:#?}")];
            for error in [
                Keys::text(1).get().on(&redis).await.unwrap_err(),
                redis.batch([Keys::text(1).get()]).await.unwrap_err(),
                redis.raw(ping).await.unwrap_err(),
                redis.connect().await.map(drop).unwrap_err(),
            ] {
                let mut shown: Option<&dyn std::error::Error> = Some(&error);
                while let Some(error) = shown {
                    texts.push(format!("{error} {error:?} {error:#?}"));
                    shown = error.source();
                }
            }
            texts.push(format!("{:?} {}", redis.stats(), serde_json::to_string(&redis.stats()).unwrap()));
            secrets::assert_absent(secret, texts);
        }
    });
}

/// A user with permission to count, but not for MULTI or EVAL: a refused command changes nothing.
#[test]
fn a_user_without_permission_for_multi() {
    within(PATIENCE, async {
        for protocol in ["resp2", "resp3"] {
            let server = RealServer::start();
            server.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-multi", "-eval"]);
            let url = format!("redis://app:pass@127.0.0.1:{}?protocol={protocol}", server.port());
            let redis = Redis::from_pool(pool(&url, 2).await);
            for _ in 0..3 {
                for error in [
                    Keys::count(1).incr().on(&redis).await.unwrap_err(),
                    Keys::text(1).set("x").keep_ttl().on(&redis).await.unwrap_err(),
                    redis.transaction((Keys::forever(1).incr(), Keys::text(1).set("x"))).await.unwrap_err(),
                    redis.batch((Keys::forever(1).incr(), Keys::count(1).incr())).await.unwrap_err(),
                ] {
                    assert_kind(&error, ErrorKind::PermissionDenied);
                    assert_eq!(error.code(), Some("NOPERM"), "{error}");
                    assert!(error.to_string().to_lowercase().contains("multi"), "{error}");
                }
                assert_eq!(server.redis_cli(&["KEYS", "*"]), "", "a denied command ran");
            }
            // Commands that need no MULTI work.
            assert_eq!(Keys::forever(1).incr().on(&redis).await.unwrap(), 1);
            let (count, text) = redis.batch((Keys::forever(1).incr(), Keys::text(1).get())).await.unwrap();
            assert_eq!((count, text), (2, None));

            server.redis_cli(&["ACL", "SETUSER", "app", "+multi"]);
            assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), 1);
            assert!(Keys::count(1).ttl().on(&redis).await.unwrap().remaining().is_some());
            typed_commands(&redis, 2).await;
        }
    });
}

/// The driver has its own timeout, which is shorter than the deadline.
#[test]
fn the_response_timeout_of_the_driver_is_a_timeout() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        // With the driver's defaults. A busy machine may exceed the driver's timeout, so commands
        // that must succeed are retried.
        let plain =
            bb8::Pool::builder().max_size(1).build(manager(&server.url_through(&proxy))).await.unwrap();
        let redis = Redis::from_pool(plain);
        eventually("the pool is connected", async || redis.connect().await.is_ok()).await;
        proxy.on("own:text:1", Fault::BlackHole);
        let error = Keys::text(1).get().on(&redis).timeout(MINUTE).await.unwrap_err();
        assert_kind(&error, ErrorKind::Timeout);
        assert!(error.is_timeout() && !error.is_unavailable(), "{error}");
        assert_eq!(error.budget(), None, "none of this crate's budgets ran out");

        // With a frozen server, with and without the pool's PING before each command.
        for tested in [false, true] {
            let builder = bb8::Pool::builder().max_size(1).test_on_check_out(tested);
            let pool = builder.build(manager(&server.url())).await.unwrap();
            let patient = Redis::builder().pool(pool.clone()).timeout(MINUTE).build().unwrap();
            let redis = Redis::builder().pool(pool).timeout(Duration::from_millis(1500)).build().unwrap();
            eventually("the pool is connected", async || redis.connect().await.is_ok()).await;
            server.pause();
            for error in [
                Keys::text(2).get().on(&redis).await.unwrap_err(),
                Keys::count(2).incr().on(&redis).await.unwrap_err(),
                redis.batch([Keys::text(2).get()]).await.unwrap_err(),
            ] {
                assert!(error.is_timeout(), "{error:?}");
            }
            // If the driver's own connect timeout passes, the server counts as unavailable.
            let error = patient.raw(ping).await.unwrap_err();
            assert_kind(&error, ErrorKind::Unavailable);
            assert!(error.to_string().contains("timed out"), "{error}");
            server.resume();
            // Late replies are discarded.
            eventually("the pool recovers", async || redis.ping().await.is_ok()).await;
            for id in 10..30 {
                let text = id.to_string();
                eventually("the value is written", async || {
                    Keys::text(id).set(&text).on(&redis).await.is_ok()
                })
                .await;
                eventually("the value is read", async || match Keys::text(id).get().on(&redis).await {
                    Ok(read) => {
                        assert_eq!(read.as_ref(), Some(&text));
                        true
                    }
                    Err(error) => {
                        assert!(error.is_timeout(), "{error}");
                        false
                    }
                })
                .await;
            }
        }
    });
}

#[test]
fn the_deadline_of_this_crate_applies_too() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = Redis::from_pool(pool(&server.url_through(&proxy), 1).await);
        redis.connect().await.unwrap();
        proxy.on("own:text:1", Fault::Delay(Duration::from_secs(3)));
        // Long enough for the pool's PING, which is sent first.
        let error = Keys::text(1).get().on(&redis).timeout(Duration::from_secs(2)).await.unwrap_err();
        assert_eq!((error.kind(), error.budget()), (ErrorKind::Timeout, Some(Budget::Reply)), "{error}");
        // No other command gets its late reply.
        Keys::text(2).set("two").on(&redis).await.unwrap();
        for _ in 0..20 {
            assert_eq!(Keys::text(2).get().on(&redis).await.unwrap().as_deref(), Some("two"));
            assert_eq!(Keys::text(3).get().on(&redis).await.unwrap(), None);
        }
    });
}

/// If a command is dropped at any moment, the next user of its connection still gets its own
/// replies.
#[test]
fn dropped_commands_do_not_affect_other_commands() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().pool(pool(&server.url(), 2).await).timeout(MINUTE).build().unwrap();
        for id in 0..4 {
            Keys::text(id).set(&id.to_string()).on(&redis).await.unwrap();
        }
        let tasks: Vec<_> = (0..8_u32)
            .map(|task| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    for nth in 0..150_u32 {
                        let id = (task + nth) % 4;
                        let brief = Duration::from_micros(u64::from((task * 37 + nth * 61) % 400));
                        let dropped = Keys::text(id + 10).set("x").on(&redis);
                        let _ = tokio::time::timeout(brief, dropped).await;
                        let dropped =
                            redis.transaction((Keys::count(id).incr(), Keys::text(id).get())).into_future();
                        let _ = tokio::time::timeout(brief, dropped).await;
                        let read = Keys::text(id).get().on(&redis).await.unwrap();
                        assert_eq!(read, Some(id.to_string()));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The runtime that opened a connection drives it. After that runtime ends, the pool opens new
/// connections.
#[test]
fn a_pool_survives_its_runtime() {
    let server = RealServer::start();
    let pool = {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let pool = runtime.block_on(pool(&server.url(), 2));
        runtime.block_on(typed_commands(&Redis::from_pool(pool.clone()), 1));
        drop(runtime);
        pool
    };
    let redis = Redis::from_pool(pool);
    for _ in 0..2 {
        within(PATIENCE, async { typed_commands(&redis, 1).await });
    }
}
