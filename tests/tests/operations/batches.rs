//! Several commands in one round trip.

use std::time::Duration;

use redis_keyspace::error::Budget;
use redis_keyspace::{Command, Counter, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, both_servers, eventually, raw, shared_server, unique_namespace, wire,
    within,
};

#[derive(Keyspace)]
#[keyspace(prefix = "batch", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    list: fn(id: u32) -> Json<Vec<u32>>,
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
    number: fn(id: u32) -> u8,
}

#[derive(Keyspace)]
#[keyspace(prefix = "batch3", db = 3, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Third {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

/// The same keys as in `Third`, on another database.
#[derive(Keyspace)]
#[keyspace(prefix = "batch3", db = 4, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Fourth {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", server = "never installed", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Elsewhere {
    text: fn(id: u32) -> Text,
}

both_servers! {
    async fn results_are_exactly_typed(redis: Redis) {
        let (set, got, count, there, old, left, gone): ((), Option<String>, i64, bool, Option<Vec<u32>>, _, u64) = redis
            .batch((
                Keys::text(1).set("a"),
                Keys::text(1).get(),
                Keys::count(1).incr_by(5),
                Keys::text(1).exists(),
                Keys::list(1).get_set(&vec![1]),
                Keys::text(1).ttl(),
                Key::del_many([Keys::text(1), Keys::text(2)]),
            ))
            .await
            .unwrap();
        assert_eq!((set, got.as_deref(), count, there, old, gone), ((), Some("a"), 5, true, None, 1));
        assert!(left.remaining().is_some());
        let (one,): (i64,) = redis.batch((Keys::count(1).get(),)).await.unwrap();
        assert_eq!(one, 5);
        let counts: Vec<i64> = redis.batch((0..100).map(|_| Keys::count(2).incr()).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(counts, (1..=100).collect::<Vec<_>>(), "in order");
        let counts: [i64; 3] = redis.batch([1, 2, 3].map(|id| Keys::count(id).get())).await.unwrap();
        assert_eq!(counts, [5, 100, 0]);
        assert_eq!(redis.batch(Vec::<Command<i64>>::new()).await.unwrap(), Vec::<i64>::new());
        assert_eq!(redis.transaction(Vec::<Command<i64>>::new()).await.unwrap(), Vec::<i64>::new());
        let sixteen = || Keys::count(9).incr();
        let all = redis
            .batch((
                sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(),
                sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(), sixteen(),
            ))
            .await
            .unwrap();
        assert_eq!((all.0, all.7, all.15), (1, 8, 16));
    }

    async fn batches_nest(redis: Redis) {
        let commands = || {
            let singles: Vec<Command<i64>> = (1..=3).map(|id| Keys::count(id).incr()).collect();
            let pairs: Vec<_> = (1..=2).map(|id| (Keys::text(id).set("x"), Keys::text(id).get())).collect();
            (singles, (Keys::text(3).exists(), [pairs, Vec::new()]), Keys::count(1).get())
        };
        let (singles, (exists, [pairs, none]), count) = redis.batch(commands()).await.unwrap();
        let pair = || ((), Some("x".to_owned()));
        assert_eq!((singles, exists, pairs, none.len(), count), (vec![1, 1, 1], false, vec![pair(), pair()], 0, 1));
        let (singles, ..) = redis.transaction(commands()).await.unwrap();
        assert_eq!(singles, [2, 2, 2]);
        assert_eq!(redis.batch(Keys::count(1).incr()).await.unwrap(), 3);
        assert_eq!(redis.transaction(vec![Vec::<Command<i64>>::new()]).await.unwrap(), [Vec::<i64>::new()]);
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::text(9)), "x"]).await;
        let (one, inner) = redis.batch((Keys::text(1).get(), vec![(Keys::text(9).get(), Keys::count(9).incr())])).each().await.unwrap();
        assert_eq!(one.unwrap().as_deref(), Some("x"));
        let [(wrong, count)] = <[_; 1]>::try_from(inner).unwrap();
        assert_eq!((wrong.unwrap_err().kind(), count.unwrap()), (ErrorKind::WrongType, 1));
        let error = redis.batch((Keys::text(9).get(), vec![(Keys::text(9).get(), Keys::count(9).incr())])).await.unwrap_err();
        assert!(error.to_string().contains("2 of 3"), "{error}");
    }

    async fn one_failure_does_not_hide_the_others(redis: Redis) {
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::text(2)), "x"]).await;
        raw::<()>(&redis, &["SET", &wire(&Keys::number(1)), "300"]).await;
        let commands = || {
            (
                Keys::text(1).set("a"),
                Keys::text(2).get(),
                Keys::text(1).get(),
                Keys::number(1).get(),
                Keys::text(1).set("x").ttl(Duration::ZERO),
                Keys::count(1).incr(),
            )
        };
        let (set, wrong, got, odd, refused, count) = redis.batch(commands()).each().await.unwrap();
        set.unwrap();
        let wrong = wrong.unwrap_err();
        assert_eq!((wrong.kind(), wrong.key(), wrong.command()), (ErrorKind::WrongType, Some("batch:text:2"), Some("GET")));
        assert_eq!(got.unwrap().as_deref(), Some("a"));
        let odd = odd.unwrap_err();
        assert_eq!((odd.kind(), odd.key()), (ErrorKind::Decode, Some("batch:number:1")));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(count.unwrap(), 1);

        let error = redis.batch(commands()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("3 of 6") && text.contains("batch:text:2") && text.contains("WRONGTYPE"), "{text}");
        assert_eq!(error.kind(), ErrorKind::WrongType);
        assert_eq!(Keys::count(1).get().await.unwrap(), 2, "the other commands have run");
        // In a batch of one command, the error is the command's own.
        let error = redis.batch([Keys::text(2).get()]).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, Some("batch:text:2")));
    }

    async fn an_invalid_transaction_is_not_sent(redis: Redis) {
        let error = redis.transaction((Keys::count(1).incr(), Keys::text(1).set("x").ttl(Duration::ZERO))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(Keys::count(1).get().await.unwrap(), 0);
        // As in Redis, a command that fails when it runs does not undo the others.
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::text(2)), "x"]).await;
        let (count, wrong, text) =
            redis.transaction((Keys::count(1).incr(), Keys::text(2).get(), Keys::text(1).get())).each().await.unwrap();
        assert_eq!((count.unwrap(), text.unwrap()), (1, None));
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::WrongType);
    }

    async fn a_batch_can_use_several_databases(redis: Redis) {
        let (a, b, c, d, e) = redis
            .batch((
                Keys::count(1).incr(),
                Third::count(1).incr_by(2),
                Fourth::count(1).incr_by(3),
                Third::count(1).incr_by(20),
                Keys::count(1).incr_by(10),
            ))
            .await
            .unwrap();
        assert_eq!((a, b, c, d, e), (1, 2, 3, 22, 11), "in order on each database");
        assert_eq!(Third::count(1).get().await.unwrap(), 22);
        assert_eq!(Fourth::count(1).get().await.unwrap(), 3);
        let error = redis.transaction((Third::count(1).incr(), Fourth::count(1).incr())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("Third") && error.to_string().contains("Fourth"), "{error}");
        assert_eq!((Third::count(1).get().await.unwrap(), Fourth::count(1).get().await.unwrap()), (22, 3));
        let (three, text) = redis.transaction((Third::count(1).incr(), Third::text(1).set("x"))).await.unwrap();
        assert_eq!((three, text), (23, ()));
        // The databases are separate, so equal keys of the two keyspaces do not collide.
        Third::text(7).set("third").await.unwrap();
        assert_eq!(Fourth::text(7).get().await.unwrap(), None);
    }

    async fn a_batch_can_use_several_servers(redis: Redis) {
        let other = Redis::embedded();
        let (here, there, chosen) = redis
            .batch((Keys::count(1).incr(), Keys::count(1).incr_by(7).on(&other), Elsewhere::text(1).get()))
            .await
            .unwrap();
        assert_eq!((here, there, chosen), (1, 7, None), "commands without a handle run on the handle of the batch");
        assert_eq!(Keys::count(1).get().on(&other).await.unwrap(), 7);
        let error = redis.transaction((Keys::count(1).incr(), Keys::count(1).incr().on(&other))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        other.close().await;
        let (here, there) = redis.batch((Keys::count(1).incr(), Keys::count(1).incr().on(&other))).each().await.unwrap();
        assert_eq!(here.unwrap(), 2);
        assert_eq!(there.unwrap_err().kind(), ErrorKind::Closed);
    }

    /// Two counters that always change together are never seen with different values.
    async fn a_transaction_is_atomic(redis: Redis) {
        let writers: Vec<_> = (0..6)
            .map(|_| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    for _ in 0..60 {
                        let moved = redis.transaction((Keys::count(1).incr(), Keys::text(9).set("x"), Keys::count(2).incr()));
                        let (one, (), two) = moved.await.unwrap();
                        assert_eq!(one, two);
                    }
                })
            })
            .collect();
        for _ in 0..200 {
            let (one, two) = redis.transaction((Keys::count(1).get(), Keys::count(2).get())).await.unwrap();
            assert_eq!(one, two);
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(Keys::count(2).get().await.unwrap(), 360);
    }

    async fn a_batch_is_send_and_runs_in_tasks(redis: Redis) {
        let tasks: Vec<_> = (0..50_u32)
            .map(|id| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    redis.batch((Keys::text(id).set(&id.to_string()), Keys::text(id).get())).into_future().await
                })
            })
            .collect();
        for (id, task) in tasks.into_iter().enumerate() {
            let ((), text) = task.await.unwrap().unwrap();
            assert_eq!(text.as_deref(), Some(&*id.to_string()));
        }
    }
}

