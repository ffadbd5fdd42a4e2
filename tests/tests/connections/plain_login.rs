//! Proxies that close the connection on unknown commands.

use std::net::SocketAddr;
use std::time::Duration;

use redis_keyspace::config::{LoginMode, Protocol};
use redis_keyspace::{Counter, Error, ErrorKind, Key, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, both_servers, eventually, manager, pool_builder, raw,
    require_in_scripts, shared_server, unique_namespace, within,
};

#[derive(Keyspace)]
#[keyspace(prefix = "plain", ttl = 3600)]
struct Keys {
    long: fn(name: &str) -> Text,
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

/// The commands of a login that old or simple proxies do not know.
const UNKNOWN: [&str; 4] = ["HELLO", "CLIENT", "INFO", "MULTI"];
/// The timeout of a command, long enough for several attempts on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A proxy that closes the connection on these commands.
fn closing(upstream: SocketAddr, commands: &[&str]) -> Proxy {
    let proxy = Proxy::start(upstream);
    commands.iter().for_each(|command| proxy.named(command, Fault::CutRequest));
    proxy
}

/// A handle with one shared connection through the proxy, in its own namespace.
fn through(proxy: &Proxy) -> RedisBuilder {
    let builder = Redis::builder().host("127.0.0.1").port(proxy.port()).shared_connections(1).retries(0);
    let builder = builder.timeout(LIMIT).connect_timeout(LIMIT).breaker(0, LIMIT);
    builder.namespace(unique_namespace()).unwrap()
}

/// Runs a test on an embedded server and on the shared real one.
fn on_both<F: Future<Output = ()>>(test: impl Fn(SocketAddr) -> F) {
    within(PATIENCE, async {
        let server = Server::new();
        // It registers the scripts of this crate.
        drop(Redis::with_embedded_server(server.clone()));
        let listener = server.listen().await.unwrap();
        test(listener.addr().unwrap()).await;
        test(shared_server().address()).await;
    });
}

/// Checks that all kinds of commands work, including transactions.
async fn everything_works(redis: &Redis) {
    redis.connect().await.unwrap();
    redis.ping().await.unwrap();
    Keys::text(1).set("a").on(redis).await.unwrap();
    assert_eq!(Keys::text(1).get().on(redis).await.unwrap().as_deref(), Some("a"));
    assert_eq!(Keys::count(1).incr().on(redis).await.unwrap(), 1);
    assert!(Keys::count(1).ttl().on(redis).await.unwrap().remaining().is_some());
    Keys::text(1).set("b").keep_ttl().on(redis).await.unwrap();
    assert!(!Keys::text(2).exists().on(redis).await.unwrap());
    let (count, text, missing) =
        redis.transaction((Keys::count(1).incr(), Keys::text(1).get(), Keys::text(2).get())).await.unwrap();
    assert_eq!((count, text.as_deref(), missing), (2, Some("b"), None));
    let (ping, count, other) =
        redis.batch((Keys::text(1).exists(), Keys::count(1).incr(), Keys::count(2).incr())).await.unwrap();
    assert_eq!((ping, count, other), (true, 3, 1));
    // Writes with a condition are scripts by themselves.
    let (first, second) = redis
        .transaction((
            Keys::text(4).set("a").only_if_absent(),
            Keys::text(4).set("b").only_if_absent().returning_old(),
        ))
        .await
        .unwrap();
    assert_eq!((first, second.as_deref()), (true, Some("a")));
    let echo: String = redis
        .raw(|mut connection| async move { redis::cmd("ECHO").arg("x").query_async(&mut connection).await })
        .await
        .unwrap();
    assert_eq!(echo, "x");
    let loaded = Keys::text(3).get_or_set(|| async { "loaded".to_owned() }).on(redis).await.unwrap();
    assert_eq!(loaded, "loaded");
    let health = redis.health().timeout(LIMIT).await;
    assert!(health.healthy, "{health:?}");
}

#[test]
fn a_proxy_that_needs_a_plain_login_is_detected() {
    on_both(async |address| {
        for commands in [&["HELLO"][..], &["CLIENT"], &["INFO"], &["MULTI"], &UNKNOWN] {
            for protocol in [Protocol::Auto, Protocol::Resp2] {
                let proxy = closing(address, commands);
                everything_works(&through(&proxy).protocol(protocol).build().unwrap()).await;
            }
        }
    });
}

/// A server that is slow for a moment looks the same, so each connection finds it out again.
#[test]
fn a_proxy_that_never_answers_a_command_is_detected() {
    on_both(async |address| {
        let proxy = closing(address, &["HELLO", "CLIENT", "INFO"]);
        proxy.named("MULTI", Fault::BlackHole);
        let redis = through(&proxy).connect_timeout(Duration::from_secs(8)).build().unwrap();
        // The server must answer PING within a second, which a busy machine may miss.
        eventually("it connects", async || redis.connect().await.is_ok()).await;
        let counted = redis.transaction((Keys::count(1).incr(), Keys::count(1).incr())).await.unwrap();
        assert_eq!(counted, (1, 2));
    });
}

/// On a paused clock, which needs connections in memory. Returns a handle with a plain login, and
/// the number of commands with this name that the server has received.
fn plain_and_paused() -> (Server, Redis, impl Fn(&str) -> usize) {
    let server = Server::builder().log_commands(10_000).build();
    let builder = Redis::builder().embedded(server.clone()).login(LoginMode::Plain).shared_connections(1);
    // With a database, a plain login sends no PING.
    let redis = builder.db(1).retries(0).build().unwrap();
    let of = server.clone();
    let sent = move |name: &str| of.command_log().iter().filter(|logged| logged.arguments[0] == name).count();
    (server, redis, sent)
}

#[tokio::test(start_paused = true)]
async fn a_verdict_without_a_reply_is_not_remembered() {
    let (server, redis, sent) = plain_and_paused();
    let silent = server.inject(redis_keyspace_embedded::Fault::stall().on("MULTI"));
    everything_works(&redis).await;
    let hits = silent.hits();
    assert!(hits >= 2 && sent("PING") > 0, "{hits}");
    drop(silent);
    server.disconnect_all();
    eventually("it connects again", async || Keys::text(1).get().on(&redis).await.is_ok()).await;
    let before = sent("EXEC");
    redis.transaction((Keys::count(1).incr(), Keys::count(1).get())).await.unwrap();
    assert_eq!(sent("EXEC"), before + 1, "transactions are sent as such");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_for_a_moment_is_no_proxy() {
    let (server, redis, sent) = plain_and_paused();
    let slow = ["CLUSTER", "MULTI", "EVAL", "PING"].map(|name| {
        server.inject(redis_keyspace_embedded::Fault::delay(Duration::from_millis(600)).on(name))
    });
    let error = redis.transaction((Keys::count(1).incr(), Keys::count(1).get())).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("too slow to find out"), "{error}");
    drop(slow);
    let before = sent("EVAL");
    redis.transaction((Keys::count(1).incr(), Keys::count(1).get())).await.unwrap();
    assert_eq!(sent("EVAL"), before + 1, "only to find out whether scripts can run");
}

#[test]
fn user_and_database_are_still_used() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("hunter2").start();
        let proxy = closing(server.address(), &UNKNOWN);
        let redis = through(&proxy).password("hunter2").db(3).build().unwrap();
        everything_works(&redis).await;
        assert_eq!(server.redis_cli(&["-n", "0", "DBSIZE"]), "0", "all keys are in database 3");
        let wrong =
            through(&proxy).password("hunter3").build().unwrap().connect().await.map(drop).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::AuthenticationFailed, "{wrong}");
        let none = through(&proxy)
            .db(64)
            .password("hunter2")
            .build()
            .unwrap()
            .connect()
            .await
            .map(drop)
            .unwrap_err();
        assert!(none.to_string().contains("DB index is out of range"), "{none}");
    });
}

