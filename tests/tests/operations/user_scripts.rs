//! Scripts and functions of applications, on the embedded server, a real one, and a cluster.

use redis_keyspace::bytes::Bytes;
use redis_keyspace::command::Reads;
use redis_keyspace::{
    Counter, ErrorKind, Json, Key, Keyspace, List, Redis, RedisBuilder, Script, SingleValue, Text,
};
use redis_keyspace_embedded::{Fault as ServerFault, Reply, ScriptContext, Server};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, manager, pool_builder, raw, require_command, shared_cluster, shared_server,
    unique_namespace, within,
};
use serde::{Deserialize, Serialize};

#[derive(Keyspace)]
#[keyspace(prefix = "scripts", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    #[key("stock:{shop}:{id}", hash_tag = shop)]
    stock: fn(shop: u32, id: u32) -> Counter,
    #[key("text:{shop}", hash_tag = shop)]
    text: fn(shop: u32) -> Text,
    #[key("kept:{shop}", hash_tag = shop, stale_for = "1h")]
    kept: fn(shop: u32) -> Text,
    #[key("log:{shop}", hash_tag = shop)]
    log: fn(shop: u32) -> List<Json<Move>>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "depots", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Depots {
    #[key("depot:{shop}", hash_tag = shop)]
    stock: fn(shop: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", db = 3, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Elsewhere {
    stock: fn(shop: u32) -> Counter,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Move {
    from: u32,
    note: String,
}

/// Moves stock, if there is enough. Returns both stocks.
#[derive(Script)]
#[script(source = MOVE, returns = Option<(i64, i64)>)]
struct MoveStock<'n> {
    from: Key<Keys, Counter>,
    to: Key<Depots, Counter>,
    log: Key<Keys, List<Json<Move>>>,
    #[script(arg)]
    amount: u32,
    #[script(arg = Json<Move>)]
    note: &'n Move,
}

const MOVE: &str = "\
local left = tonumber(redis.call('GET', KEYS[1]) or '0') - tonumber(ARGV[1])
if left < 0 then return false end
redis.call('SET', KEYS[1], left)
redis.call('RPUSH', KEYS[3], ARGV[2])
return {left, redis.call('INCRBY', KEYS[2], ARGV[1])}";

/// Adds counters up.
#[derive(Script)]
#[script(source = SUM, returns = f64, read_only)]
struct Sum {
    stocks: Vec<Key<Keys, Counter>>,
    #[script(arg)]
    factor: f64,
}

const SUM: &str = "\
local sum = 0
for _, key in ipairs(KEYS) do sum = sum + tonumber(redis.call('GET', key) or '0') end
return tostring(sum * ARGV[1])";

/// Returns its arguments and other values.
#[derive(Script)]
#[script(source = "return {ARGV[1], ARGV[2], #KEYS, false, true, ARGV[3]}", returns = (Text, u64, u8, Option<Text>, bool, Json<Vec<u8>>))]
struct Echo<'t> {
    #[script(arg)]
    text: &'t str,
    #[script(arg)]
    number: u64,
    #[script(arg = Json<Vec<u8>>)]
    list: Vec<u8>,
}

#[derive(Debug, PartialEq, SingleValue)]
struct Flag(bool);

/// Lua returns `false` as nil.
#[derive(Script)]
#[script(source = "return {false, true, false}", returns = (Flag, Flag, Option<Flag>))]
struct Flags;

#[derive(Script)]
#[script(source = "return redis.call('SET', KEYS[1], ARGV[1])", returns = String)]
struct Write {
    key: Key<Keys, Text>,
    #[script(arg)]
    text: String,
}

#[derive(Script)]
#[script(source = "redis.call('SET', KEYS[1], 'written')", read_only)]
struct WriteInSecret(Key<Keys, Text>);

#[derive(Script)]
#[script(source = "return redis.call('GET', KEYS[1])", returns = u8)]
struct Number(Key<Keys, Text>);

