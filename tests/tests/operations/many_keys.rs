//! Many keys in one round trip: none, one, and more than fit into one command.

use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::{Counter, ErrorKind, Json, Key, Keyspace, Redis, Text};
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
                let full = redis_keyspace_embedded::Fault::error(
                    "OOM command not allowed when used memory > 'maxmemory'.",
                );
                server.inject(full.on("SET").times(1)).keep();
                let error = Key::set_many([(Keys::text(1), "a"), (Keys::text(2), "b")]).await.unwrap_err();
                assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("OOM")), "{error}");
                assert_eq!(error.key(), Some("many:text:1"));
                assert_eq!(error.field(), Some("text"), "{error}");
                assert_eq!(Key::get_many([1, 2].map(Keys::text)).await.unwrap(), [None, Some("b".into())]);
            })
            .await;
    });
}
