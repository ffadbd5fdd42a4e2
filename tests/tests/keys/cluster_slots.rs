//! Clusters: the slots of keys are checked before anything is sent, and scans work as on one
//! server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::config::Protocol;
use redis_keyspace::{Counter, Error, ErrorKind, Key, Keyspace, Lock, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, manager, pool_builder, within};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: u64) -> Text,
    #[key("user:{id}:note", hash_tag = id)]
    note: fn(id: u64) -> Text,
    #[key("user:{id}:views", hash_tag = id)]
    views: fn(id: u64) -> Counter,
    loose: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

/// Keys with braces that form no hash tag.
#[derive(Keyspace)]
#[keyspace(prefix = "odd", ttl = "1h")]
struct OddKeys {
    #[key("text:{{{id}")]
    text: fn(id: u64) -> Text,
    #[key("kept:{{{id}", stale_for = "1h")]
    kept: fn(id: u64) -> Text,
    #[key("lock:{{{id}", ttl = "1m")]
    lock: fn(id: u64) -> Lock,
    #[key("tagged:{{x}}:{{{id}")]
    tagged: fn(id: u64) -> Text,
}

/// Runs a body on an embedded cluster, on a real one with each protocol, and on the real one
/// through a pool of the application.
fn on_clusters<F: Future<Output = ()>>(body: impl Fn(Redis) -> F) {
    let run = |builder: RedisBuilder| {
        within(PATIENCE, async {
            let redis = builder.build().unwrap();
            redis.scope(body(redis.clone())).await;
            redis.close().await;
        });
    };
    run(Redis::builder().embedded(Server::builder().cluster().build()));
    let server = RealServer::start_node();
    let flush = || assert_eq!(server.redis_cli(&["FLUSHALL"]), "OK"); // the server belongs to this test
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        run(Redis::builder().url(&server.url()).unwrap().protocol(protocol));
        flush();
    }
    run(Redis::builder().url(&server.url()).unwrap().namespace("shop").unwrap());
    flush();
    for parameters in ["", "?protocol=resp3"] {
        within(PATIENCE, async {
            let manager = manager(&format!("{}{parameters}", server.url()));
            let pool = pool_builder().max_size(2).build(manager).await.unwrap();
            let redis = Redis::from_pool(pool);
            redis.scope(body(redis.clone())).await;
        });
        flush();
    }
}

/// Whether commands on many keys are divided. A pool of the application talks to one node.
fn is_divided(redis: &Redis) -> bool {
    redis.stats().connections.iter().any(|pool| !pool.nodes.is_empty())
}

/// Checks that the error names the keys and says that nothing was sent.
#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: redis_keyspace::Result<T>, names: &[&str]) {
    let error = outcome.expect_err("the keys are in two slots");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let message = error.to_string();
    for name in names.iter().chain(&["nothing was sent", "hash_tag"]) {
        assert!(message.contains(name), "{name:?} is missing in: {message}");
    }
}

#[test]
fn keys_with_one_hash_tag_work_together() {
    on_clusters(async |redis| {
        Key::set_many([(CartKeys::user(7), "a"), (CartKeys::note(7), "b")]).await.unwrap();
        let both = Key::get_many([CartKeys::user(7), CartKeys::note(7)]).await.unwrap();
        assert_eq!(both, [Some("a".to_owned()), Some("b".to_owned())]);
        let (user, views) =
            redis.transaction((CartKeys::user(7).get(), CartKeys::views(7).incr())).await.unwrap();
        assert_eq!((user.as_deref(), views), (Some("a"), 1));
        let (note, views) = redis.batch((CartKeys::note(7).get(), CartKeys::views(7).incr())).await.unwrap();
        assert_eq!((note.as_deref(), views), (Some("b"), 2));
        assert_eq!(Key::del_many([CartKeys::user(7), CartKeys::note(7)]).await.unwrap(), 2);
    });
}

