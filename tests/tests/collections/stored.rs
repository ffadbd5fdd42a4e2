//! Keys that a command writes next to those that it reads: stored results and moved elements.

use std::collections::HashSet;
use std::time::Duration;

use redis_keyspace::command::{ListEnd, Ttl};
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, unique_namespace, wire, within};

use crate::Keys;

const BRIEF: Duration = Duration::from_secs(300);
const MINUTE: Duration = Duration::from_secs(60);

/// Whether the rest of a lifetime is that of one that began within this test.
fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    ttl.remaining().is_some_and(|left| left <= lifetime && left > lifetime / 2)
}

both_servers! {
    async fn a_stored_result_has_the_lifetime_of_its_template(_redis: Redis) {
        let (one, two, to) = (Keys::set(1, 1), Keys::set(1, 2), Keys::brief(1, 0));
        one.sadd_many([1, 2]).await.unwrap();
        let union = || Key::sunion([one.clone(), two.clone()]);
        for before in [None, Some(MINUTE)] {
            assert_eq!(union().store(&to).await.unwrap(), 2);
            assert!(is_new(to.ttl().await.unwrap(), BRIEF), "it is new each time");
            match before {
                None => assert!(to.persist().await.unwrap()),
                Some(ttl) => assert!(to.expire(ttl).await.unwrap()),
            }
        }
        union().store(&to).ttl(MINUTE).await.unwrap();
        assert!(is_new(to.ttl().await.unwrap(), MINUTE));
        let forever = Keys::forever_set(1, 0);
        union().store(&forever).await.unwrap();
        assert_eq!(forever.ttl().await.unwrap(), Ttl::NoExpiry);
        assert!(is_new(one.ttl().await.unwrap(), Duration::from_secs(3600)), "that of the source is unchanged");

        let (scores, to) = (Keys::scores(1), Keys::brief_ranks(1));
        scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
        for stored in [
            scores.zrange(..).store(&to),
            Key::zunion([scores.clone(), Keys::ranks(1, 1)]).store(&to),
            Key::zinter([scores.clone()]).store(&to),
            Key::zdiff([scores.clone(), Keys::ranks(1, 1)]).store(&to),
        ] {
            to.del().await.unwrap();
            assert_eq!(stored.await.unwrap(), 2);
            assert!(is_new(to.ttl().await.unwrap(), BRIEF));
        }
    }

    async fn a_result_replaces_a_key_of_another_type_but_a_wrong_source_changes_nothing(redis: Redis) {
        let (one, to) = (Keys::set(2, 1), Keys::brief(2, 0));
        one.sadd(&1).await.unwrap();
        let () = raw(&redis, &["SET", &wire(&to), "foreign"]).await;
        assert_eq!(Key::sunion([one.clone()]).store(&to).await.unwrap(), 1);
        assert_eq!(to.smembers().await.unwrap(), HashSet::from([1]));
        let () = raw(&redis, &["SET", &wire(&to), "foreign"]).await;
        let () = raw(&redis, &["SET", &wire(&one), "foreign"]).await;
        let error = Key::sunion([one]).store(&to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert_eq!(to.ttl().await.unwrap(), Ttl::NoExpiry, "a key of another type gets no lifetime");
    }

    async fn a_move_gives_a_new_key_its_lifetime_and_keeps_that_of_another(redis: Redis) {
        let (from, to) = (Keys::forever(3, 1), Keys::brief_list(3));
        from.rpush_many([1, 2, 3, 4]).await.unwrap();
        assert_eq!(from.lmove(ListEnd::Left, &to, ListEnd::Right).await.unwrap(), Some(1));
        assert!(is_new(to.ttl().await.unwrap(), BRIEF));
        assert_eq!(from.ttl().await.unwrap(), Ttl::NoExpiry);
        to.expire(MINUTE).await.unwrap();
        from.lmove(ListEnd::Left, &to, ListEnd::Right).await.unwrap();
        assert!(is_new(to.ttl().await.unwrap(), MINUTE), "a later move keeps it");
        let renewed = Keys::renewed_list(3);
        renewed.rpush(&9).await.unwrap();
        renewed.expire(MINUTE).await.unwrap();
        from.lmove(ListEnd::Left, &renewed, ListEnd::Right).await.unwrap();
        assert!(is_new(renewed.ttl().await.unwrap(), Duration::from_secs(3600)), "or renews it");
        renewed.expire(MINUTE).await.unwrap();
        assert_eq!(Keys::forever(3, 9).lmove(ListEnd::Left, &renewed, ListEnd::Left).await.unwrap(), None);
        assert!(is_new(renewed.ttl().await.unwrap(), MINUTE), "a move of nothing renews nothing");

        let foreign = Keys::list(3);
        let () = raw(&redis, &["SET", &wire(&foreign), "foreign"]).await;
        let error = from.lmove(ListEnd::Left, &foreign, ListEnd::Left).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert_eq!(foreign.ttl().await.unwrap(), Ttl::NoExpiry);
        assert_eq!(from.lrange(..).await.unwrap(), [4]);

        let (open, done) = (Keys::forever_set(3, 0), Keys::brief(3, 0));
        open.sadd_many([1, 2]).await.unwrap();
        assert!(open.smove(&done, &1).await.unwrap());
        assert!(is_new(done.ttl().await.unwrap(), BRIEF));
        done.expire(MINUTE).await.unwrap();
        assert!(!open.smove(&done, &1).await.unwrap() && open.smove(&done, &2).await.unwrap());
        assert!(is_new(done.ttl().await.unwrap(), MINUTE));
    }

    async fn batches_and_transactions_contain_both(redis: Redis) {
        let (list, to, set) = (Keys::forever(4, 1), Keys::brief_list(4), Keys::brief(4, 0));
        Keys::set(4, 1).sadd(&7).await.unwrap();
        let union = || Key::sunion([Keys::set(4, 1)]);
        for round in 1..=2 {
            list.rpush_many([1, 2]).await.unwrap();
            let batch = (
                to.rpush(&0),
                list.lmove(ListEnd::Left, &to, ListEnd::Right),
                union().store(&set),
                Keys::list(4).rpush(&1).trim_to(1),
            );
            let (_, moved, stored, length) = if round == 1 {
                redis.batch(batch).await.unwrap()
            } else {
                redis.transaction(batch).await.unwrap()
            };
            assert_eq!((moved, stored), (Some(1), 1));
            assert_eq!(length, 1);
            assert!(is_new(to.ttl().await.unwrap(), BRIEF) && is_new(set.ttl().await.unwrap(), BRIEF));
            to.del().await.unwrap();
            set.del().await.unwrap();
            list.del().await.unwrap();
        }
    }
}

/// On a server without MULTI, a transaction is one script, which knows these commands, too.
#[test]
fn a_transaction_without_multi_contains_them() {
    let server = RealServer::start();
    let rules = "reset on >pass ~* +@all -multi";
    let command: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rules.split(' ')).collect();
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let (list, to) = (Keys::forever(5, 1), Keys::brief_list(5));
            let (scores, ranks, forever) = (Keys::scores(5), Keys::brief_ranks(5), Keys::forever(5, 2));
            list.rpush_many([1, 2]).await.unwrap();
            scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
            let commands = (
                list.lmove(ListEnd::Left, &to, ListEnd::Right),
                list.lmove(ListEnd::Left, &forever, ListEnd::Right),
                Key::zunion([scores.clone(), Keys::ranks(5, 1)]).weights([2.0, 1.0]).store(&ranks),
                scores.zrange(..1).store(&Keys::ranks(5, 2)),
                Keys::forever(5, 3).lmove(ListEnd::Left, &Keys::renewed_list(5), ListEnd::Left),
            );
            let (one, two, union, range, none) = redis.transaction(commands).await.unwrap();
            assert_eq!((one, two, union, range, none), (Some(1), Some(2), 2, 1, None));
            assert!(is_new(to.ttl().await.unwrap(), BRIEF) && is_new(ranks.ttl().await.unwrap(), BRIEF));
            assert_eq!(forever.ttl().await.unwrap(), Ttl::NoExpiry);
            assert_eq!(ranks.zscore(&2).await.unwrap(), Some(4.0));
            assert!(scores.zadd(&3, 3.0).keep_top(1).await.unwrap());
            assert_eq!(scores.zrank(&3).with_score().await.unwrap(), Some((0, 3.0)));

            // A script can't run in a script. The other commands must not run either.
            let notes = [(Keys::note(5, 1), "a"), (Keys::note(5, 2), "a")];
            let stored = || Key::set_many(notes.clone()).only_if_all_absent();
            for error in [
                redis.transaction((list.rpush(&9), stored())).await.unwrap_err(),
                redis.transaction((list.rpush(&9), scores.zaround(&3, 1))).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            }
            assert!(!list.exists().await.unwrap());
            assert!(stored().await.unwrap() && !stored().await.unwrap());
        }),
    );
}

