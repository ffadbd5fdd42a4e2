//! Raw commands on a typed key.

use redis_keyspace::{Command, Counter, ErrorKind, Keyspace, List, Redis, SortedSet, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, shared_cluster, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "rawkeys", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("plain:{id}", fills = false)]
    plain: fn(id: u32) -> Text,
    list: fn(id: u32) -> List<u64>,
    count: fn(id: u32) -> Counter,
    #[key("scores:{id}:{round}", hash_tag = id)]
    scores: fn(id: u32, round: u32) -> SortedSet<u64>,
}

/// Keys of the same database.
#[derive(Keyspace)]
#[keyspace(prefix = "neighbours", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Neighbours {
    #[key("scores:{id}", hash_tag = id)]
    scores: fn(id: u32) -> SortedSet<u64>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", db = 3, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Elsewhere {
    text: fn(id: u32) -> Text,
}

both_servers! {
    async fn the_key_is_sent_as_it_is_stored(redis: Redis) {
        let text = Keys::text(1);
        text.set("a text").await.unwrap();
        for encoding in [
            text.raw("OBJECT ENCODING").query::<String>(),
            text.raw("object").arg("encoding").key().query(),
            text.raw("OBJECT").arg(b"ENCODING").key().read_only().query(),
        ] {
            // Servers store short texts differently.
            let encoding = encoding.await.unwrap();
            assert!(["embstr", "raw"].contains(&encoding.as_str()), "{encoding}");
        }
        // The server has the command, so the error is about the argument.
        let error = text.raw("GETEX").arg("BOGUS").query::<String>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert!(error.to_string().contains("syntax error"), "{error}");
        assert_eq!(text.raw("GETRANGE").arg(2).arg(-1).query::<String>().await.unwrap(), "text");
        assert_eq!(text.raw("GET").query_bytes().await.unwrap().as_deref(), Some(&b"a text"[..]));
        assert_eq!(Keys::text(2).raw("GET").query_bytes().await.unwrap(), None);
        assert_eq!(Keys::text(2).raw("GET").query::<Option<String>>().await.unwrap(), None);
        let list = Keys::list(1);
        let length: u64 = list.raw("RPUSH").arg(&[3, 1, 2]).writes().query().await.unwrap();
        assert_eq!((length, list.lrange(..).await.unwrap()), (3, vec![3, 1, 2]));
        let items: Vec<u64> = list.raw("LRANGE").arg(&[0, -1]).read_only().query().await.unwrap();
        assert_eq!(items, [3, 1, 2]);
    }

    async fn keys_can_be_anywhere_among_the_arguments(redis: Redis) {
        let (first, second, total) = (Keys::scores(1, 1), Neighbours::scores(1), Keys::scores(1, 0));
        first.zadd(&7, 1.0).await.unwrap();
        second.zadd(&7, 10.0).await.unwrap();
        let union = || {
            let command = total.raw("ZUNIONSTORE").key().arg(2).other_key(&first).other_key(&second);
            command.arg("WEIGHTS").arg(&[1, 2]).query::<u64>()
        };
        assert_eq!(union().await.unwrap(), 1);
        assert_eq!(total.zscore(&7).await.unwrap(), Some(21.0));
        // The key itself may be missing in the command, and it may be there twice.
        let count: u64 = total.raw("EXISTS").other_key(&first).key().key().query().await.unwrap();
        assert_eq!(count, 3);
        let (stored, (score, counts)) = redis
            .transaction((union(), (total.zscore(&7), vec![Keys::count(1).raw("INCRBY").arg(5).query::<i64>()])))
            .await
            .unwrap();
        assert_eq!((stored, score, counts), (1, Some(21.0), vec![5]));
        let mixed: Vec<Command<u64>> = vec![total.zcard(), union(), Keys::list(9).llen()];
        assert_eq!(redis.batch(mixed).await.unwrap(), [1, 1, 0]);
    }

    async fn a_reply_that_cannot_be_converted_is_not_shown(_redis: Redis) {
        Keys::text(1).set("secret").await.unwrap();
        let error = Keys::text(1).raw("GET").query::<u64>().await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Decode, Some("rawkeys:text:1")));
        assert!(error.to_string().contains("a string") && error.to_string().contains("u64"), "{error}");
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
        let error = Keys::text(1).raw("LPUSH").arg("x").query::<u64>().await.unwrap_err();
        assert_eq!((error.kind(), error.command()), (ErrorKind::WrongType, Some("LPUSH")));
        assert!(error.to_string().contains("rawkeys:text:1"), "{error}");
    }

    async fn other_tasks_are_not_affected(redis: Redis) {
        let text = Keys::text(1);
        let refused = [
            text.raw("BLPOP").key().arg(0).query::<()>(),
            text.raw("SELECT").arg(3).query(),
            text.raw("SUBSCRIBE").query(),
            text.raw("MULTI").query(),
            text.raw("XREAD").arg("BLOCK").arg(0).arg("STREAMS").key().arg("$").query(),
            text.raw("XREAD BLOCK 0 STREAMS").key().arg("$").query(),
            text.raw(" ").query(),
        ];
        for refused in refused {
            let error = refused.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let error = redis.batch((text.exists(), text.raw("CLIENT REPLY").arg("OFF").query::<()>())).await.unwrap_err();
        assert!(error.to_string().contains("Redis::raw"), "{error}");
        assert!(!text.exists().await.unwrap());
    }

    async fn keys_of_other_databases_are_refused(redis: Redis) {
        let command = || Keys::text(1).raw("COPY").key().other_key(&Elsewhere::text(1)).query::<bool>();
        for error in [
            command().await.unwrap_err(),
            redis.batch((command(),)).await.unwrap_err(),
            redis.transaction((command(),)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("Keys") && error.to_string().contains("Elsewhere"), "{error}");
        }
    }
}

