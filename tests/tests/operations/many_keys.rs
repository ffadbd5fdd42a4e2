//! Many keys in one round trip: none, one, and more than fit into one command.

use std::time::Duration;

use redis_keyspace::command::{OnUnavailable, Ttl};
use redis_keyspace::{Counter, Error, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, raw, wire, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "many", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    list: fn(id: u32) -> Json<Vec<u32>>,
    text: fn(id: u32) -> Text,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

both_servers! {
    async fn one_key_and_no_keys(_redis: Redis) {
        assert_eq!(Key::get_many([Keys::text(1)]).await.unwrap(), [None]);
        Key::set_many([(Keys::text(1), "a")]).await.unwrap();
        assert_eq!(Key::get_many([Keys::text(1)]).await.unwrap(), [Some("a".to_owned())]);
        assert_eq!(Key::del_many([Keys::text(1)]).await.unwrap(), 1);
        assert_eq!(Key::del_many([Keys::text(1)]).await.unwrap(), 0);
    }

    async fn two_and_a_half_thousand_keys(_redis: Redis) {
        let lists: Vec<_> = (0..2500_u32).map(|id| vec![id, id * 2]).collect();
        Key::set_many((0..).map(Keys::list).zip(&lists)).await.unwrap();
        // In an arbitrary order, with gaps and duplicates.
        let ids: Vec<u32> = (0..2500).map(|nth| (nth * 7919) % 3000).chain([0, 0, 2999, 2499]).collect();
        let read = Key::get_many(ids.iter().map(|&id| Keys::list(id))).await.unwrap();
        assert_eq!(read.len(), ids.len());
        for (id, read) in ids.iter().zip(read) {
            assert_eq!(read, (*id < 2500).then(|| vec![*id, id * 2]), "{id}");
        }
        for id in [0, 999, 1000, 1001, 2499] {
            assert!(matches!(Keys::list(id).ttl().await.unwrap(), Ttl::Remaining(left) if left <= 60 * MINUTE));
        }
        assert_eq!(Key::del_many((0..2500).map(Keys::list)).await.unwrap(), 2500);
        assert_eq!(Key::del_many((0..2500).map(Keys::list)).await.unwrap(), 0);
        assert!(Key::get_many((0..2500).map(Keys::list)).await.unwrap().iter().all(Option::is_none));
    }

    async fn each_has_the_lifetime_of_its_template(_redis: Redis) {
        Key::set_many([(Keys::text(1), "a"), (Keys::forever(1), "b")]).await.unwrap();
        assert!(Keys::text(1).ttl().await.unwrap().remaining().is_some());
        assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
        assert_eq!(Key::get_many([Keys::text(1), Keys::forever(1)]).await.unwrap(), [Some("a".into()), Some("b".into())]);
    }

    async fn a_key_twice_counts_once(_redis: Redis) {
        Key::set_many([(Keys::text(1), "first"), (Keys::text(1), "last")]).await.unwrap();
        assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("last"));
        assert_eq!(Key::del_many([Keys::text(1), Keys::text(1)]).await.unwrap(), 1);
    }

    async fn keys_of_other_types_and_kinds_are_handled(redis: Redis) {
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::text(1)), "x"]).await;
        Keys::count(1).incr().await.unwrap();
        assert_eq!(Key::get_many([Keys::text(1)]).await.unwrap(), [None]);
        Key::set_many([(Keys::text(1), "x")]).await.unwrap();
        assert_eq!(Key::del_many([Keys::count(1), Keys::count(2)]).await.unwrap(), 1);
        assert_eq!(Key::del_many([Keys::text(1)]).await.unwrap(), 1);
    }

    async fn values_can_be_owned_or_borrowed(_redis: Redis) {
        Key::set_many([(Keys::list(1), vec![1])]).await.unwrap();
        Key::set_many([(Keys::list(2), &vec![2])]).await.unwrap();
        Key::set_many(vec![(Keys::text(3), String::from("c"))]).await.unwrap();
        assert_eq!(Key::get_many([Keys::list(1), Keys::list(2)]).await.unwrap(), [Some(vec![1]), Some(vec![2])]);
    }

    async fn each_key_has_its_own_result(redis: Redis) {
        let () = raw(&redis, &["RPUSH", &wire(&Keys::text(2)), "x"]).await;
        Keys::text(1).set("a").await.unwrap();
        // In the order of the keys, with a gap and a key twice.
        let read = Key::get_many([1, 2, 3, 1].map(Keys::text)).each().await.unwrap();
        let [Ok(Some(first)), Err(wrong), Ok(None), Ok(Some(again))] = &read[..] else { panic!("{read:?}") };
        assert_eq!((first.as_str(), again.as_str()), ("a", "a"));
        assert_eq!((wrong.kind(), wrong.key()), (ErrorKind::WrongType, Some("many:text:2")), "{wrong}");
        assert!(wrong.to_string().contains("expected string (Text), found list"), "{wrong}");

        let () = raw(&redis, &["SET", &wire(&Keys::list(1)), "no list"]).await;
        Keys::list(2).set(&vec![2]).await.unwrap();
        let read = Key::get_many([1, 2].map(Keys::list)).each().await.unwrap();
        let [Err(undecodable), Ok(Some(two))] = &read[..] else { panic!("{read:?}") };
        assert_eq!((undecodable.kind(), undecodable.key()), (ErrorKind::Decode, Some("many:list:1")));
        assert_eq!(*two, [2]);
        Keys::count(1).incr().await.unwrap();
        let counts = Key::get_many([1, 2].map(Keys::count)).each().await.unwrap();
        assert!(matches!(counts[..], [Ok(1), Ok(0)]), "{counts:?}");

        let entries = [(Keys::text(4), "first"), (Keys::forever(5), "five"), (Keys::text(4), "last")];
        let stored = Key::set_many(entries).each().await.unwrap();
        assert!(matches!(stored[..], [Ok(()), Ok(()), Ok(())]), "{stored:?}");
        assert_eq!(Keys::text(4).get().await.unwrap().as_deref(), Some("last"));
        assert!(Keys::text(4).ttl().await.unwrap().remaining() > Some(MINUTE));
        assert_eq!(Keys::forever(5).ttl().await.unwrap(), Ttl::NoExpiry);
        Key::set_many([(Keys::text(4), "short")]).ttl(MINUTE).each().await.unwrap().pop().unwrap().unwrap();
        assert!(Keys::text(4).ttl().await.unwrap().remaining() <= Some(MINUTE));

        let gone = Key::del_many([Keys::text(4), Keys::text(6), Keys::forever(5), Keys::text(4)]);
        let gone = gone.each().await.unwrap();
        assert!(matches!(gone[..], [Ok(true), Ok(false), Ok(true), Ok(false)]), "{gone:?}");
    }

    async fn writes_of_each_key_end_fills(_redis: Redis) {
        // What is loaded before a write of the key is not stored after it.
        let (written, deleted) = (Keys::text(7), Keys::text(8));
        written
            .get_or_set(async || {
                let each = Key::set_many([(Keys::text(7), "newer")]).each().await.unwrap();
                assert!(matches!(each[..], [Ok(())]), "{each:?}");
                "older".to_owned()
            })
            .await
            .unwrap();
        assert_eq!(written.get().await.unwrap().as_deref(), Some("newer"));
        deleted
            .get_or_set(async || {
                let each = Key::del_many([Keys::text(8)]).each().await.unwrap();
                assert!(matches!(each[..], [Ok(false)]), "{each:?}");
                "older".to_owned()
            })
            .await
            .unwrap();
        assert_eq!(deleted.get().await.unwrap(), None);
    }

    async fn many_keys_work_in_a_batch(redis: Redis) {
        Key::set_many((0..1500).map(|id| (Keys::text(id), id.to_string()))).await.unwrap();
        let ids = 0..1500;
        let (many, none, one, gone, stored) = redis
            .batch((
                Key::get_many(ids.clone().map(Keys::text)),
                Key::get_many(std::iter::empty::<Key<Keys, Text>>()),
                Keys::text(3).get(),
                Key::del_many(ids.map(Keys::text)),
                Key::set_many([(Keys::text(1), "again")]),
            ))
            .await
            .unwrap();
        assert!(many.iter().enumerate().all(|(id, text)| text.as_deref() == Some(&*id.to_string())));
        assert_eq!((none.len(), one.as_deref(), gone, stored), (0, Some("3"), 1500, ()));
        let (many, one, gone) = redis
            .transaction((Key::get_many([1, 2].map(Keys::text)), Keys::text(1).get(), Key::del_many([1].map(Keys::text))))
            .await
            .unwrap();
        assert_eq!((many, one.as_deref(), gone), (vec![Some("again".into()), None], Some("again"), 1));
    }
}