#[test]
fn a_batch_is_one_round_trip() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        redis.connect().await.unwrap();
        let trips = server.round_trips();
        let many = || {
            (
                Keys::text(1).set("a"),
                Keys::count(1).incr(),
                Keys::text(1).set("b").keep_ttl(),
                Key::get_many([1, 2].map(Keys::text)),
            )
        };
        redis.batch(many()).await.unwrap();
        assert_eq!(server.round_trips() - trips, 1);
        redis.transaction(many()).await.unwrap();
        assert_eq!(server.round_trips() - trips, 2);
        Keys::count(1).incr().on(&redis).await.unwrap();
        Keys::text(1).set("c").keep_ttl().on(&redis).await.unwrap();
        assert_eq!(server.round_trips() - trips, 4, "one each");
        let nested = (many(), vec![many(), many()], [Keys::count(1).incr(), Keys::count(2).incr()]);
        redis.batch(nested).await.unwrap();
        assert_eq!(server.round_trips() - trips, 5);
        redis.transaction((many(), vec![many(), many()])).await.unwrap();
        assert_eq!(server.round_trips() - trips, 6);
    });
}

#[test]
fn a_batch_is_one_write() {
    let proxy = Proxy::start(shared_server().address());
    within(PATIENCE, async {
        let builder = Redis::builder().url(&shared_server().url_through(&proxy)).unwrap();
        let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
        redis.connect().await.unwrap();
        let before = proxy.traffic();
        for _ in 0..20 {
            redis.batch((0..50).map(|id| Keys::text(id).get()).collect::<Vec<_>>()).await.unwrap();
        }
        let after = proxy.until(|traffic| traffic.commands >= before.commands + 1000).await;
        assert_eq!(after.commands - before.commands, 1000);
        assert_eq!(after.writes_up - before.writes_up, 20);
        assert_eq!(after.connections, before.connections);
    });
}