#[test]
fn the_detected_login_is_remembered() {
    on_both(async |address| {
        let proxy = closing(address, &UNKNOWN);
        let redis = through(&proxy).build().unwrap();
        redis.connect().await.unwrap();
        for _ in 0..3 {
            let before = proxy.until(|traffic| traffic.open == 1).await.connections;
            proxy.cut_all();
            proxy.until(|traffic| traffic.open == 0).await;
            eventually("the lost connection is noticed", async || {
                Keys::text(1).get().on(&redis).await.is_ok()
            })
            .await;
            assert_eq!(proxy.traffic().connections, before + 1, "each connection takes one attempt");
        }
    });
}

#[test]
fn a_minimal_login_sends_no_command_that_only_reports() {
    on_both(async |address| {
        for (protocol, by_url) in [(Protocol::Auto, true), (Protocol::Resp2, false), (Protocol::Resp3, false)]
        {
            let proxy = Proxy::start(address);
            // None of these is sent, so the faults stay unused.
            ["CLIENT", "INFO"].iter().for_each(|command| proxy.on(command, Fault::CutRequest));
            let builder = through(&proxy).protocol(protocol);
            let redis = if by_url {
                builder.url(&format!("redis://127.0.0.1:{}?login=minimal", proxy.port())).unwrap()
            } else {
                builder.login(LoginMode::Minimal)
            };
            let redis = redis.build().unwrap();
            Keys::count(1).incr().on(&redis).await.unwrap();
            assert!(Keys::count(1).ttl().on(&redis).await.unwrap().remaining().is_some());
            assert_eq!(proxy.unused(), 2, "{protocol:?}");
            assert_eq!(redis.stats().connections[0].failed_connects, 0);
        }
        // A name is only sent if it was set.
        let named = Redis::builder().host("127.0.0.1").port(address.port()).login(LoginMode::Minimal);
        let redis = named.client_name("billed").build().unwrap();
        let name =
            redis
                .raw(|mut c| async move {
                    redis::cmd("CLIENT").arg("GETNAME").query_async::<String>(&mut c).await
                })
                .await;
        assert_eq!(name.unwrap(), "billed");
    });
}