#[test]
fn a_script_that_the_server_forgot_is_sent_again() {
    let server = RealServer::start();
    let redis = Redis::open(&server.url()).unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let (set, to) = (Keys::set(6, 1), Keys::brief(6, 0));
            set.sadd(&1).await.unwrap();
            for _ in 0..3 {
                assert_eq!(Key::sunion([set.clone()]).store(&to).await.unwrap(), 1);
                assert!(is_new(to.ttl().await.unwrap(), BRIEF));
                to.del().await.unwrap();
                server.redis_cli(&["SCRIPT", "FLUSH"]);
                let stored = (set.sadd(&1), Key::sunion([set.clone()]).store(&to), set.sadd(&1));
                assert_eq!(redis.batch(stored).await.unwrap(), (false, 1, false));
                server.redis_cli(&["SCRIPT", "FLUSH"]);
            }
        }),
    );
}

/// Both templates are named, and nothing is sent.
#[test]
fn keys_in_different_slots_of_a_cluster_are_an_error() {
    let cluster = redis_keyspace_tests::shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            for error in [
                Key::sunion([Keys::set(1, 1)]).store(&Keys::brief(2, 0)).await.unwrap_err(),
                Keys::set(1, 1).smove(&Keys::brief(2, 0), &1).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                for template in ["collections:set:{{{id}}}:{nth}", "collections:brief:{{{id}}}:{nth}"] {
                    assert!(error.to_string().contains(template), "{error}");
                }
            }
            let error = Key::lmpop([1, 2].map(Keys::list), ListEnd::Left).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }),
    );
}