/// The commands share a connection, so all of them wait only as long as the shortest deadline.
#[test]
fn the_shortest_deadline_applies_to_the_batch() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let builder = Redis::builder().url(&server.url()).unwrap();
        let redis = builder.timeout(50 * Duration::from_secs(1)).build().unwrap();
        let (brief, long) = (Duration::from_millis(200), Duration::from_secs(40));
        redis.batch((Keys::text(1).get(), Third::text(1).get())).await.unwrap();
        for handle in [redis.clone(), redis.for_keyspace::<Third>().unwrap()] {
            handle.connect().await.unwrap();
        }
        server.pause();
        let text = || Keys::text(1).get();
        let (a, b) = redis.batch((text(), text().timeout(brief))).each().await.unwrap();
        let (c, d) =
            redis.batch((Keys::text(2).set("x").timeout(brief), Keys::count(2).incr())).each().await.unwrap();
        let [e, f] =
            redis.batch([text().timeout(brief), text().timeout(long)]).timeout(long).each().await.unwrap();
        let [g] = redis.batch([text().timeout(long)]).timeout(brief).each().await.unwrap();
        let (h, i) = redis.transaction((Keys::count(2).incr(), text().timeout(brief))).each().await.unwrap();
        // Commands on different connections are still one batch.
        let (j, k) = redis.batch((text().timeout(brief), Third::text(1).get())).each().await.unwrap();
        let (l, m) = redis.batch((Keys::count(2).get_ex().timeout(brief), text())).each().await.unwrap();
        let errors = [
            a.err(),
            b.err(),
            c.err(),
            d.err(),
            e.err(),
            f.err(),
            g.err(),
            h.err(),
            i.err(),
            j.err(),
            k.err(),
            l.err(),
            m.err(),
        ];
        for (nth, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("the frozen server answered command {nth}"));
            assert_eq!(
                (error.kind(), error.budget()),
                (ErrorKind::Timeout, Some(Budget::Reply)),
                "{nth}: {error}"
            );
            assert!(error.to_string().contains("200ms"), "{nth}: {error}");
        }
        server.resume();
        assert_eq!(
            Keys::text(2).get().on(&redis).await.unwrap().as_deref(),
            Some("x"),
            "the command was sent"
        );
    });
}