#[derive(Script)]
#[script(source = "return redis.call('INCR', KEYS[2])", returns = i64)]
struct AddToDepot {
    log: Key<Keys, List<Json<Move>>>,
    depot: Key<Depots, Counter>,
}

#[derive(Script)]
#[script(source = "redis.call('APPEND', KEYS[1], 'x') return redis.call('APPEND', KEYS[2], 'y')", returns = i64)]
struct Append(Key<Keys, Text>, Key<Keys, Text>);

const LIBRARY: &str = "#!lua name=redis_keyspace_tests
redis.register_function('redis_keyspace_add', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)
redis.register_function{function_name='redis_keyspace_read', callback=function(keys, args) return redis.call('GET', keys[1]) end, flags={'no-writes'}}";

/// Writes, and then fails with the code of an error that a server returns if it runs nothing.
#[derive(Script)]
#[script(source = "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])")]
struct Refuse {
    stock: Key<Keys, Counter>,
    #[script(arg)]
    error: String,
}

#[derive(Script)]
#[script(function = "redis_keyspace_add", returns = i64)]
struct Add {
    stock: Key<Keys, Counter>,
    #[script(arg)]
    amount: i64,
}

#[derive(Script)]
#[script(function = "redis_keyspace_read", returns = Option<i64>, read_only)]
struct Read(Key<Keys, Counter>);

#[derive(Script)]
#[script(function = "redis_keyspace_missing")]
struct Missing;

/// Registers the scripts in Rust.
fn embedded() -> (Server, RedisBuilder) {
    let server = Server::builder().log_commands(10_000).build();
    let text = |reply: Reply| if let Reply::Bulk(text) = reply { text } else { Bytes::from_static(b"0") };
    let number = |text: &[u8]| str::from_utf8(text).unwrap().parse::<i64>().unwrap();
    server.register_script(MoveStock::SOURCE, move |script: &mut ScriptContext<'_, '_>, keys, arguments| {
        let left = number(&text(script.call(&[&b"GET"[..], &keys[0]]))) - number(&arguments[0]);
        if left < 0 {
            return Reply::Nil;
        }
        script.call(&[&b"SET"[..], &keys[0], left.to_string().as_bytes()]);
        script.call(&[&b"RPUSH"[..], &keys[2], &arguments[1]]);
        Reply::Array(vec![Reply::Integer(left), script.call(&[&b"INCRBY"[..], &keys[1], &arguments[0]])])
    });
    server.register_script(Sum::SOURCE, move |script, keys, arguments| {
        let sum: i64 = keys.iter().map(|key| number(&text(script.call(&[&b"GET"[..], key])))).sum();
        let factor: f64 = str::from_utf8(&arguments[0]).unwrap().parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
        let product = sum as f64 * factor;
        Reply::Bulk(product.to_string().into())
    });
    server.register_script(Echo::SOURCE, |_, keys, arguments| {
        let [text, number, list] = arguments else { panic!("{arguments:?}") };
        let keys = Reply::Integer(i64::try_from(keys.len()).unwrap());
        let bulk = |text: &Bytes| Reply::Bulk(text.clone());
        Reply::Array(vec![bulk(text), bulk(number), keys, Reply::Nil, Reply::Integer(1), bulk(list)])
    });
    server.register_script(Flags::SOURCE, |_, _, _| {
        Reply::Array(vec![Reply::Nil, Reply::Integer(1), Reply::Nil])
    });
    server.register_script(Write::SOURCE, |script, keys, arguments| {
        script.call(&[&b"SET"[..], &keys[0], &arguments[0]])
    });
    server.register_script(WriteInSecret::SOURCE, |script, keys, _| {
        script.call(&[&b"SET"[..], &keys[0], &b"written"[..]])
    });
    server.register_script(Number::SOURCE, |script, keys, _| script.call(&[&b"GET"[..], &keys[0]]));
    server.register_script(AddToDepot::SOURCE, |script, keys, _| script.call(&[&b"INCR"[..], &keys[1]]));
    server.register_script(Append::SOURCE, |script, keys, _| {
        script.call(&[&b"APPEND"[..], &keys[0], &b"x"[..]]);
        script.call(&[&b"APPEND"[..], &keys[1], &b"y"[..]])
    });
    server.register_script(Refuse::SOURCE, |script, keys, arguments| {
        script.call(&[&b"INCR"[..], &keys[0]]);
        Reply::error(arguments[0].clone())
    });
    server.register_function("redis_keyspace_add", |script, keys, arguments| {
        script.call(&[&b"INCRBY"[..], &keys[0], &arguments[0]])
    });
    server.register_function("redis_keyspace_read", |script, keys, _| script.call(&[&b"GET"[..], &keys[0]]));
    (server.clone(), Redis::builder().embedded(server))
}

