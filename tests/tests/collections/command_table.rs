//! How many operations of real services have a method.
//!
//! A survey counted 259 Redis operations in the sources of twelve public services that are written
//! in Rust; a pipeline counted once for each of its commands. Each entry here is a command of the
//! survey, with the number of its operations, and calls the method that sends it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use redis_keyspace::channel::Event;
use redis_keyspace::command::{ListEnd, Ttl};
use redis_keyspace::stream::{ReadFrom, StreamId, Trim};
use redis_keyspace::{
    Channel, Counter, Hash, Json, Key, Keyspace, List, Redis, Script, Set, SortedSet, Stream, Text,
};
use redis_keyspace_embedded::{ScriptContext, Server};
use redis_keyspace_tests::{CommandLog, PATIENCE, within};

use crate::server_commands::{GUIDE, Listed};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "survey", ttl = none, fills = false)]
struct SurveyKeys {
    text: fn(id: u64) -> Text,
    object: fn(id: u64) -> Json<Vec<u64>>,
    visits: fn(id: u64) -> Counter,
    fields: fn(id: u64) -> Hash<Text, i64>,
    jobs: fn(id: u64) -> List<Text>,
    taken: fn(id: u64) -> List<Text>,
    online: fn(id: u64) -> Set<u64>,
    scores: fn(id: u64) -> SortedSet<u64>,
    news: fn(id: u64) -> Channel<Text>,
    #[key(trim = "~1000")]
    log: fn(id: u64) -> Stream<Text>,
}

/// Adds to a counter, and returns its value.
#[derive(Script)]
#[script(source = "return redis.call('INCRBY', KEYS[1], ARGV[1])", returns = i64)]
struct AddAndCount {
    visits: Key<SurveyKeys, Counter>,
    #[script(arg)]
    amount: u32,
}

/// The operations of some commands of the survey.
struct Surveyed {
    commands: &'static str,
    operations: u32,
    /// The commands that the calls send. Where this crate does not send the deprecated or dangerous
    /// command, its replacement.
    sent: &'static [&'static str],
    calls: fn(Redis) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

macro_rules! surveyed {
    ($($commands:literal $operations:literal [$($sent:literal)*] |$redis:pat_param| $calls:expr;)*) => {
        &[$(Surveyed {
            commands: $commands,
            operations: $operations,
            sent: &[$($sent),*],
            calls: |$redis| Box::pin($calls),
        },)*]
    };
}