/// Without a run id, each connection counts as another run of the server. Long pages use another
/// connection.
#[test]
fn sweeps_end_without_a_run_id() {
    on_both(async |address| {
        for mode in [LoginMode::Minimal, LoginMode::Plain] {
            let builder = Redis::builder().host("127.0.0.1").port(address.port()).login(mode);
            let redis = builder.shared_connections(2).namespace(unique_namespace()).unwrap().build().unwrap();
            let texts = (0..2500).map(|id| (Keys::long(&format!("{id:0>150}")), "a"));
            Key::set_many(texts).on(&redis).await.unwrap();
            let expired = Keys::long_keys().all().on(&redis).expire(LIMIT * 100).await.unwrap();
            assert_eq!(expired.affected, 2500, "{mode:?}: a scan that starts again counts keys twice");
            assert_eq!(Keys::long_keys().all().on(&redis).delete().await.unwrap().affected, 2500);
        }
    });
}

#[test]
fn a_plain_login_can_be_configured() {
    on_both(async |address| {
        for by_url in [false, true] {
            let proxy = Proxy::start(address);
            proxy.named("MULTI", Fault::CutRequest);
            // None of these is sent, so the faults stay unused.
            ["HELLO", "CLIENT", "INFO"].iter().for_each(|command| proxy.on(command, Fault::CutRequest));
            let builder = through(&proxy);
            let redis = if by_url {
                builder.url(&format!("redis://127.0.0.1:{}?login=plain", proxy.port())).unwrap()
            } else {
                builder.login(LoginMode::Plain)
            };
            everything_works(&redis.build().unwrap()).await;
            assert_eq!(proxy.unused(), 3);
        }
    });
    let both = Redis::builder().login(LoginMode::Plain).protocol(Protocol::Resp3).build().unwrap_err();
    assert!(both.is_configuration() && both.to_string().contains("`login`"), "{both}");
}