fn real() -> RedisBuilder {
    Redis::builder().url(&shared_server().url()).unwrap()
}

fn run<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    let redis = builder.namespace(unique_namespace()).unwrap().timeout(PATIENCE).build().unwrap();
    within(PATIENCE, redis.scope(body(redis.clone())));
}

/// Runs a test on all servers.
macro_rules! everywhere {
    ($($name:ident)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn embedded() {
                run(super::embedded().1, super::bodies::$name);
            }

            #[test]
            fn real() {
                run(super::real(), super::bodies::$name);
            }

            #[test]
            fn cluster() {
                run(Redis::builder().url(&shared_cluster().url()).unwrap(), super::bodies::$name);
            }

            #[test]
            fn pool_of_the_application() {
                within(PATIENCE, async {
                    let pool = pool_builder().max_size(4).build(manager(&shared_server().url())).await.unwrap();
                    let builder = Redis::builder().pool(pool).timeout(PATIENCE);
                    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
                    redis.scope(super::bodies::$name(redis.clone())).await;
                });
            }
        }
    )+};
}

everywhere! {
    keys_arguments_and_results_are_typed
    scripts_are_parts_of_batches_and_transactions
    results_that_do_not_fit_are_errors
    a_script_that_failed_is_not_repeated
    many_tasks_run_scripts
    the_key_of_another_type_is_named
}

mod bodies {
    use super::*;

    pub(super) async fn keys_arguments_and_results_are_typed(redis: Redis) {
        for shop in 1..=10 {
            let note = Move { from: shop, note: "a 'quoted' note\0".to_owned() };
            let mover = |amount| MoveStock {
                from: Keys::stock(shop, 1),
                to: Depots::stock(shop),
                log: Keys::log(shop),
                amount,
                note: &note,
            };
            Keys::stock(shop, 1).set(5).await.unwrap();
            assert_eq!(mover(3).run().await.unwrap(), Some((2, 3)));
            assert_eq!(mover(3).run().await.unwrap(), None);
            assert_eq!(mover(2).command().on(&redis).await.unwrap(), Some((0, 5)));
            assert_eq!(Depots::stock(shop).get().await.unwrap(), 5);
            assert_eq!(Keys::log(shop).lrange(..).await.unwrap(), [note.clone(), note.clone()]);
            let stocks: Vec<_> = (1..=shop).map(|id| Keys::stock(shop, id)).collect();
            for (id, key) in (0_i64..).zip(&stocks) {
                key.set(id).await.unwrap();
            }
            let shop = f64::from(shop);
            let sum = Sum { stocks, factor: 0.5 };
            assert!((sum.run().await.unwrap() - shop * (shop - 1.0) / 4.0).abs() < 1e-9);
            assert!(sum.run().reads(Reads::PreferReplica).await.is_ok());
        }
        let echo = Echo { text: "\r\n{}", number: u64::MAX, list: vec![1, 2] };
        let all = ("\r\n{}".to_owned(), u64::MAX, 0, None, true, vec![1, 2]);
        assert_eq!(echo.run().await.unwrap(), all);
        assert_eq!(Flags.run().await.unwrap(), (Flag(false), Flag(true), None));
        assert_eq!(Sum { stocks: Vec::new(), factor: 2.0 }.run().await.unwrap().to_string(), "0");
        let nan = Sum { stocks: Vec::new(), factor: f64::NAN }.run().await.unwrap_err();
        assert_eq!(nan.kind(), ErrorKind::Encode);
        assert!(nan.to_string().contains("ARGV[1]"), "{nan}");
    }

