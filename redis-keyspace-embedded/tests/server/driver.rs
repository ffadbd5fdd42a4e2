//! The redis crate as a client, over the in-memory connection and over sockets.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use redis_keyspace_embedded::{Reply, Server};
use redis_keyspace_harness::eventually;

async fn connect(server: &Server, protocol: ProtocolVersion) -> MultiplexedConnection {
    connect_with(server, RedisConnectionInfo::default().set_protocol(protocol)).await.expect("a connection")
}

async fn connect_with(
    server: &Server,
    info: RedisConnectionInfo,
) -> Result<MultiplexedConnection, redis::RedisError> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let stream = server.connect()?;
    let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    tokio::spawn(driver);
    Ok(connection)
}

const PROTOCOLS: [ProtocolVersion; 2] = [ProtocolVersion::RESP2, ProtocolVersion::RESP3];

#[tokio::test]
async fn commands_and_pipelines() {
    for protocol in PROTOCOLS {
        let server = Server::new();
        let mut connection = connect(&server, protocol).await;
        let key = [0_u8, 255, b'\r', b'\n'];
        redis::cmd("SET").arg(&key).arg(&key).exec_async(&mut connection).await.unwrap();
        let value: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
        assert_eq!(value, key);
        let (a, b): (i64, i64) =
            redis::pipe().atomic().incr("n", 1).incr("n", 5).query_async(&mut connection).await.unwrap();
        assert_eq!((a, b), (1, 6));
        redis::cmd("HSET").arg("h").arg("f").arg("v").exec_async(&mut connection).await.unwrap();
        let hash: std::collections::HashMap<String, String> =
            redis::cmd("HGETALL").arg("h").query_async(&mut connection).await.unwrap();
        assert_eq!(hash["f"], "v");
        let info: redis::InfoDict = redis::cmd("INFO").query_async(&mut connection).await.unwrap();
        assert_eq!(info.get::<String>("redis_version").as_deref(), Some("7.0.15"));
        assert_eq!(info.get::<String>("server_name").as_deref(), Some("redis-keyspace-embedded"));
    }
}

#[tokio::test]
async fn users_change_while_the_server_runs() {
    let server = Server::builder().password("secret").build();
    let app = |password: &str| RedisConnectionInfo::default().set_username("app").set_password(password);
    assert!(connect_with(&server, app("one")).await.is_err());
    server.set_user("app", "one");
    let mut connection = connect_with(&server, app("one")).await.unwrap();
    server.set_user("app", "two");
    assert!(connect_with(&server, app("one")).await.is_err());
    // An open connection stays logged in, also after a rejected AUTH.
    let mut auth = redis::cmd("AUTH");
    let error = auth.arg("app").arg("one").exec_async(&mut connection).await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGPASS"));
    redis::cmd("SET").arg("k").arg("v").exec_async(&mut connection).await.unwrap();
    redis::cmd("AUTH").arg("app").arg("two").exec_async(&mut connection).await.unwrap();
    let root = RedisConnectionInfo::default().set_password("secret");
    let mut other = connect_with(&server, root).await.unwrap();
    assert!(server.remove_user("app") && !server.remove_user("app"));
    redis::cmd("GET").arg("k").exec_async(&mut connection).await.unwrap_err();
    redis::cmd("GET").arg("k").exec_async(&mut other).await.unwrap();
    assert!(connect_with(&server, app("two")).await.is_err());
}

