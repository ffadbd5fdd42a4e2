//! Servers and proxies that answer, but refuse to run commands: at the login, and later.

use std::time::Duration;

use redis_keyspace::command::OnUnavailable;
use redis_keyspace::config::{LoginMode, Protocol};
use redis_keyspace::{Counter, ErrorKind, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, eventually, raw, within};

#[derive(Keyspace)]
#[keyspace(prefix = "refusals", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("count:{id}", ttl = none)]
    count: fn(id: u32) -> Counter,
}

const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// Handles that log in in each way.
fn of_each_login(server: &Server) -> [RedisBuilder; 4] {
    let to = || Redis::builder().embedded(server.clone());
    [
        to(),
        to().protocol(Protocol::Resp2),
        to().login(LoginMode::Minimal).protocol(Protocol::Resp2),
        to().login(LoginMode::Plain),
    ]
}

/// A server that can't save its data rejects PING like a write, and some users may not run it.
#[test]
fn a_server_that_rejects_ping_serves_reads() {
    within(PATIENCE, async {
        for refusal in [
            "MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk",
            "NOPERM User default has no permissions to run the 'ping' command",
        ] {
            let server = Server::new();
            Keys::text(1).set("x").on(&Redis::with_embedded_server(server.clone())).await.unwrap();
            let _fault = server.inject(Fault::error(refusal).on("PING"));
            for builder in of_each_login(&server) {
                let redis = builder.retries(0).build().unwrap();
                assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"), "{refusal}");
            }
        }
    });
}

#[test]
fn an_idle_connection_of_such_a_server_is_used_again() {
    const BRIEF: Duration = Duration::from_millis(1);
    within(PATIENCE, async {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone()).exclusive_connections(1);
        let redis = builder.ping_interval(BRIEF).build().unwrap();
        let echo = async || raw::<String>(&redis, &["ECHO", "x"]).await;
        echo().await;
        let refusal = "MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk";
        let fault = server.inject(Fault::error(refusal).on("PING"));
        eventually("the connection is checked", async || {
            echo().await;
            fault.hits() > 0
        })
        .await;
        assert_eq!(redis.stats().connections[0].connects, 1, "the connection was used again");
    });
}

/// While a script runs for long, a server accepts MULTI at the login, and rejects EXEC.
#[test]
fn a_login_is_repeated_while_a_script_runs() {
    within(PATIENCE, async {
        let aborted = format!("EXECABORT Transaction discarded because of: {BUSY}");
        for (command, refusal) in [("EXEC", aborted.as_str()), ("MULTI", BUSY)] {
            let server = Server::new();
            let builder = Redis::builder().embedded(server.clone()).shared_connections(1);
            let redis = builder.retries(5).retry_delay(Duration::from_millis(1)).build().unwrap();
            let fault = server.inject(Fault::error(refusal).on(command).times(2));
            assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), 1, "{command}");
            assert_eq!(fault.hits(), 2);
            // The server has transactions, although it refused one.
            redis.transaction((Keys::count(1).incr(), Keys::text(1).set("x"))).await.unwrap();
            // A plain login uses separate connections to find out.
            let builder = Redis::builder().embedded(server.clone()).login(LoginMode::Plain);
            let plain = builder.retries(5).retry_delay(Duration::from_millis(1)).build().unwrap();
            let fault = server.inject(Fault::error(refusal).on(command).times(2));
            plain.transaction((Keys::count(1).incr(), Keys::text(1).set("x"))).await.unwrap();
            drop(fault);
            let transactions = server.inject(Fault::delay(Duration::ZERO).on("MULTI"));
            plain.transaction((Keys::count(1).incr(), Keys::text(1).set("x"))).await.unwrap();
            assert_eq!(transactions.hits(), 1, "{command}: no script replaces transactions");
            drop(transactions);

            let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
            let _fault = server.inject(Fault::error(refusal).on(command));
            let error = Keys::text(2).get().on(&redis).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("BUSY")), "{error}");
        }
    });
}

#[test]
fn reads_degrade_while_a_script_runs() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        let _fault = server.inject(Fault::error(BUSY).on("GET"));
        let get = || Keys::text(1).get();
        let error = get().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("SCRIPT KILL"), "{error}");
        assert_eq!(get().on_unavailable(OnUnavailable::Miss).on(&redis).await.unwrap(), None);
        let both = (get().on_unavailable(OnUnavailable::Miss), Keys::count(1).incr());
        assert_eq!(redis.batch(both).await.unwrap(), (None, 1));
    });
}

/// What Envoy and Twemproxy answer without a server.
#[test]
fn proxies_report_that_their_server_is_away() {
    within(PATIENCE, async {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone()).retries(5);
        let redis = builder.retry_delay(Duration::from_millis(1)).build().unwrap();
        let refusal = Fault::error("no upstream host").on("INCRBY");
        let fault = server.inject(refusal.clone().times(3));
        assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), 1);
        assert_eq!(fault.hits(), 3);
        let fault = server.inject(refusal);
        let error = Keys::count(1).incr().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        drop(fault);
        for lost in [
            "upstream failure",
            "ERR Connection timed out",
            "ERR Connection reset by peer",
            "ERR Connection refused",
            "ERR No route to host",
        ] {
            let fault = server.inject(Fault::error(lost).on("INCRBY"));
            let error = Keys::count(1).incr().on(&redis).await.unwrap_err();
            assert!(error.is_connection_lost(), "{error}");
            assert_eq!(fault.hits(), 1, "it may have run");
            drop(fault);
            let fault = server.inject(Fault::error(lost).on("GET").times(3));
            Keys::text(1).get().on(&redis).await.unwrap();
            assert_eq!(fault.hits(), 3);
            let _fault = server.inject(Fault::error(lost).on("GET"));
            let get = Keys::text(1).get().on_unavailable(OnUnavailable::Miss);
            assert_eq!(get.on(&redis).await.unwrap(), None, "{lost}");
            let both = (Keys::text(1).get().on_unavailable(OnUnavailable::Miss), Keys::text(2).set("x"));
            assert_eq!(redis.batch(both).await.unwrap(), (None, ()), "{lost}");
        }
    });
}
