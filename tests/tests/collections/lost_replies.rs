//! Writes whose replies are lost. A write that may not run twice is not sent again.

use std::future::IntoFuture;

use redis_keyspace::command::ListEnd::{Left, Right};
use redis_keyspace::{
    Bitmap, Bytes, Error, Hash, Keyspace, List, Redis, Set, SortedSet, Stream, Text, command::U,
};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, within};

#[derive(Keyspace)]
#[keyspace(prefix = "lost", ttl = none)]
struct Forever {
    list: fn(id: u64) -> List<Text>,
    set: fn(id: u64) -> Set<Text>,
    scores: fn(id: u64) -> SortedSet<Text>,
    sums: fn(id: u64) -> Hash<Text, i64>,
    #[key("log:{id}", trim = "1000")]
    log: fn(id: u64) -> Stream<Text>,
    bytes: fn(id: u64) -> Bytes,
    bits: fn(id: u64) -> Bitmap,
}

#[derive(Keyspace)]
#[keyspace(prefix = "lost-brief", ttl = "1h")]
struct Brief {
    list: fn(id: u64) -> List<Text>,
    scores: fn(id: u64) -> SortedSet<Text>,
    sums: fn(id: u64) -> Hash<Text, i64>,
    #[key("log:{id}", trim = "1000")]
    log: fn(id: u64) -> Stream<Text>,
    bytes: fn(id: u64) -> Bytes,
}

/// Runs a write whose first reply is lost. A second run would succeed.
async fn lost<T>(server: &Server, command: &str, write: impl IntoFuture<Output = Result<T, Error>>) {
    let fault = server.inject(Fault::close_after().on(command).times(1));
    let error = write.await.err().unwrap_or_else(|| panic!("{command} ran again"));
    assert!(error.to_string().contains("connection"), "{command}: {error}");
    assert_eq!(fault.hits(), 1, "{command}");
}

/// Without a lifetime, the bare command is sent.
async fn commands(server: &Server) {
    let (list, other) = (Forever::list(1), Forever::list(2));
    lost(server, "LPUSH", list.lpush("a")).await;
    lost(server, "RPUSH", list.rpush("b")).await;
    lost(server, "RPUSH", list.rpush_many(["c", "d"])).await;
    assert_eq!(list.lrange(..).await.unwrap(), ["a", "b", "c", "d"]);
    lost(server, "LPOP", list.lpop()).await;
    lost(server, "RPOP", list.rpop()).await;
    lost(server, "LMOVE", list.lmove(Left, &other, Right)).await;
    assert_eq!((list.lrange(..).await.unwrap(), other.llen().await.unwrap()), (vec!["c".to_owned()], 1));
    lost(server, "LINSERT", list.linsert_before("c", "x")).await;
    assert_eq!(list.lrange(..).await.unwrap(), ["x", "c"]);
    lost(server, "LPOP", list.lpop_many(1)).await;
    assert_eq!(list.lrange(..).await.unwrap(), ["c"]);

    let set = Forever::set(1);
    set.sadd_many(["a", "b", "c"]).await.unwrap();
    lost(server, "SPOP", set.spop()).await;
    lost(server, "SPOP", set.spop_many(1)).await;
    assert_eq!(set.scard().await.unwrap(), 1);

    let scores = Forever::scores(1);
    scores.zadd_many([("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]).await.unwrap();
    lost(server, "ZINCRBY", scores.zincr_by("a", 0.5)).await;
    assert_eq!(scores.zscore("a").await.unwrap(), Some(1.5));
    lost(server, "ZPOPMIN", scores.zpop_min()).await;
    lost(server, "ZPOPMAX", scores.zpop_max_many(1)).await;
    lost(server, "ZREMRANGEBYRANK", scores.zrem_range(..1)).await;
    assert_eq!(scores.zrange(..).await.unwrap(), ["c"]);

    let sums = Forever::sums(1);
    lost(server, "HINCRBY", sums.hincr_by("a", 2)).await;
    assert_eq!(sums.hget("a").await.unwrap(), Some(2));
    lost(server, "HGETDEL", sums.hget_del(["a"])).await;
    assert!(!sums.exists().await.unwrap());

    let log = Forever::log(1);
    lost(server, "XADD", log.xadd("x")).await;
    assert_eq!(log.xlen().await.unwrap(), 1);

    let bytes = Forever::bytes(1);
    lost(server, "APPEND", bytes.append(b"x")).await;
    assert_eq!(bytes.get().await.unwrap().as_deref(), Some(&b"x"[..]));

    let bits = Forever::bits(1);
    lost(server, "BITFIELD", bits.bit_field().incr_by(U::<8>, 0, 1)).await;
    assert_eq!(bits.bit_field().get(U::<8>, 0).await.unwrap(), [Some(1)]);
}

/// With a lifetime, a script is sent.
async fn scripts(server: &Server) {
    // The server knows the scripts afterwards.
    Brief::list(9).rpush("x").await.unwrap();
    Brief::sums(9).hincr_by("x", 1).await.unwrap();
    Brief::bytes(9).append(b"x").await.unwrap();
    Brief::log(9).xadd("x").await.unwrap();

    let (list, scores) = (Brief::list(1), Brief::scores(1));
    lost(server, "EVALSHA", list.lpush("a")).await;
    assert_eq!(list.lrange(..).await.unwrap(), ["a"]);
    lost(server, "EVALSHA", scores.zincr_by("a", 0.5)).await;
    assert_eq!(scores.zscore("a").await.unwrap(), Some(0.5));
    let (sums, bytes, log) = (Brief::sums(1), Brief::bytes(1), Brief::log(1));
    lost(server, "EVALSHA", sums.hincr_by("a", 2)).await;
    assert_eq!(sums.hget("a").await.unwrap(), Some(2));
    lost(server, "EVALSHA", bytes.append(b"x")).await;
    assert_eq!(bytes.strlen().await.unwrap(), 1);
    lost(server, "EVALSHA", log.xadd("x")).await;
    assert_eq!(log.xlen().await.unwrap(), 1);
}

#[test]
fn writes_that_may_not_run_twice_are_not_sent_again() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(3).build().unwrap();
        redis
            .scope(async {
                commands(&server).await;
                scripts(&server).await;
            })
            .await;
    });
}