    pub(super) async fn the_key_of_another_type_is_named(redis: Redis) {
        // In one slot of a cluster: a counter of one keyspace and the log of another one.
        let (depot, log) = (Depots::stock(31), Keys::log(31));
        depot.raw("RPUSH").arg("x").writes().query::<u64>().await.unwrap();
        log.raw("RPUSH").arg("x").writes().query::<u64>().await.unwrap();
        let add = || AddToDepot { log: log.clone(), depot: depot.clone() }.run();
        let alone = add().await.unwrap_err();
        let in_batch = redis.batch((add(),)).each().await.unwrap().0.unwrap_err();
        for error in [alone, in_batch] {
            assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, Some(depot.as_str())), "{error}");
            assert!(error.to_string().contains("expected string (Counter), found list"), "{error}");
        }
    }

    pub(super) async fn scripts_are_parts_of_batches_and_transactions(redis: Redis) {
        let write = |text: &str| Write { key: Keys::text(1), text: text.to_owned() }.run();
        for round in 0..3 {
            let (first, read, (second, numbers), last) = redis
                .batch((
                    write("a"),
                    Keys::text(1).get(),
                    (write("b"), vec![Number(Keys::text(2)).run()]),
                    Keys::text(1).get(),
                ))
                .each()
                .await
                .unwrap();
            assert_eq!(
                (first.unwrap(), second.unwrap()),
                ("OK".to_owned(), "OK".to_owned()),
                "round {round}"
            );
            assert_eq!(
                (read.unwrap().as_deref(), last.unwrap().as_deref()),
                (Some("a"), Some("b")),
                "in order"
            );
            assert_eq!(numbers.into_iter().next().unwrap().unwrap_err().kind(), ErrorKind::Decode);
            let (written, read, again) = redis
                .transaction((write("c"), Keys::text(1).get(), vec![write("d"), write("e")]))
                .await
                .unwrap();
            assert_eq!((written.as_str(), read.as_deref(), again.len()), ("OK", Some("c"), 2));
            let watched = redis.watch(Keys::text(1), async |tx| {
                let text = tx.run(Keys::text(1).get()).await?;
                tx.run(Sum { stocks: vec![Keys::stock(1, 1)], factor: 1.0 }.run()).await?;
                Ok(Some((write(&format!("{} and f", text.unwrap_or_default())), Keys::text(1).get())))
            });
            assert_eq!(watched.await.unwrap().unwrap().1.as_deref(), Some("e and f"));
        }
    }

    pub(super) async fn results_that_do_not_fit_are_errors(_redis: Redis) {
        for (text, problem) in [("300", "u8"), ("secret", "u8"), ("-1", "u8")] {
            Keys::text(1).set(text).await.unwrap();
            let error = Number(Keys::text(1)).run().await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Decode, Some("scripts:text:{1}")), "{error}");
            assert!(error.to_string().contains(problem) && !error.to_string().contains("secret"), "{error}");
        }
        Keys::text(1).del().await.unwrap();
        let error = Number(Keys::text(1)).run().await.unwrap_err();
        assert!(error.to_string().contains("Option"), "{error}");
        Keys::log(1).rpush(&Move { from: 1, note: String::new() }).await.unwrap();
        let wrong = Append(Keys::text(1), Keys::text(1));
        assert_eq!(wrong.run().await.unwrap(), 2);
        let note = Move { from: 1, note: String::new() };
        let error = MoveStock {
            from: Keys::stock(1, 1),
            to: Depots::stock(1),
            log: Keys::log(1),
            amount: 0,
            note: &note,
        };
        Keys::stock(1, 1).set(1).await.unwrap();
        assert_eq!(error.run().await.unwrap(), Some((1, 0)));
    }

    /// A script can return any error after it has written, so it must not run again.
    pub(super) async fn a_script_that_failed_is_not_repeated(redis: Redis) {
        let codes = [
            "BUSY",
            "LOADING",
            "TRYAGAIN",
            "READONLY",
            "CLUSTERDOWN",
            "MASTERDOWN",
            "NOSCRIPT",
            "MOVED",
            "ASK",
            "OTHER",
        ];
        for (nth, code) in (0..).zip(codes) {
            let stock = Keys::stock(1, nth);
            let refuse =
                || Refuse { stock: stock.clone(), error: format!("{code} item 7 is reserved") }.run();
            let error = refuse().await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some(code)), "{error}");
            assert_eq!(stock.get().await.unwrap(), 1, "{code}");
            redis.batch((refuse(), stock.get())).await.unwrap_err();
            redis.transaction((refuse(), stock.get())).await.unwrap_err();
            assert_eq!(stock.get().await.unwrap(), 3, "{code}");
        }
    }

    /// The first runs all find that the server does not know the script.
    pub(super) async fn many_tasks_run_scripts(redis: Redis) {
        Keys::stock(1, 1).set(100).await.unwrap();
        let tasks: Vec<_> = (0..150)
            .map(|_| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    let note = Move { from: 1, note: String::new() };
                    let (from, to, log) = (Keys::stock(1, 1), Depots::stock(1), Keys::log(1));
                    MoveStock { from, to, log, amount: 1, note: &note }
                        .run()
                        .on(&redis)
                        .await
                        .unwrap()
                        .is_some()
                })
            })
            .collect();
        let mut moved = 0;
        for task in tasks {
            moved += i64::from(task.await.unwrap());
        }
        let (stock, depot) = (Keys::stock(1, 1).get().await.unwrap(), Depots::stock(1).get().await.unwrap());
        assert_eq!((moved, stock, depot, Keys::log(1).llen().await.unwrap()), (100, 0, 100, 100));
    }
}