#[test]
fn resp3_needs_hello() {
    on_both(async |address| {
        let proxy = closing(address, &["HELLO"]);
        let redis = through(&proxy).protocol(Protocol::Resp3).build().unwrap();
        let error = redis.connect().await.map(drop).unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("RESP3"), "{error}");
    });
}

/// Asserts that commands that need a transaction are refused with the reason, and change nothing.
async fn transactions_are_refused(redis: &Redis, kind: ErrorKind) {
    let refused: [Error; 4] = [
        Keys::count(5).incr().on(redis).await.unwrap_err(),
        Keys::text(5).set("x").keep_ttl().on(redis).await.unwrap_err(),
        redis.transaction((Keys::text(5).set("x"), Keys::count(5).get())).await.unwrap_err(),
        redis.batch((Keys::text(5).set("x"), Keys::count(5).incr())).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("MULTI") && text.contains("EVAL") && text.contains("nothing was sent"),
            "{text}"
        );
    }
    assert!(!Keys::text(5).exists().on(redis).await.unwrap());
    assert!(!Keys::count(5).exists().on(redis).await.unwrap());
}

#[test]
fn without_scripts_the_error_explains_why() {
    on_both(async |address| {
        let proxy = closing(address, &["HELLO", "CLIENT", "INFO", "MULTI", "EVAL", "EVALSHA"]);
        let redis = through(&proxy).build().unwrap();
        redis.connect().await.unwrap();
        let connections = proxy.traffic().connections;
        transactions_are_refused(&redis, ErrorKind::Server).await;
        let locked = Keys::text(5).update_or_insert(|| "x".to_owned(), |_| {}).on(&redis).await.unwrap_err();
        let text = locked.to_string();
        assert!(text.contains("needs EVAL") && text.contains("nothing was sent"), "{text}");
        assert_eq!(proxy.traffic().connections, connections, "no connection was closed for them");
    });
}

/// Replaces the open connection with a new one. Each command makes one attempt.
async fn reconnect(redis: &Redis, proxy: &Proxy) -> Result<Option<String>, Error> {
    proxy.cut_all();
    proxy.until(|traffic| traffic.open == 0).await;
    eventually("the loss is noticed", async || redis.stats().connections[0].shared_connections == 0).await;
    Keys::text(1).get().on(redis).await
}

/// Returns whether the pool uses the full login. Only then the server version is known.
async fn is_full_login(redis: &Redis) -> bool {
    let health = redis.health().timeout(LIMIT).await;
    assert!(health.healthy, "{health:?}");
    health.version.is_some()
}

#[test]
fn a_single_closed_connection_does_not_imply_a_proxy() {
    on_both(async |address| {
        let proxy = Proxy::start(address);
        proxy.on("HELLO", Fault::CutRequest);
        let redis = through(&proxy).build().unwrap();
        redis.connect().await.unwrap();
        assert_eq!(proxy.unused(), 0);
        assert!(is_full_login(&redis).await);
    });
}