#[tokio::test]
async fn databases_users_and_passwords() {
    let server = Server::builder().databases(3).password("secret").user("app", "other").build();
    for protocol in PROTOCOLS {
        let info = RedisConnectionInfo::default().set_protocol(protocol);
        // Under RESP2 nothing is sent that a connection without a password would have to wait for.
        match connect_with(&server, info.clone()).await {
            Ok(mut connection) => {
                let error = redis::cmd("GET").arg("k").exec_async(&mut connection).await.unwrap_err();
                assert_eq!(error.code(), Some("NOAUTH"));
            }
            Err(error) => assert_eq!(error.code(), Some("NOAUTH")),
        }
        assert!(connect_with(&server, info.clone().set_password("wrong")).await.is_err());
        assert!(connect_with(&server, info.clone().set_password("secret").set_db(3)).await.is_err());
        let mut connection =
            connect_with(&server, info.clone().set_password("secret").set_db(2)).await.unwrap();
        redis::cmd("SET").arg("k").arg("v").exec_async(&mut connection).await.unwrap();
        assert_eq!(server.get(2, b"k").as_deref(), Some(&b"v"[..]));
        let app = info.set_username("app").set_password("other");
        let mut connection = connect_with(&server, app).await.unwrap();
        let list: String = redis::cmd("CLIENT").arg("INFO").query_async(&mut connection).await.unwrap();
        assert!(list.contains("user=app") && list.contains("lib-name=redis-rs"), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_drives_ttls() {
    for protocol in PROTOCOLS {
        let server = Server::new();
        let mut connection = connect(&server, protocol).await;
        redis::cmd("SET").arg("k").arg("v").arg("EX").arg(3600).exec_async(&mut connection).await.unwrap();
        let time: (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
        tokio::time::advance(Duration::from_millis(3_599_999)).await;
        let left: i64 = redis::cmd("PTTL").arg("k").query_async(&mut connection).await.unwrap();
        assert_eq!(left, 1);
        assert_eq!(server.ttl(0, b"k"), Some(Duration::from_millis(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        let value: Option<String> = redis::cmd("GET").arg("k").query_async(&mut connection).await.unwrap();
        assert_eq!(value, None);
        assert!(server.keys(0).is_empty());
        let later: (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
        assert_eq!(later.0 - time.0, 3600);
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_breaks_a_watch() {
    let server = Server::new();
    let mut connection = connect(&server, ProtocolVersion::RESP2).await;
    redis::cmd("SET").arg("k").arg("v").arg("PX").arg(50).exec_async(&mut connection).await.unwrap();
    redis::cmd("WATCH").arg("k").exec_async(&mut connection).await.unwrap();
    tokio::time::advance(Duration::from_millis(51)).await;
    let reply: redis::Value = redis::pipe().atomic().cmd("PING").query_async(&mut connection).await.unwrap();
    assert_eq!(reply, redis::Value::Nil);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_pop_waits_on_the_paused_clock() {
    let server = Server::new();
    let mut connection = connect(&server, ProtocolVersion::RESP3).await;
    let before = tokio::time::Instant::now();
    let popped: Option<(String, String)> =
        redis::cmd("BLPOP").arg("l").arg(60).query_async(&mut connection).await.unwrap();
    assert_eq!(popped, None);
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn blocking_pops_are_served_in_order_of_arrival() {
    let server = Server::new();
    let mut waiting = Vec::new();
    for number in 0..5_usize {
        let mut connection = connect(&server, ProtocolVersion::RESP3).await;
        waiting.push(tokio::spawn(async move {
            let popped: (String, usize) =
                redis::cmd("BLPOP").arg("other").arg("l").arg(0).query_async(&mut connection).await.unwrap();
            popped
        }));
        let mut observer = connect(&server, ProtocolVersion::RESP3).await;
        loop {
            let info: redis::InfoDict =
                redis::cmd("INFO").arg("clients").query_async(&mut observer).await.unwrap();
            if info.get::<usize>("blocked_clients") == Some(number + 1) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // The third goes away; what it would have got goes to the next.
    waiting.remove(2).abort();
    let mut pusher = connect(&server, ProtocolVersion::RESP2).await;
    while server.connection_count() > 10 {
        tokio::task::yield_now().await;
    }
    let pushed: usize = redis::pipe()
        .atomic()
        .cmd("RPUSH")
        .arg("l")
        .arg(&[0, 1, 2, 3, 4])
        .query_async::<(usize,)>(&mut pusher)
        .await
        .unwrap()
        .0;
    assert_eq!(pushed, 5);
    for (expected, task) in waiting.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), ("l".to_owned(), expected));
    }
    let left: Vec<usize> =
        redis::cmd("LRANGE").arg("l").arg(0).arg(-1).query_async(&mut pusher).await.unwrap();
    assert_eq!(left, [4]);
}

#[tokio::test]
async fn scans_return_every_key_that_stays() {
    let server = Server::new();
    let mut connection = connect(&server, ProtocolVersion::RESP3).await;
    let mut fill = redis::pipe();
    for number in 0..2_000 {
        fill.set(format!("stays:{number}"), number).ignore();
        fill.set(format!("goes:{number}"), number).ignore();
    }
    fill.exec_async(&mut connection).await.unwrap();
    let mut cursor = 0_u64;
    let mut seen = std::collections::HashSet::new();
    let mut calls = 0;
    loop {
        let (next, page): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg("stays:*")
            .arg("COUNT")
            .arg(100)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(page.len() <= 100);
        seen.extend(page);
        // Meanwhile keys come, go and are overwritten.
        let mut churn = redis::pipe();
        for number in 0..100 {
            churn.set(format!("new:{calls}:{number}"), 1).ignore();
            churn.del(format!("goes:{}", calls * 100 + number)).ignore();
            churn.set(format!("stays:{number}"), 2).ignore();
        }
        churn.exec_async(&mut connection).await.unwrap();
        calls += 1;
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 2_000);
    assert!(calls <= 80, "new keys must not keep a scan going: {calls}");
}

#[tokio::test]
async fn scripts_run_natively() {
    const TEXT: &str =
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
    let server = Server::new();
    server.register_script(TEXT, |script, keys, values| match (keys, values) {
        ([key], [value]) if script.call(&[&b"GET"[..], key]) == Reply::Bulk(value.clone()) => {
            script.call(&[&b"DEL"[..], key])
        }
        _ => Reply::Integer(0),
    });
    let mut connection = connect(&server, ProtocolVersion::RESP3).await;
    redis::cmd("SET").arg("lock").arg("me").exec_async(&mut connection).await.unwrap();
    let digest = redis::Script::new(TEXT).get_hash().to_owned();
    let unknown = redis::cmd("EVALSHA").arg(&digest).arg(0).exec_async(&mut connection).await.unwrap_err();
    assert_eq!(unknown.code(), Some("NOSCRIPT"));
    for (value, expected) in [("you", 0), ("me", 1), ("me", 0)] {
        let script = redis::Script::new(TEXT);
        let deleted: i64 = script.key("lock").arg(value).invoke_async(&mut connection).await.unwrap();
        assert_eq!(deleted, expected);
    }
    server.register_script("return redis.call('SELECT', 3)", |script, _, _| script.call(&["SELECT", "3"]));
    redis::cmd("EVAL")
        .arg("return redis.call('SELECT', 3)")
        .arg(0)
        .exec_async(&mut connection)
        .await
        .unwrap();
    redis::cmd("SET").arg("here").arg("x").exec_async(&mut connection).await.unwrap();
    assert!(server.get(0, b"here").is_some(), "a script's SELECT is over with it");
    let lua = redis::cmd("EVAL").arg("return 1").arg(0).exec_async(&mut connection).await.unwrap_err();
    assert!(lua.to_string().contains("does not run Lua"), "{lua}");
}

#[tokio::test]
async fn sockets() {
    let server = Server::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("redis.sock");
    let tcp = server.listen().await.unwrap();
    let unix = server.listen_unix(&path).await.unwrap();
    assert!(tcp.addr().unwrap().ip().is_loopback());
    assert_eq!(unix.addr(), None);
    // Without the driver's own limits, which a busy machine exceeds.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    for url in [tcp.url(), unix.url(), format!("{}/?protocol=resp3", tcp.url())] {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        redis::cmd("INCR").arg("visits").exec_async(&mut connection).await.unwrap();
    }
    assert_eq!(server.get(0, b"visits").as_deref(), Some(&b"3"[..]));
    let refused = server.listen_tcp(([0, 0, 0, 0], 0).into()).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
    let url = tcp.url();
    drop((tcp, unix));
    assert!(!path.exists());
    let client = redis::Client::open(url).unwrap();
    let refused = async || client.get_multiplexed_async_connection_with_config(&config).await.is_err();
    eventually("the listener is gone", refused).await;
}

#[test]
fn connecting_needs_a_runtime() {
    let error = Server::new().connect().unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[tokio::test]
async fn connections_are_counted_listed_and_killed() {
    let server = Server::builder().log_commands(3).build();
    let mut one = connect(&server, ProtocolVersion::RESP3).await;
    let mut two = connect(&server, ProtocolVersion::RESP2).await;
    assert_eq!(server.connection_count(), 2);
    let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(&mut two).await.unwrap();
    redis::cmd("CLIENT").arg("SETNAME").arg("second").exec_async(&mut two).await.unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut one).await.unwrap();
    assert!(list.contains(&format!("id={id} ")) && list.contains("name=second"), "{list}");
    let killed: i64 = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(&mut one).await.unwrap();
    assert_eq!(killed, 1);
    assert!(redis::cmd("PING").exec_async(&mut two).await.is_err());
    let log = server.command_log();
    assert_eq!(log.len(), 3);
    assert!(log.iter().any(|command| command.connection != id && command.arguments.contains(&"KILL".into())));
    drop((one, two));
    while server.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
}