/// Operations that have a method.
const TYPED: &[Surveyed] = surveyed! {
    // The survey does not divide the commands on single values.
    "GET, SET, SETEX, SETNX, MGET, MSET, GETSET, DEL, EXISTS, INCR, DECR, STRLEN, .." 74
        ["GET" "SET" "MGET" "UNLINK" "EXISTS" "INCRBY" "STRLEN"] |_| async {
        let (text, object, visits) = (SurveyKeys::text(1), SurveyKeys::object(1), SurveyKeys::visits(1));
        text.set("a").await.unwrap();
        assert_eq!(text.get().await.unwrap().as_deref(), Some("a"));
        object.set(&vec![1, 2]).ttl(HOUR).await.unwrap();
        assert!(!object.set(&vec![3]).only_if_absent().await.unwrap());
        Key::set_many([(SurveyKeys::text(2), "b")]).await.unwrap();
        let both = Key::get_many([SurveyKeys::text(1), SurveyKeys::text(2)]).await.unwrap();
        assert_eq!(both, [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(text.get_set("c").await.unwrap().as_deref(), Some("a"));
        assert_eq!(text.strlen().await.unwrap(), 1);
        assert_eq!((visits.incr_by(3).await.unwrap(), visits.decr_by(1).await.unwrap()), (3, 2));
        assert!(object.exists().await.unwrap() && object.del().await.unwrap());
    };
    "EXPIRE, PEXPIRE, TTL, PTTL" 9 ["PEXPIRE" "PTTL" "PERSIST"] |_| async {
        let text = SurveyKeys::text(10);
        text.set("a").await.unwrap();
        assert!(text.expire(HOUR).await.unwrap());
        assert!(matches!(text.ttl().await.unwrap(), Ttl::Remaining(_)));
        assert!(text.persist().await.unwrap());
    };
    "KEYS" 11 ["SCAN"] |_| async {
        SurveyKeys::text(20).set("a").await.unwrap();
        let mut scan = SurveyKeys::text_keys().scan();
        let mut found = Vec::new();
        while let Some(next) = scan.next().await.transpose().unwrap() {
            found.push(next.into_key());
        }
        assert!(found.contains(&SurveyKeys::text(20)));
    };
    "HGET" 3 ["HGET" "HMGET"] |_| async {
        let fields = SurveyKeys::fields(30);
        fields.hset("a", &1).await.unwrap();
        assert_eq!(fields.hget("a").await.unwrap(), Some(1));
        assert_eq!(fields.hget_many(["a", "b"]).await.unwrap(), [Some(1), None]);
    };
    "HGETALL" 2 ["HGETALL"] |_| async {
        assert_eq!(SurveyKeys::fields(31).hget_all().await.unwrap().len(), 0);
    };
    "HSET, HSETNX" 2 ["HSET" "HSETNX"] |_| async {
        let fields = SurveyKeys::fields(32);
        assert_eq!(fields.hset_many([("a", 1), ("b", 2)]).await.unwrap(), 2);
        assert!(!fields.hset("a", &3).only_if_absent().await.unwrap());
    };
    "HINCRBY, HINCRBYFLOAT" 3 ["HINCRBY"] |_| async {
        assert_eq!(SurveyKeys::fields(33).hincr_by("a", 2).await.unwrap(), 2);
    };
    "LPUSH, RPUSH" 16 ["LPUSH" "RPUSH"] |_| async {
        let jobs = SurveyKeys::jobs(40);
        assert_eq!(jobs.lpush("b").await.unwrap(), 1);
        assert_eq!(jobs.lpush_many(["a"]).await.unwrap(), 2);
        assert_eq!(jobs.rpush("c").await.unwrap(), 3);
        assert_eq!(jobs.rpush_many(["d", "e"]).await.unwrap(), 5);
    };
    "LPOP, RPOP" 4 ["LPOP" "RPOP" "BLPOP"] |_| async {
        let jobs = SurveyKeys::jobs(41);
        jobs.rpush_many(["a", "b", "c", "d"]).await.unwrap();
        assert_eq!(jobs.lpop().await.unwrap().as_deref(), Some("a"));
        assert_eq!(jobs.rpop().await.unwrap().as_deref(), Some("d"));
        assert_eq!(jobs.lpop().block(PATIENCE).await.unwrap().as_deref(), Some("b"));
        assert_eq!(jobs.lpop_many(5).await.unwrap(), ["c"]);
    };
    "LRANGE" 9 ["LRANGE"] |_| async {
        assert_eq!(SurveyKeys::jobs(42).lrange(..10).await.unwrap(), [""; 0]);
    };
    "LLEN, LINDEX" 2 ["LLEN" "LINDEX"] |_| async {
        let jobs = SurveyKeys::jobs(43);
        assert_eq!((jobs.llen().await.unwrap(), jobs.lindex(-1).await.unwrap()), (0, None));
    };
    "LREM" 9 ["LREM"] |_| async {
        let jobs = SurveyKeys::jobs(44);
        jobs.rpush_many(["a", "b", "a"]).await.unwrap();
        assert_eq!(jobs.lrem("a").first(1).await.unwrap(), 1);
        assert_eq!(jobs.lrem("a").await.unwrap(), 1);
    };
    "RPOPLPUSH, BRPOPLPUSH" 1 ["LMOVE"] |_| async {
        let (jobs, taken) = (SurveyKeys::jobs(45), SurveyKeys::jobs(46));
        jobs.lpush("a").await.unwrap();
        let moved = jobs.lmove(ListEnd::Right, &taken, ListEnd::Left).await.unwrap();
        assert_eq!(moved.as_deref(), Some("a"));
    };
    "SADD, SREM" 18 ["SADD" "SREM"] |_| async {
        let online = SurveyKeys::online(50);
        assert!(online.sadd(&1).await.unwrap() && !online.sadd(&1).await.unwrap());
        assert_eq!(online.sadd_many([1, 2]).await.unwrap(), 1);
        assert!(online.srem(&1).await.unwrap());
        assert_eq!(online.srem_many([1, 2]).await.unwrap(), 1);
    };
    "SMEMBERS" 7 ["SMEMBERS"] |_| async {
        assert_eq!(SurveyKeys::online(51).smembers().await.unwrap().len(), 0);
    };
    "SISMEMBER" 1 ["SISMEMBER"] |_| async {
        assert!(!SurveyKeys::online(52).sismember(&1).await.unwrap());
    };
    "SCARD" 2 ["SCARD"] |_| async {
        assert_eq!(SurveyKeys::online(53).scard().await.unwrap(), 0);
    };
    "ZADD" 4 ["ZADD"] |_| async {
        let scores = SurveyKeys::scores(60);
        assert!(scores.zadd(&1, 2.5).await.unwrap());
        assert_eq!(scores.zadd_many([(1, 3.0), (2, 1.0)]).greater_only().await.unwrap(), 1);
    };
    "ZRANGE by rank" 2 ["ZRANGE"] |_| async {
        let scores = SurveyKeys::scores(61);
        scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
        assert_eq!(scores.zrange(..1).rev().with_scores().await.unwrap(), [(2, 2.0)]);
    };
    "ZRANGEBYSCORE, ZREVRANGEBYSCORE" 4 ["ZRANGE"] |_| async {
        let scores = SurveyKeys::scores(62);
        scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
        assert_eq!(scores.zrange_by_score(1.5..).limit(0, 10).await.unwrap(), [2]);
    };
    "ZREM" 6 ["ZREM"] |_| async {
        let scores = SurveyKeys::scores(63);
        scores.zadd(&1, 1.0).await.unwrap();
        assert!(scores.zrem(&1).await.unwrap());
        assert_eq!(scores.zrem_many([1, 2]).await.unwrap(), 0);
    };
    "ZCARD, ZCOUNT" 1 ["ZCARD" "ZCOUNT"] |_| async {
        let scores = SurveyKeys::scores(64);
        assert_eq!((scores.zcard().await.unwrap(), scores.zcount(..).await.unwrap()), (0, 0));
    };
    "ZPOPMIN, ZPOPMAX" 1 ["ZPOPMIN" "ZPOPMAX"] |_| async {
        let scores = SurveyKeys::scores(65);
        scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
        assert_eq!(scores.zpop_min().await.unwrap(), Some((1, 1.0)));
        assert_eq!(scores.zpop_max().await.unwrap(), Some((2, 2.0)));
    };
    "XADD, XLEN" 7 ["XADD" "XLEN"] |_| async {
        let log = SurveyKeys::log(1);
        log.xadd("a").await.unwrap();
        assert_eq!(log.xlen().await.unwrap(), 1);
    };
    "XDEL, XTRIM" 4 ["XDEL" "XTRIM"] |_| async {
        let log = SurveyKeys::log(2);
        let id = log.xadd("a").await.unwrap();
        assert_eq!(log.xdel([id]).await.unwrap(), 1);
        assert_eq!(log.xtrim(Trim::max_len(1).exact()).await.unwrap(), 0);
    };
    "XRANGE, XREVRANGE, XREAD" 2 ["XRANGE" "XREVRANGE" "XREAD"] |_| async {
        let log = SurveyKeys::log(3);
        log.xadd("a").await.unwrap();
        assert_eq!(log.xrange(..).await.unwrap()[0].value, "a");
        assert_eq!(log.xrange(..).rev().count(1).await.unwrap().len(), 1);
        assert_eq!(log.xread(StreamId::MIN).await.unwrap().len(), 1);
    };
    "XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM" 14
        ["XGROUP" "XREADGROUP" "XACK" "XPENDING" "XCLAIM" "XAUTOCLAIM"] |_| async {
        let (log, none) = (SurveyKeys::log(4), Duration::ZERO);
        let id = log.xadd("a").await.unwrap();
        let group = log.group("workers");
        assert!(group.create(ReadFrom::Start).await.unwrap());
        assert_eq!(group.read("one").await.unwrap()[0].value, "a");
        assert_eq!(group.pending().await.unwrap().count, 1);
        assert_eq!(group.claim("two", [id], none).await.unwrap().len(), 1);
        assert_eq!(group.auto_claim("three", none).await.unwrap().entries.len(), 1);
        assert_eq!(group.ack([id]).await.unwrap(), 1);
    };
    "EVALSHA, EVAL, SCRIPT" 25 ["EVALSHA" "EVAL"] |_| async {
        let add = || AddAndCount { visits: SurveyKeys::visits(72), amount: 3 }.run();
        assert_eq!((add().await.unwrap(), add().await.unwrap()), (3, 6));
    };
    "WATCH, UNWATCH" 2 ["WATCH" "MULTI" "EXEC"] |redis| async move {
        let visits = SurveyKeys::visits(71);
        let watched = redis.watch(&visits, |tx| {
            let visits = visits.clone();
            async move {
                let before = tx.run(visits.get()).await?;
                Ok(Some((visits.incr_by(before + 1),)))
            }
        });
        assert_eq!(watched.await.unwrap(), Some((1,)));
    };
    "HSCAN" 1 ["HSCAN"] |_| async {
        SurveyKeys::fields(34).hset("a", &1).await.unwrap();
        let mut scan = SurveyKeys::fields(34).hscan();
        assert_eq!(scan.next().await.transpose().unwrap(), Some(("a".to_owned(), 1)));
    };
    "PUBLISH, SPUBLISH" 3 ["PUBLISH"] |_| async {
        assert_eq!(SurveyKeys::news(1).publish("a").await.unwrap(), 0);
    };
    "SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE" 5 ["SUBSCRIBE" "PSUBSCRIBE"] |_| async {
        let mut news = SurveyKeys::news(2).subscribe().await.unwrap();
        let mut all = SurveyKeys::news_keys().subscribe().await.unwrap();
        SurveyKeys::news(2).publish("a").await.unwrap();
        assert_eq!(news.next().await.unwrap().unwrap(), Event::Message("a".to_owned()));
        let (found, text) = all.next().await.unwrap().unwrap().message().unwrap();
        assert_eq!((found.key(), text.as_str()), (&SurveyKeys::news(2), "a"));
    };
    "MSETNX" 1 ["EVAL"] |_| async {
        let set = Key::set_many([(SurveyKeys::text(3), "a"), (SurveyKeys::text(4), "b")]);
        assert!(set.only_if_all_absent().await.unwrap());
    };
    "MULTI, EXEC" 4 ["MULTI" "EXEC"] |redis| async move {
        let (text, visits) = (SurveyKeys::text(70), SurveyKeys::visits(70));
        let done = redis.transaction((text.set("a"), visits.incr())).await.unwrap();
        assert_eq!(done, ((), 1));
    };
};

/// All operations of the survey.
const SURVEYED: u32 = 259;
#[test]
fn operations_of_real_services_have_methods() {
    let typed: u32 = TYPED.iter().map(|entry| entry.operations).sum();
    println!("{typed} of {SURVEYED} operations have a method");
    assert_eq!(typed, SURVEYED);
}

#[test]
fn the_methods_send_the_commands() {
    let server = Server::builder().log_commands(1_000).build();
    server.register_script(AddAndCount::SOURCE, |script: &mut ScriptContext<'_, '_>, keys, arguments| {
        script.call(&[&b"INCRBY"[..], &keys[0], &arguments[0]])
    });
    within(PATIENCE, async {
        let redis = Redis::builder().embedded(server.clone()).timeout(PATIENCE).build().unwrap();
        let mut log = CommandLog::of_embedded(server);
        for entry in TYPED {
            redis.scope((entry.calls)(redis.clone())).await;
            let sent = log.take();
            let names: Vec<&str> = sent.iter().filter_map(|command| command.split(' ').next()).collect();
            let missing: Vec<_> = entry.sent.iter().filter(|command| !names.contains(command)).collect();
            assert!(missing.is_empty(), "{}: {missing:?} not in {sent:?}", entry.commands);
        }
    });
}

/// Each command of the survey is in the tables of the guide.
#[test]
fn the_guide_lists_the_commands() {
    let commands = TYPED.iter().map(|entry| entry.commands);
    let listed = Listed::of(GUIDE.lines());
    for command in commands.flat_map(|commands| commands.split(", ")).filter(|command| *command != "..") {
        let name = command.split(' ').next().unwrap_or(command);
        assert!(listed.has(name), "{name}");
    }
}