/// A server that restarts behind a proxy looks like one that closes connections.
#[test]
fn a_pool_with_a_full_login_falls_back_after_three_closed_connections() {
    on_both(async |address| {
        let proxy = Proxy::start(address);
        let redis = through(&proxy).build().unwrap();
        assert!(is_full_login(&redis).await);
        for round in 0..2 {
            // Two in a row, repeatedly.
            for _ in 0..2 {
                proxy.on("HELLO", Fault::CutRequest);
                let before = proxy.traffic().connections;
                let error = reconnect(&redis, &proxy).await.unwrap_err();
                assert!(error.is_unavailable(), "{error}");
                assert_eq!(proxy.traffic().connections, before + 1, "no plain login was tried");
            }
            eventually("it connects", async || Keys::text(1).get().on(&redis).await.is_ok()).await;
            assert!(is_full_login(&redis).await, "round {round}");
        }
        proxy.named("HELLO", Fault::CutRequest);
        for _ in 0..2 {
            reconnect(&redis, &proxy).await.unwrap_err();
        }
        reconnect(&redis, &proxy).await.unwrap();
        assert!(!is_full_login(&redis).await);
        everything_works(&redis).await;
    });
}

/// On a paused clock, which needs connections in memory.
#[tokio::test(start_paused = true)]
async fn a_full_login_is_retried_after_ten_minutes() {
    let server = Server::new();
    let closing = server.inject(redis_keyspace_embedded::Fault::close_before().on("HELLO"));
    let redis = Redis::builder().embedded(server.clone()).build().unwrap();
    assert!(!is_full_login(&redis).await);
    drop(closing);
    tokio::time::advance(Duration::from_secs(590)).await;
    assert!(!is_full_login(&redis).await);
    // The connection is replaced, although it works.
    tokio::time::advance(Duration::from_secs(11)).await;
    Keys::text(1).set("a").on(&redis).await.unwrap();
    assert!(is_full_login(&redis).await);

    let closing = server.inject(redis_keyspace_embedded::Fault::close_before().on("HELLO"));
    tokio::time::advance(Duration::from_secs(1200)).await;
    assert!(is_full_login(&redis).await, "a connection with a full login is kept");
    assert_eq!(closing.hits(), 0);
}

/// After a retry, the proxy still needs the plain login on all connections.
#[tokio::test(start_paused = true)]
async fn a_plain_login_is_kept_while_needed() {
    let server = Server::new();
    let closing = server.inject(redis_keyspace_embedded::Fault::close_before().on("HELLO"));
    let redis = Redis::builder().embedded(server.clone()).build().unwrap();
    for round in 1..4 {
        assert!(!is_full_login(&redis).await);
        assert_eq!(closing.hits(), 2 * round, "tried, and confirmed");
        tokio::time::advance(Duration::from_secs(601)).await;
    }
    // If the plain login is configured, the full one is never tried.
    let redis = Redis::builder().embedded(server).login(LoginMode::Plain).build().unwrap();
    let hits = closing.hits();
    for _ in 0..3 {
        assert!(!is_full_login(&redis).await);
        tokio::time::advance(Duration::from_secs(601)).await;
    }
    assert_eq!(closing.hits(), hits);
}