fn names(server: &Server, from: usize) -> Vec<String> {
    let name = |words: &[Bytes]| String::from_utf8_lossy(&words[0]).into_owned();
    server.command_log()[from..].iter().map(|logged| name(&logged.arguments)).collect()
}

#[test]
fn the_text_is_sent_once() {
    let (server, builder) = embedded();
    run(builder, |redis| async move {
        redis.connect().await.unwrap();
        let write = || Write { key: Keys::text(1), text: "a".to_owned() }.run();
        let sent = async |what: &str,
                          expected: &[&str],
                          trips: u64,
                          run: futures_core::future::BoxFuture<'_, ()>| {
            let (from, before) = (server.command_log().len(), server.round_trips());
            run.await;
            assert_eq!(names(&server, from), expected, "{what}");
            assert_eq!(server.round_trips() - before, trips, "{what}");
        };
        redis.connect().await.unwrap();
        let single = || Box::pin(async { assert_eq!(write().await.unwrap(), "OK") });
        // Text has fills, which each write ends.
        sent("first", &["UNLINK", "EVALSHA", "UNLINK", "EVAL"], 2, single()).await;
        sent("second", &["UNLINK", "EVALSHA"], 1, single()).await;
        let batch = Box::pin(async { drop(redis.batch((write(), write())).await.unwrap()) });
        sent("batch", &["UNLINK", "EVAL", "UNLINK", "EVALSHA"], 1, batch).await;
        let transaction = Box::pin(async { drop(redis.transaction((write(), write())).await.unwrap()) });
        let expected = ["MULTI", "UNLINK", "EVAL", "UNLINK", "EVALSHA", "EXEC"];
        sent("transaction", &expected, 1, transaction).await;
        raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await;
        sent("flushed", &["UNLINK", "EVALSHA", "UNLINK", "EVAL"], 2, single()).await;
        let kept = Box::pin(async { assert!(Append(Keys::text(1), Keys::kept(1)).run().await.unwrap() > 0) });
        sent("stale copies", &["MULTI", "UNLINK", "EVAL", "EXEC"], 1, kept).await;
        let sum = || Sum { stocks: vec![Keys::stock(1, 1)], factor: 1.0 }.run();
        let reading = || Box::pin(async { assert!(sum().await.unwrap().is_finite()) });
        sent("read-only", &["EVALSHA_RO", "EVAL_RO"], 2, reading()).await;
        sent("read-only again", &["EVALSHA_RO"], 1, reading()).await;
        let batch = Box::pin(async { drop(redis.batch(vec![sum()]).await.unwrap()) });
        sent("read-only in a batch", &["EVAL"], 1, batch).await;
    });
}