#[test]
fn an_empty_list_needs_no_server() {
    within(PATIENCE, async {
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        nowhere
            .scope(async {
                assert!(Key::get_many(std::iter::empty::<Key<Keys, Text>>()).await.unwrap().is_empty());
                assert_eq!(Key::del_many(Vec::<Key<Keys, Counter>>::new()).await.unwrap(), 0);
                Key::set_many(Vec::<(Key<Keys, Text>, &str)>::new()).await.unwrap();
                assert!(Key::get_many(Vec::<Key<Keys, Text>>::new()).each().await.unwrap().is_empty());
                assert!(
                    Key::set_many(Vec::<(Key<Keys, Text>, &str)>::new()).each().await.unwrap().is_empty()
                );
                assert_eq!(
                    nowhere.stats().connections.iter().map(|pool| pool.failed_connects).sum::<u64>(),
                    0
                );
            })
            .await;
    });
}

#[test]
fn two_and_a_half_thousand_keys_are_one_round_trip() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(10_000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        redis.ping().await.unwrap();
        let commands = || {
            let log = server.command_log();
            log.iter()
                .map(|command| String::from_utf8_lossy(&command.arguments[0]).into_owned())
                .collect::<Vec<_>>()
        };
        let before = (commands().len(), server.round_trips());
        Key::get_many((0..2500).map(Keys::text)).on(&redis).await.unwrap();
        assert_eq!(commands()[before.0..], ["MGET"; 3]);
        // The in-memory connection holds 64 KiB, so longer replies arrive in parts.
        assert!(server.round_trips() - before.1 <= 4, "{}", server.round_trips() - before.1);
    });
}

