//! A real server behind a unix socket.

use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Counter, Keyspace, Lock, Redis, Text};
use redis_keyspace_tests::{PATIENCE, RealServer, eventually, within};

#[derive(Keyspace)]
#[keyspace(prefix = "socket", ttl = 3600, db = 3)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
    lock: fn(id: u32) -> Lock,
}

async fn push_and_pop(mut connection: RawConnection) -> redis::RedisResult<(String, String)> {
    redis::cmd("RPUSH").arg("queue").arg("job").exec_async(&mut connection).await?;
    redis::cmd("BLPOP").arg("queue").arg(0).query_async(&mut connection).await
}

async fn everything(redis: &Redis) {
    Keys::text(1).set("a").await.unwrap();
    assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("a"));
    assert_eq!(Keys::text(2).get_or_set(|| async { "b".to_owned() }).await.unwrap(), "b");
    let (count, exists) = redis.transaction((Keys::count(1).incr(), Keys::text(1).exists())).await.unwrap();
    assert_eq!((count, exists), (1, true));
    assert_eq!(Keys::lock(1).with_lock(|_| async { 5 }).await.unwrap(), 5);
    assert_eq!(redis.raw(push_and_pop).await.unwrap(), ("queue".to_owned(), "job".to_owned()));
    assert_eq!(Keys::text_keys().count().await.unwrap(), 2);
}

#[test]
fn every_kind_of_operation_works_on_a_unix_socket() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("p@ss:word").start();
        let by_path = Redis::builder().unix_socket(server.socket()).password("p@ss:word");
        for redis in [Redis::open(&server.unix_url()).unwrap(), by_path.build().unwrap()] {
            redis.scope(everything(&redis)).await;
            assert_eq!(server.redis_cli(&["-n", "3", "GET", "socket:text:1"]), "a");
            let clients = server.redis_cli(&["CLIENT", "LIST"]);
            // The flag U is that of a unix socket.
            let flags =
                |line: &str| line.split(" flags=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
            let (by_socket, others): (Vec<_>, Vec<_>) =
                clients.lines().partition(|line| flags(line).contains('U'));
            assert!(!by_socket.is_empty(), "{clients}");
            // The other one asks for the list.
            assert_eq!(others.len(), 1, "{clients}");
            redis.close().await;
            server.redis_cli(&["FLUSHALL"]);
        }
    });
}

#[test]
fn a_restarted_server_is_found_again_at_its_socket() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.unix_url()).unwrap();
        Keys::text(1).set("a").on(&redis).await.unwrap();
        server.kill();
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert!(error.is_unavailable() || error.is_connection_lost(), "{error}");
        server.restart();
        eventually("the server is used again", async || Keys::text(1).get().on(&redis).await.is_ok()).await;
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap(), None, "it persists nothing");
    });
}