#[test]
fn keys_of_different_slots_are_named_and_refused_before_sending() {
    on_clusters(async |redis| {
        let same_template = ["\"cart:user:{7}\"", "\"cart:user:{8}\"", "\"cart:user:{{{id}}}\""];
        refused(CartKeys::user(7).rename(&CartKeys::user(8)).await, &same_template);
        refused(CartKeys::user(7).rename_if_absent(&CartKeys::user(8)).await, &same_template);
        let two_templates =
            ["\"cart:user:{7}:views\"", "\"page:title:{id}\"", "\"cart:user:{{{id}}}:views\""];
        let of_both = || (CartKeys::views(7).incr(), PageKeys::title(7).set("x"));
        refused(redis.transaction(of_both()).await, &two_templates);
        let renamed = (CartKeys::user(7).rename(&CartKeys::user(8)), CartKeys::views(9).get());
        let (renamed, views) = redis.batch(renamed).each().await.unwrap();
        refused(renamed, &same_template);
        if is_divided(&redis) {
            assert_eq!(views.unwrap(), 0, "the rest of a batch is sent");
            Key::set_many([(CartKeys::user(7), "a"), (CartKeys::user(8), "b")]).await.unwrap();
            let both = Key::get_many([7, 8].map(CartKeys::user)).await.unwrap();
            assert_eq!(both, [Some("a".to_owned()), Some("b".to_owned())]);
            assert_eq!(Key::del_many([7, 8].map(CartKeys::user)).await.unwrap(), 2);
        } else {
            refused(
                Key::set_many([(CartKeys::user(7), "a"), (CartKeys::user(8), "b")]).await,
                &same_template,
            );
            refused(Key::get_many([7, 8].map(CartKeys::user)).await, &same_template);
            refused(Key::del_many([7, 8].map(CartKeys::user)).await, &same_template);
            refused(redis.batch(of_both()).await, &two_templates);
        }
        let sizes: Vec<u64> = redis
            .raw_each(|mut connection| async move { redis::cmd("DBSIZE").query_async(&mut connection).await })
            .await
            .unwrap();
        assert_eq!(sizes, [0], "something was sent");
        // A rejected command does not affect the connection.
        assert_eq!(CartKeys::views(7).incr().await.unwrap(), 1);
    });
}

#[test]
fn counters_and_fills_work_on_clusters() {
    on_clusters(async |_| {
        assert_eq!(CartKeys::views(1).incr().await.unwrap(), 1);
        assert_eq!(PageKeys::title(1).get_or_set(|| async { "t".to_owned() }).await.unwrap(), "t");
        PageKeys::title(1).set("u").keep_ttl().await.unwrap();
        assert_eq!(PageKeys::title(1).get().await.unwrap().as_deref(), Some("u"));
    });
}

#[test]
fn patterns_work_on_the_keys_of_a_node() {
    on_clusters(async |_| {
        for id in 0..300 {
            PageKeys::title(id).set(&format!("page {id}")).await.unwrap();
            CartKeys::loose(id).set("x").await.unwrap();
        }
        let mut values = PageKeys::title_keys().page_size(50).values();
        let mut seen = BTreeSet::new();
        while let Some((found, value)) = values.next().await.transpose().unwrap() {
            let ParsedPageKeys::Title { id } = found.arguments();
            assert_eq!(value, format!("page {id}"));
            assert!(seen.insert(id), "{id} twice");
        }
        assert_eq!(seen.len(), 300);
        let given = PageKeys::title_keys().all().expire(Duration::from_secs(60)).await.unwrap();
        assert_eq!((given.matched, given.affected), (300, 300));
        let gone = PageKeys::title_keys().all().page_size(100).delete().await.unwrap();
        assert_eq!((gone.matched, gone.affected, gone.finished), (300, 300, true));
        assert_eq!(CartKeys::loose_keys().count().await.unwrap(), 300);
        assert_eq!(CartKeys::delete_pattern("loose:*").await.unwrap().affected, 300);
    });
}

/// Operations on a key and on what the library stores about it.
async fn on_both(
    redis: &Redis,
    text: Key<OddKeys, Text>,
    kept: Key<OddKeys, Text>,
) -> Vec<Result<(), Error>> {
    let transaction = redis.transaction((text.set("x"), text.get())).await;
    vec![
        text.set("x").only_if_absent().await.map(drop),
        text.get_or_set(|| async { "x".to_owned() }).refresh().await.map(drop),
        kept.set("x").await,
        transaction.map(drop),
        OddKeys::lock(1).lock().await.map(drop),
    ]
}

#[test]
fn a_cluster_refuses_keys_apart_from_their_companions() {
    on_clusters(async |redis| {
        for outcome in on_both(&redis, OddKeys::text(1), OddKeys::kept(1)).await {
            let error = outcome.expect_err("the two are in different slots");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("hash tag"), "{error}");
        }
        // One command is enough for these.
        OddKeys::text(1).set("x").await.unwrap();
        assert_eq!(OddKeys::text(1).get().await.unwrap().as_deref(), Some("x"));
        assert!(OddKeys::text(1).del().await.unwrap());
        for outcome in on_both(&redis, OddKeys::tagged(1), OddKeys::tagged(1)).await.into_iter().take(4) {
            outcome.expect("the hash tag selects the slot of both");
        }
    });
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let outcomes = redis.scope(on_both(&redis, OddKeys::text(1), OddKeys::kept(1))).await;
        outcomes.into_iter().for_each(|outcome| outcome.expect("a single server has no slots"));
    });
}