#[test]
fn a_batch_with_a_non_idempotent_write_runs_once() {
    let proxy = Proxy::start(shared_server().address());
    within(PATIENCE, async {
        let builder = Redis::builder().url(&shared_server().url_through(&proxy)).unwrap();
        let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
        redis.connect().await.unwrap();
        proxy.on("EXEC", Fault::CutReply);
        let (text, count) = redis.batch((Keys::text(1).get(), Keys::count(1).incr())).each().await.unwrap();
        assert!(count.unwrap_err().is_connection_lost());
        assert!(text.is_err() || text.is_ok_and(|text| text.is_none()));
        assert_eq!(Keys::count(1).get().on(&redis).await.unwrap(), 1);
        // A batch of only reads is retried.
        proxy.on("batch:text:2", Fault::CutReply);
        assert_eq!(redis.batch([1, 2, 3].map(|id| Keys::text(id).get())).await.unwrap(), [None, None, None]);
        assert_eq!(proxy.unused(), 0);
    });
}

/// A batch uses the connection with the fewest requests in flight, like a single command.
#[test]
fn batches_use_all_lanes() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(4).build().unwrap();
        redis.connect().await.unwrap();
        // A connection that waits for one reply executes nothing else.
        let stalled = server.inject(redis_keyspace_embedded::Fault::stall().on("EXISTS"));
        let batch = || redis.batch([Keys::text(1).exists()]).into_future();
        tokio::select! {
            answered = async { tokio::join!(batch(), batch(), batch(), batch()) } => panic!("{answered:?}"),
            () = eventually("all connections are used", async || stalled.hits() == 4) => {}
        }
    });
}