/// A server before 7.0 lacks the commands for scripts that must not write.
#[test]
fn a_script_that_only_reads_runs_on_older_servers() {
    let (server, builder) = embedded();
    let faults = ["EVALSHA_RO", "EVAL_RO"].map(|name| {
        server.inject(
            ServerFault::error(format!("ERR unknown command `{name}`, with args beginning with: ")).on(name),
        )
    });
    run(builder, |redis| async move {
        redis.connect().await.unwrap();
        let sum = || Sum { stocks: vec![Keys::stock(1, 1)], factor: 1.0 }.run();
        let from = server.command_log().len();
        sum().await.unwrap();
        sum().await.unwrap();
        assert_eq!(names(&server, from), ["EVALSHA_RO", "EVAL", "EVALSHA"]);
        drop(faults);
    });
}

async fn refuses_writes(_redis: Redis) {
    for _ in 0..2 {
        let error = WriteInSecret(Keys::text(1)).run().await.unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
    }
    assert_eq!(Keys::text(1).get().await.unwrap(), None);
}

#[test]
fn a_script_that_only_reads_must_not_write_on_the_embedded_server() {
    run(embedded().1, refuses_writes);
}

#[test]
fn a_script_that_only_reads_must_not_write_on_a_real_server() {
    if shared_server().redis_cli(&["COMMAND", "INFO", "EVAL_RO"]).contains("eval_ro") {
        run(real(), refuses_writes);
    }
}

#[test]
fn only_scripts_that_read_are_repeated() {
    let proxy = Proxy::start(shared_server().address());
    let builder = Redis::builder().url(&shared_server().url_through(&proxy)).unwrap();
    run(builder, |_redis| async move {
        let sum = || Sum { stocks: vec![Keys::stock(1, 1)], factor: 1.0 }.run();
        let append = || Append(Keys::text(1), Keys::text(1)).run();
        sum().await.unwrap();
        assert_eq!(append().await.unwrap(), 2);
        proxy.on("scripts:stock", Fault::CutReply);
        sum().await.unwrap();
        proxy.on("scripts:text", Fault::CutReply);
        let outcome = append().await;
        assert!(outcome.is_err_and(|error| error.is_connection_lost()));
        assert_eq!(proxy.unused(), 0);
        let text = Keys::text(1).get().await.unwrap().unwrap();
        assert!(text == "xy" || text == "xyxy", "it ran at most once more: {text}");
    });
}