#[test]
fn a_disabled_handle_runs_no_raw_command() {
    within(PATIENCE, async {
        let redis = Redis::disabled();
        let error = Keys::text(1).raw("GET").query_bytes().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServerNotConfigured);
    });
}

/// A raw write ends fills of its key if it says that it writes.
#[test]
fn a_raw_write_ends_fills() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100).build();
        let redis = Redis::with_embedded_server(server.clone());
        redis.connect().await.unwrap();
        let names = || {
            let log = server.command_log();
            log.iter()
                .map(|logged| String::from_utf8_lossy(&logged.arguments[0]).into_owned())
                .collect::<Vec<_>>()
        };
        redis
            .scope(async {
                for (command, sent) in [
                    (Keys::text(1).raw("APPEND").arg("x").query::<u64>(), &["APPEND"][..]),
                    (Keys::text(1).raw("APPEND").arg("x").writes().query(), &["UNLINK", "APPEND"]),
                    (Keys::plain(1).raw("APPEND").arg("x").writes().query(), &["APPEND"]),
                ] {
                    let (before, trips) = (names().len(), server.round_trips());
                    command.await.unwrap();
                    assert_eq!(names()[before..], *sent);
                    assert_eq!(server.round_trips() - trips, 1);
                }
            })
            .await;
    });
}

#[test]
fn a_cluster_runs_raw_commands_on_keys_of_one_slot() {
    let builder = Redis::builder().url(&shared_cluster().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            for id in 1..=20 {
                let (from, to) = (Keys::scores(id, 1), Neighbours::scores(id));
                from.zadd(&u64::from(id), 1.0).await.unwrap();
                let stored =
                    to.raw("ZUNIONSTORE").key().arg(1).other_key(&from).query::<u64>().await.unwrap();
                assert_eq!(stored, 1);
                assert_eq!(Keys::text(id).raw("STRLEN").query::<u64>().await.unwrap(), 0);
            }
            let apart = || Keys::text(1).raw("EXISTS").key().other_key(&Neighbours::scores(2)).query::<u64>();
            for error in [apart().await.unwrap_err(), redis.batch((apart(),)).await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                let text = error.to_string();
                assert!(
                    text.contains("text:{id}") && text.contains("scores:{"),
                    "both templates are named: {text}"
                );
            }
        }),
    );
}