#[test]
fn a_refused_write_among_many_is_named() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        redis
            .scope(async {
                redis.ping().await.unwrap();
                let full = || {
                    redis_keyspace_embedded::Fault::error(
                        "OOM command not allowed when used memory > 'maxmemory'.",
                    )
                };
                server.inject(full().on("SET").times(1)).keep();
                let error = Key::set_many([(Keys::text(1), "a"), (Keys::text(2), "b")]).await.unwrap_err();
                assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("OOM")), "{error}");
                assert_eq!(error.key(), Some("many:text:1"));
                assert_eq!(error.field(), Some("text"), "{error}");
                assert_eq!(Key::get_many([1, 2].map(Keys::text)).await.unwrap(), [None, Some("b".into())]);

                server.inject(full().on("SET").times(1)).keep();
                let entries = [(Keys::text(3), "c"), (Keys::text(4), "d")];
                let stored = Key::set_many(entries).each().await.unwrap();
                let [Err(error), Ok(())] = &stored[..] else { panic!("{stored:?}") };
                assert_eq!((error.code(), error.key()), (Some("OOM"), Some("many:text:3")), "{error}");
                assert_eq!(Key::get_many([3, 4].map(Keys::text)).await.unwrap(), [None, Some("d".into())]);
            })
            .await;
    });
}

#[test]
fn each_key_may_be_on_its_own_server() {
    within(PATIENCE, async {
        let (one, other) = (Redis::embedded(), Redis::embedded());
        let keys = || [Keys::text(1).on(&one), Keys::text(1).on(&other)];
        let whole = Key::get_many(keys()).await.unwrap_err();
        assert_eq!(whole.kind(), ErrorKind::InvalidInput, "{whole}");
        // No handle is in scope: each key has its own.
        let stored = Key::set_many(keys().into_iter().zip(["a", "b"])).each().await.unwrap();
        assert!(stored.iter().all(Result::is_ok), "{stored:?}");
        let read = Key::get_many(keys()).each().await.unwrap();
        let read: Vec<_> = read.into_iter().map(|value| value.unwrap().unwrap()).collect();
        assert_eq!(read, ["a", "b"]);
        // The handle of the command comes first.
        let read = Key::get_many(keys()).on(&one).each().await.unwrap();
        assert!(read.into_iter().all(|value| value.unwrap().as_deref() == Some("a")));
        let gone = Key::del_many(keys()).each().await.unwrap();
        assert!(matches!(gone[..], [Ok(true), Ok(true)]), "{gone:?}");
    });
}

#[test]
fn each_key_fails_by_itself_without_a_server() {
    within(PATIENCE, async {
        let nowhere = Redis::builder().host("127.0.0.1").port(1).timeout(MINUTE).build().unwrap();
        let read = Key::get_many([1, 2].map(Keys::text)).on(&nowhere).each().await.unwrap();
        assert_eq!(read.len(), 2);
        assert!(read.iter().all(|value| value.as_ref().is_err_and(Error::is_unavailable)), "{read:?}");
        let misses = Key::get_many([1, 2].map(Keys::text)).on_unavailable(OnUnavailable::Miss).on(&nowhere);
        let misses = misses.each().await.unwrap();
        assert!(matches!(misses[..], [Ok(None), Ok(None)]), "{misses:?}");
        let waiting = Key::set_many([(Keys::text(1), "a")]).wait_replicas(1, MINUTE).on(&nowhere);
        let error = waiting.each().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error =
            Key::del_many([Keys::text(1)]).wait_replicas(1, MINUTE).on(&nowhere).each().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
}

#[test]
fn a_command_that_was_polled_has_no_separate_results() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let mut read = Key::get_many([Keys::text(1)]).on(&redis);
        (&mut read).await.unwrap();
        assert_eq!(read.each().await.unwrap_err().kind(), ErrorKind::InvalidInput);
        // An option that is set later does not make it a new command.
        Keys::text(1).set("a").on(&redis).await.unwrap();
        let mut deletion = Key::del_many([Keys::text(1)]).on(&redis);
        assert_eq!((&mut deletion).await.unwrap(), 1);
        Keys::text(1).set("a").on(&redis).await.unwrap();
        let again = deletion.timeout(PATIENCE).each().await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(Keys::text(1).exists().on(&redis).await.unwrap());
        let mut write = Key::set_many([(Keys::text(1), "a")]).on(&redis);
        (&mut write).await.unwrap();
        assert_eq!(write.each().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn the_results_of_each_key_are_one_round_trip() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        redis.ping().await.unwrap();
        let before = server.round_trips();
        Key::get_many((0..100).map(Keys::text)).on(&redis).each().await.unwrap();
        Key::set_many((0..100).map(|id| (Keys::text(id), "a"))).on(&redis).each().await.unwrap();
        Key::del_many((0..100).map(Keys::text)).on(&redis).each().await.unwrap();
        assert_eq!(server.round_trips() - before, 3);
    });
}