#[test]
fn keys_must_be_in_one_place() {
    #[derive(Script)]
    #[script(source = "return #KEYS", returns = u64)]
    struct Count<K: redis_keyspace::script::KeyGroup>(K);

    within(PATIENCE, async {
        let (server, builder) = embedded();
        server
            .register_script("return #KEYS", |_, keys, _| Reply::Integer(i64::try_from(keys.len()).unwrap()));
        let redis = builder.build().unwrap();
        let apart = || Count((Keys::stock(1, 1), [Elsewhere::stock(1)])).run();
        for error in [
            apart().on(&redis).await.unwrap_err(),
            redis.batch(apart()).await.unwrap_err(),
            redis.transaction(apart()).await.unwrap_err(),
            Count((Keys::stock(1, 1).on(&Redis::embedded()), Keys::stock(1, 1)))
                .run()
                .on(&redis)
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let several =
            Count((Keys::stock(1, 1), vec![Depots::stock(1), Depots::stock(2)], Some(Keys::text(3)))).run();
        assert_eq!(several.on(&redis).await.unwrap(), 4);
        let disabled = Count(Keys::text(1)).run().on(&Redis::disabled()).await.unwrap_err();
        assert_eq!(disabled.kind(), ErrorKind::ServerNotConfigured);
    });
    run(Redis::builder().url(&shared_cluster().url()).unwrap(), |redis| async move {
        let apart = || Count((Keys::text(1), Depots::stock(2))).run();
        for error in [
            apart().await.unwrap_err(),
            redis.batch((apart(),)).await.unwrap_err(),
            redis.transaction((apart(),)).await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(text.contains("text:{") && text.contains("depot:{"), "both templates are named: {text}");
        }
        assert_eq!(Count((Keys::text(1), Depots::stock(1))).run().await.unwrap(), 2);
    });
}

async fn functions(redis: Redis) {
    assert_eq!(redis.load_functions(LIBRARY).await.unwrap(), "redis_keyspace_tests");
    assert_eq!(redis.load_functions(LIBRARY).await.unwrap(), "redis_keyspace_tests", "it is replaced");
    for shop in 1..=20 {
        let add = || Add { stock: Keys::stock(shop, 1), amount: 2 }.run();
        assert_eq!(Read(Keys::stock(shop, 1)).run().await.unwrap(), None);
        assert_eq!(add().await.unwrap(), 2);
        let (added, stock) = redis.transaction((add(), Read(Keys::stock(shop, 1)).run())).await.unwrap();
        assert_eq!((added, stock), (4, Some(4)));
        assert_eq!(redis.batch(vec![add(), add()]).await.unwrap(), [6, 8]);
    }
    let error = Missing.run().await.unwrap_err();
    assert!(error.to_string().contains("load_functions"), "{error}");
    let error = redis.load_functions("no library").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
}

#[test]
fn functions_on_the_embedded_server() {
    run(embedded().1, functions);
}

#[test]
fn functions_on_real_servers() {
    if require_command(shared_server(), "FCALL") {
        run(real(), functions);
        run(Redis::builder().url(&shared_cluster().url()).unwrap(), functions);
    }
}

#[test]
fn a_server_without_functions_is_named() {
    let (server, builder) = embedded();
    let faults = ["FCALL", "FUNCTION"].map(|name| {
        server.inject(
            ServerFault::error(format!("ERR unknown command '{name}', with args beginning with: ")).on(name),
        )
    });
    run(builder, |redis| async move {
        let errors = [
            redis.load_functions(LIBRARY).await.unwrap_err(),
            Add { stock: Keys::stock(1, 1), amount: 1 }.run().await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("Redis 7.0"), "{error}");
        }
        drop(faults);
    });
}

/// A server that rejects MULTI runs no scripts in transactions, because a script can't run another.
#[test]
fn a_transaction_without_multi_is_refused() {
    let (server, builder) = embedded();
    let fault = server.inject(ServerFault::error("NOPERM no permission to run MULTI").on("MULTI"));
    run(builder, |redis| async move {
        let write = || Write { key: Keys::text(1), text: "a".to_owned() }.run();
        assert_eq!(write().await.unwrap(), "OK");
        let error = redis.transaction((write(), Keys::text(1).del())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("a"));
        drop(fault);
    });
}