#[test]
fn a_single_server_accepts_keys_of_any_slot() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let check = async {
            Key::set_many([(CartKeys::user(7), "a"), (CartKeys::user(8), "b")]).await.unwrap();
            redis.transaction((CartKeys::user(7).get(), PageKeys::title(7).get())).await.unwrap();
        };
        redis.scope(check).await;
    });
}

#[test]
fn a_cluster_refuses_databases_other_than_zero() {
    #[derive(Keyspace)]
    #[keyspace(prefix = "motd", db = 2, ttl = "1h")]
    struct Motd {
        today: Text,
    }
    on_clusters(async |redis| {
        let error = Motd::today().on(&redis).get().await.expect_err("a cluster has one database");
        let message = error.to_string();
        // An application pool has its database from `from_pool_on`. A cluster that can have several
        // databases has one by default.
        let reasons = ["cluster mode", "from_pool_on", "`cluster-databases`"];
        assert!(reasons.iter().any(|reason| message.contains(reason)), "{message}");
    });
}

/// Returns an error in the form in which servers are compared. Before 7.0, they do not tell an
/// unknown subcommand from a wrong number of arguments. Valkey 9 can have several databases.
fn comparable(error: &str) -> String {
    let lower = error.to_ascii_lowercase();
    let is_arity = lower.contains("wrong number of arguments") || lower.contains("unknown subcommand");
    let is_database =
        lower.contains("not allowed in cluster mode") || lower.contains("index is out of range");
    match (is_arity, is_database) {
        (true, _) => "a wrong number of arguments".to_owned(),
        (_, true) => "no such database".to_owned(),
        _ => error.to_owned(),
    }
}

/// The embedded cluster gives the same replies as a real one.
#[test]
fn both_clusters_give_equal_replies() {
    let (real, embedded) = (RealServer::start_node(), Server::builder().cluster().build());
    within(PATIENCE, async {
        let real = Redis::builder().url(&real.url()).unwrap().cluster(false).build().unwrap();
        let embedded = Redis::builder().embedded(embedded).cluster(false).build().unwrap();
        let scripts: &[&[&str]] = &[
            &["MSET a 1 b 2"],
            &["MSET {a}1 1 {a}2 2"],
            &["MGET {a}1 {a}2"],
            &["MGET {a}1 b"],
            &["DEL a b c"],
            &["RENAME {a}1 {a}3"],
            &["RENAME {a}3 b"],
            &["SELECT 0"],
            &["SELECT 1"],
            &["SELECT x"],
            &["CLUSTER KEYSLOT a{b}c"],
            &["CLUSTER KEYSLOT a{}c"],
            &["CLUSTER KEYSLOT"],
            &["CLUSTER NOSUCH"],
            &["MULTI", "SET a 1", "SET b 1", "EXEC", "GET a"],
            &["MULTI", "MSET a 1 b 1", "SET a 1", "EXEC", "GET a"],
            &["MULTI", "SET {a}1 1", "SET {a}2 1", "EXEC", "GET {a}2"],
            &["WATCH a b"],
            &["BLPOP a b 1"],
        ];
        for script in scripts {
            let mut replies = Vec::new();
            for redis in [&real, &embedded] {
                let run = |mut connection: redis_keyspace::raw::RawConnection| async move {
                    let mut replies = Vec::new();
                    for line in *script {
                        let mut words = line.split(' ');
                        let mut command = redis::cmd(words.next().unwrap());
                        command.arg(words.collect::<Vec<_>>());
                        let reply = command.query_async::<redis::Value>(&mut connection).await;
                        replies.push(reply.map_err(|error| comparable(&error.to_string())));
                    }
                    Ok(replies)
                };
                replies.push(redis.raw(run).await.unwrap());
            }
            assert_eq!(replies[1], replies[0], "{script:?}");
        }
    });
}

/// A pool that detects the cluster during concurrent use stays usable.
#[test]
fn concurrent_refusals_name_their_own_keys() {
    on_clusters(async |redis| {
        let redis = Arc::new(redis);
        let tasks: Vec<_> = (0..50)
            .map(|id| {
                let redis = Arc::clone(&redis);
                tokio::spawn(async move {
                    let apart = CartKeys::user(id).rename(&CartKeys::user(id + 1)).on(&redis).await;
                    refused(apart, &["cart:user:{{{id}}}"]);
                    CartKeys::user(id).set("x").on(&redis).await.unwrap();
                    CartKeys::user(id).get().on(&redis).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().as_deref(), Some("x"));
        }
    });
}