/// The user has no permission for MULTI: an error reply instead of a closed connection.
#[test]
fn a_script_replaces_a_forbidden_multi() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-multi"]);
        let builder =
            || Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let url = format!("redis://app:pass@127.0.0.1:{}", server.port());
        let pool = pool_builder().max_size(2).build(manager(&url)).await.unwrap();
        for (id, redis) in [(1, builder().build().unwrap()), (2, Redis::from_pool(pool))] {
            assert_eq!(Keys::count(id).incr().on(&redis).await.unwrap(), 1);
            assert!(Keys::count(id).ttl().on(&redis).await.unwrap().remaining().is_some());
            let (count, text) =
                redis.transaction((Keys::count(id).incr(), Keys::text(id).get())).await.unwrap();
            assert_eq!((count, text), (2, None));
            // A failed command does not undo the others.
            Keys::text(id).set("x").on(&redis).await.unwrap();
            let key = Keys::text(id).to_string();
            server.redis_cli(&["DEL", &key]);
            server.redis_cli(&["LPUSH", &key, "x"]);
            let (count, text) =
                redis.transaction((Keys::count(id).incr(), Keys::text(id).get())).each().await.unwrap();
            assert_eq!((count.unwrap(), text.unwrap_err().kind()), (3, ErrorKind::WrongType));
            // Numbers that Lua would round are an error.
            server.redis_cli(&["SET", Keys::count(id).as_ref(), "9007199254740992"]);
            let error = Keys::count(id).incr().on(&redis).await.unwrap_err();
            assert!(error.to_string().contains("2^53"), "{error}");
            assert_eq!(Keys::count(id).get().on(&redis).await.unwrap(), 9_007_199_254_740_993);
        }
        // On a replica, nothing runs.
        server.redis_cli(&["REPLICAOF", "127.0.0.1", "1"]);
        let redis = builder().client_name("of-replica").retries(0).build().unwrap();
        for error in [
            redis.transaction((Keys::count(9).get(), Keys::count(9).incr())).await.unwrap_err(),
            Keys::count(9).incr().on(&redis).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Some("READONLY"), "{error}");
        }
        server.redis_cli(&["REPLICAOF", "NO", "ONE"]);
        server.redis_cli(&["ACL", "SETUSER", "app", "-eval"]);
        transactions_are_refused(&builder().client_name("new").build().unwrap(), ErrorKind::PermissionDenied)
            .await;
    });
}

/// All commands run, or none.
#[test]
fn a_script_that_replaces_multi_checks_all_permissions_first() {
    within(PATIENCE, async {
        let server = RealServer::start();
        if !require_in_scripts(&server, "acl_check_cmd") {
            return;
        }
        let rules = ["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-multi", "-incr", "-incrby"];
        server.redis_cli(&rules);
        let builder = Redis::builder().host("127.0.0.1").port(server.port());
        let redis = builder.username("app").password("pass").build().unwrap();
        let error = redis.transaction((Keys::text(9).set("x"), Keys::count(9).incr())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!Keys::text(9).exists().on(&redis).await.unwrap());
    });
}

/// The pool of the application opens the connections. MULTI, HELLO and INFO are sent later.
#[test]
fn plain_login_works_on_an_application_pool() {
    on_both(async |address| {
        let proxy = closing(address, &["MULTI", "HELLO", "INFO"]);
        let url = format!("redis://127.0.0.1:{}?protocol=resp2", proxy.port());
        let pool = pool_builder().max_size(2).build(manager(&url)).await.unwrap();
        let redis =
            Redis::builder().pool(pool).namespace(unique_namespace()).unwrap().timeout(LIMIT).retries(0);
        everything_works(&redis.build().unwrap()).await;
        proxy.named("EVAL", Fault::CutRequest);
        let pool = pool_builder().max_size(2).build(manager(&url)).await.unwrap();
        let redis =
            Redis::builder().pool(pool).namespace(unique_namespace()).unwrap().timeout(LIMIT).retries(0);
        transactions_are_refused(&redis.build().unwrap(), ErrorKind::Server).await;
    });
}

#[test]
fn connections_carry_the_name_of_the_program() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        redis.connect().await.unwrap();
        let program = std::env::current_exe().unwrap();
        let name = program.file_stem().unwrap().to_str().unwrap();
        let named = |name: &str| {
            let list = server.redis_cli(&["CLIENT", "LIST"]);
            list.lines().filter(|line| line.contains(&format!(" name={name} "))).count()
        };
        assert_eq!(named(name), 2);
        let other = Redis::builder().url(&server.url()).unwrap().client_name("mine").build().unwrap();
        other.connect().await.unwrap();
        assert_eq!((named(name), named("mine")), (2, 2), "an explicit name is kept");
    });
}

both_servers! {
    async fn raw_connections_carry_the_name_of_the_program(redis: Redis) {
        let program = std::env::current_exe().unwrap();
        let name: String = raw(&redis, &["CLIENT", "GETNAME"]).await;
        assert_eq!(name, program.file_stem().unwrap().to_str().unwrap());
    }
}
