//! A key of another type is an error that names both types.

use std::fmt::Debug;

use redis_keyspace::command::{Extreme, ListEnd, U};
use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::kind::Kind;
use redis_keyspace::stream::StreamId;
use redis_keyspace::{Error, ErrorKind, Key, Redis};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    PATIENCE, both_servers, is_available, raw, shared_cluster, unique_namespace, wire, within,
};

use crate::{Keys, Profile};

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// Adds an element to a list or a set at a key, whatever its kind is.
async fn put<V: Kind>(key: &Key<Keys, V>, command: &'static str) {
    key.raw(command).arg(1).writes().query::<u64>().await.unwrap();
}

/// Stores a string at a key, whatever its kind is.
async fn put_string<V: Kind>(key: &Key<Keys, V>) {
    key.raw("SET").arg("a string").writes().query::<String>().await.unwrap();
}

/// Checks that an operation failed because of the type of this key, and that the error says so.
#[track_caller]
fn assert_names<T: Debug, V>(outcome: Result<T, Error>, key: &Key<Keys, V>, words: &str) {
    let error = outcome.expect_err("the key has another type");
    assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
    assert_eq!(error.key(), Some(key.as_str()), "{error}");
    assert_eq!(error.field(), Some(key.template().field()), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// Each operation on several keys names the one that has another type.
async fn several_keys(redis: Redis) {
    const SET: &str = "expected set (Set<u64>), found string";
    let (good, bad, to) = (Keys::set(70, 1), Keys::set(70, 2), Keys::brief(70, 1));
    good.sadd(&1).await.unwrap();
    put_string(&bad).await;
    // A stored result replaces a key of any type.
    put(&to, "RPUSH").await;
    let both = || [good.clone(), bad.clone()];
    assert_names(Key::sinter(both()).await, &bad, SET);
    assert_names(Key::sunion(both()).await, &bad, SET);
    assert_names(Key::sdiff(both()).await, &bad, SET);
    assert_names(Key::sinter(both()).store(&to).await, &bad, SET);
    assert_names(Key::sunion(both()).store(&to).await, &bad, SET);
    assert_names(Key::sdiff(both()).store(&to).await, &bad, SET);
    let counted = Key::sinter_card(both()).await;
    if is_available(&counted, &["SINTERCARD"]).await {
        assert_names(counted, &bad, SET);
    }
    assert_names(good.smove(&bad, &1).await, &bad, SET);
    assert_names(bad.smove(&good, &1).await, &bad, SET);
    let several = good.raw("SINTER").key().other_key(&bad).read_only().query::<Vec<u64>>();
    assert_names(several.await, &bad, SET);
    let stored = to.raw("sunionstore").key().other_key(&good).other_key(&bad).writes();
    assert_names(stored.query::<u64>().await, &bad, SET);

    const ZSET: &str = "expected zset (SortedSet<u64>), found list";
    let [good, bad, set] = [1, 2, 3].map(|nth| Keys::ranks(70, nth));
    let to = Keys::brief_ranks(70);
    good.zadd(&1, 1.0).await.unwrap();
    put(&bad, "RPUSH").await;
    // These commands accept sets, too.
    put(&set, "SADD").await;
    let all = || [good.clone(), set.clone(), bad.clone()];
    assert_eq!(Key::zunion([good.clone(), set.clone()]).await.unwrap(), [1]);
    assert_names(Key::zunion(all()).await, &bad, ZSET);
    assert_names(Key::zinter(all()).await, &bad, ZSET);
    assert_names(Key::zdiff(all()).await, &bad, ZSET);
    put_string(&to).await;
    assert_names(Key::zunion(all()).store(&to).await, &bad, ZSET);
    assert_names(Key::zinter(all()).store(&to).await, &bad, ZSET);
    assert_names(Key::zdiff(all()).store(&to).await, &bad, ZSET);
    assert_names(bad.zrange(..).store(&to).await, &bad, ZSET);
    let counted = Key::zinter_card(all()).await;
    if is_available(&counted, &["ZINTERCARD"]).await {
        assert_names(counted, &bad, ZSET);
    }
    let popping = || Key::zmpop([Keys::ranks(70, 9), bad.clone()], Extreme::Min);
    let popped = popping().await;
    if is_available(&popped, &["ZMPOP"]).await {
        assert_names(popped, &bad, ZSET);
        assert_names(popping().block(MINUTE).await, &bad, ZSET);
    }

    const LIST: &str = "expected list (List<u64>), found set";
    let [good, bad, none] = [1, 2, 3].map(|nth| Keys::forever(70, nth));
    good.rpush(&1).await.unwrap();
    put(&bad, "SADD").await;
    let (left, right) = (ListEnd::Left, ListEnd::Right);
    assert_names(good.lmove(left, &bad, right).await, &bad, LIST);
    assert_names(bad.lmove(left, &good, right).await, &bad, LIST);
    assert_names(good.lmove(left, &bad, right).block(MINUTE).await, &bad, LIST);
    let popped = Key::lmpop([none.clone(), bad.clone()], left).await;
    if is_available(&popped, &["LMPOP"]).await {
        assert_names(popped, &bad, LIST);
        assert_names(Key::lmpop([none, bad], left).block(MINUTE).await, &Keys::forever(70, 2), LIST);
    }

    const BITMAP: &str = "expected string (Bitmap), found list";
    let (good, bad, to) = (Keys::bitmap(70, 1), Keys::bitmap(70, 2), Keys::bitmap(70, 3));
    good.set_bit(1, true).await.unwrap();
    put(&bad, "RPUSH").await;
    put(&to, "SADD").await;
    let both = || [good.clone(), bad.clone()];
    assert_names(Key::bit_and(both()).store(&to).await, &bad, BITMAP);
    assert_names(Key::bit_or(both()).store(&to).await, &bad, BITMAP);

    let [good, list, string, none] = [1, 2, 3, 4].map(|nth| Keys::visitors(70, nth));
    good.pf_add([1]).await.unwrap();
    put(&list, "RPUSH").await;
    put_string(&string).await;
    const ANOTHER: &str = "expected HyperLogLog<u64>, found another string";
    const FOUND_LIST: &str = "expected string (HyperLogLog<u64>), found list";
    assert_names(Key::pf_count_of([good.clone(), none.clone(), string.clone()]).await, &string, ANOTHER);
    assert_names(Key::pf_count_of([good.clone(), none.clone(), list.clone()]).await, &list, FOUND_LIST);
    assert_names(none.pf_merge([good.clone(), string.clone()]).await, &string, ANOTHER);
    assert_names(none.pf_merge([good.clone(), list.clone()]).await, &list, FOUND_LIST);
    assert_names(string.pf_merge([good.clone(), none.clone()]).await, &string, ANOTHER);
    assert_names(list.pf_merge([good.clone(), none.clone()]).await, &list, FOUND_LIST);

    const GEO: &str = "expected zset (Geo<u64>), found string";
    let (bad, to, distances) = (Keys::near(70), Keys::places(70), Keys::distances(70));
    put_string(&bad).await;
    put(&to, "RPUSH").await;
    put(&distances, "RPUSH").await;
    let near = || {
        let position = Position::new(13.4, 52.5).unwrap();
        bad.geo_search(From::Position(position), By::radius(Distance::km(1.0)))
    };
    assert_names(near().store(&to).await, &bad, GEO);
    assert_names(near().store_distances(&distances).await, &bad, GEO);

    const STREAM: &str = "expected stream (Stream<u64>), found string";
    let (good, bad) = (Keys::log(70), Keys::loose(70));
    put_string(&bad).await;
    let both = || [(good.clone(), StreamId::MIN), (bad.clone(), StreamId::MIN)];
    assert_names(Key::xread_many(both()).await, &bad, STREAM);
    assert_names(Key::xread_many(both()).block(MINUTE).await, &bad, STREAM);

    // As parts of batches and transactions, and while keys are watched.
    let (good, bad) = (Keys::set(70, 1), Keys::set(70, 2));
    let both = || Key::sinter([good.clone(), bad.clone()]);
    let (inter, card) = redis.batch((both(), good.scard())).each().await.unwrap();
    assert_names(inter, &bad, SET);
    assert_eq!(card.unwrap(), 1);
    let (inter, card) = redis.transaction((both(), good.scard())).each().await.unwrap();
    assert_names(inter, &bad, SET);
    assert_eq!(card.unwrap(), 1);
    let reading = redis.watch(good.clone(), async |tx| {
        tx.run(Key::sinter([Keys::set(70, 1), Keys::set(70, 2)])).await?;
        Ok(Some(Keys::set(70, 1).sadd(&2)))
    });
    assert_names(reading.await, &bad, SET);
    let writing =
        redis.watch(good.clone(), async |_| Ok(Some(Key::sinter([Keys::set(70, 1), Keys::set(70, 2)]))));
    assert_names(writing.await, &bad, SET);
    let each = Key::get_many([Keys::note(70, 1), Keys::note(70, 2)]);
    put(&Keys::note(70, 2), "RPUSH").await;
    let [first, second] = <[_; 2]>::try_from(each.each().await.unwrap()).unwrap();
    assert_eq!(first.unwrap(), None);
    assert_names(second, &Keys::note(70, 2), "expected string (Text), found list");
}

#[test]
fn operations_on_several_keys_name_the_key_on_a_cluster() {
    let builder = Redis::builder().url(&shared_cluster().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(several_keys(redis.clone())));
}

/// The error does not wait for the types longer than a second, or than the operation may take.
#[tokio::test(start_paused = true)]
async fn an_unanswered_question_for_the_type_delays_the_error_by_little() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).timeout(MINUTE).build().unwrap();
    let (list, start) = (Keys::list(1).on(&redis), tokio::time::Instant::now());
    put_string(&list).await;
    server.inject(Fault::stall().on("TYPE")).keep();
    let error = list.llen().await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::WrongType, 1), "{error}");
    let each = redis.batch(list.llen()).each().await.unwrap();
    assert_eq!(each.unwrap_err().kind(), ErrorKind::WrongType);
    assert_eq!(start.elapsed().as_secs(), 2);
    let watch = redis.watch(list.clone(), async |tx| {
        let error = tx.run(list.llen()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        Ok(Some(list.llen()))
    });
    let error = watch.timeout(std::time::Duration::from_millis(800)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
    assert!(start.elapsed() <= std::time::Duration::from_millis(2800), "{:?}", start.elapsed());
}

/// The types of a thousand keys of a batch are asked for, not those of all.
#[test]
fn a_batch_asks_for_a_limited_number_of_types() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(10_000).build();
        let redis = Redis::builder().embedded(server.clone()).timeout(PATIENCE).build().unwrap();
        let texts: Vec<_> = (0..1500).map(|id| Keys::text(id).on(&redis)).collect();
        let pushes = texts.iter().map(|text| text.raw("RPUSH").arg(1).writes().query::<u64>());
        redis.batch(pushes.collect::<Vec<_>>()).await.unwrap();
        for value in Key::get_many(texts).each().await.unwrap() {
            assert_eq!(value.unwrap_err().kind(), ErrorKind::WrongType);
        }
        let asked = server.command_log().iter().filter(|logged| logged.arguments[0] == "TYPE").count();
        assert_eq!(asked, 1000);
    });
}

/// Without another type at any key, the error says what is known.
#[test]
fn the_error_says_if_no_key_has_another_type_any_more() {
    const WRONG: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        redis
            .scope(async {
                let said =
                    |command: &'static str| server.inject(Fault::error(WRONG).on(command).times(1)).keep();
                said("LLEN");
                let error = Keys::list(1).llen().await.unwrap_err();
                let words = "declared as list (List<u64>), and the key does not exist any more";
                assert_eq!(error.kind(), ErrorKind::WrongType);
                assert!(error.to_string().contains(words), "{error}");

                Keys::list(1).rpush(&1).await.unwrap();
                said("LLEN");
                let error = Keys::list(1).llen().await.unwrap_err().to_string();
                assert!(
                    error.contains(
                        "declared as list (List<u64>), and the key has this type: it was replaced since"
                    ),
                    "{error}"
                );

                let both = || Key::sinter([Keys::set(1, 1), Keys::set(1, 2)]);
                said("SINTER");
                let error = both().await.unwrap_err();
                assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, None), "{error}");
                assert!(
                    error.to_string().contains("every key has its declared type, or does not exist"),
                    "{error}"
                );

                // The user must not ask for types: the error of the command stays as it is.
                put_string(&Keys::set(1, 2)).await;
                server.inject(Fault::error("NOPERM no permission").on("TYPE")).keep();
                let error = both().await.unwrap_err();
                assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, None), "{error}");
                assert!(error.to_string().contains(WRONG), "{error}");
                assert!(!error.to_string().contains("every key"), "{error}");
            })
            .await;
    });
}

both_servers! {
    async fn the_error_names_both_types(redis: Redis) {
        let list = Keys::list(1);
        let () = raw(&redis, &["SADD", &wire(&list), "1"]).await;
        for error in [
            list.llen().await.unwrap_err(),
            list.rpush(&1).await.unwrap_err(),
            list.lpop().await.unwrap_err(),
            list.lrange(..).await.unwrap_err(),
            list.rpush(&1).trim_to(3).await.unwrap_err(),
            list.rpush_many((0..10_000).collect::<Vec<u64>>()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
            assert!(error.to_string().contains("collections:list"), "{error}");
        }
        let bitmap = Keys::bitmap(1, 0);
        let () = raw(&redis, &["RPUSH", &wire(&bitmap), "1"]).await;
        for error in [
            bitmap.set_bit(1, true).await.unwrap_err(),
            bitmap.bit_count(..).await.unwrap_err(),
            bitmap.bit_pos(true, ..).await.unwrap_err(),
            bitmap.bit_field().get(U::<8>, 0).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert!(error.to_string().contains("expected string (Bitmap), found list"), "{error}");
        }
        for write in [bitmap.bit_field().set(U::<63>, 0, 1), bitmap.bit_field().set(U::<8>, 0, 1)] {
            assert_eq!(write.await.unwrap_err().kind(), ErrorKind::WrongType);
        }
        assert_eq!(bitmap.bit_pos(false, 3..).await.unwrap_err().kind(), ErrorKind::WrongType);
        let visitors = Keys::visitors(1, 0);
        let () = raw(&redis, &["SET", &wire(&visitors), "no HyperLogLog"]).await;
        for error in [visitors.pf_add([1]).await.unwrap_err(), visitors.pf_count().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            let said = error.to_string();
            assert!(said.contains("expected HyperLogLog<u64>, found another string"), "{error}");
        }
        let places = Keys::places(1);
        let () = raw(&redis, &["SET", &wire(&places), "foreign"]).await;
        let position = Position::new(13.4, 52.5).unwrap();
        for error in [
            places.geo_add(&1, position).await.unwrap_err(),
            places.geo_pos([1]).await.unwrap_err(),
            places.geo_search(From::member(&1), By::radius(Distance::km(1.0))).await.unwrap_err(),
        ] {
            assert!(error.to_string().contains("expected zset (Geo<u64>), found string"), "{error}");
        }
        let scores = Keys::scores(1);
        let () = raw(&redis, &["SADD", &wire(&scores), "1"]).await;
        for error in [
            scores.zadd(&1, 1.0).keep_top(1).await.unwrap_err(),
            scores.zrank(&1).with_score().await.unwrap_err(),
            scores.zaround(&1, 1).await.unwrap_err(),
            scores.zpage(0, 10).await.unwrap_err(),
            scores.zrange_by_lex(..).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert!(error.to_string().contains("expected zset (SortedSet<u64>), found set"), "{error}");
        }
        let text = Keys::text(1);
        let () = raw(&redis, &["RPUSH", &wire(&text), "1"]).await;
        let error = text.get().await.unwrap_err();
        assert!(error.to_string().contains("expected string (Text), found list"), "{error}");
        text.set("written").await.unwrap();
        assert_eq!(text.get().await.unwrap().as_deref(), Some("written"), "SET replaces any type");
    }

    async fn the_errors_of_batches_and_transactions_name_both_types(redis: Redis) {
        let (list, other, scores) = (Keys::list(2), Keys::texts(2), Keys::scores(2));
        let () = raw(&redis, &["SADD", &wire(&list), "1"]).await;
        let () = raw(&redis, &["SET", &wire(&scores), "foreign"]).await;
        let commands = || (list.llen(), other.rpush("a"), list.rpush(&1), scores.zcard());
        for each in [redis.batch(commands()).each().await, redis.transaction(commands()).each().await] {
            let (length, pushed, push, count) = each.unwrap();
            assert!(pushed.is_ok(), "{pushed:?}");
            for error in [length.unwrap_err(), push.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
                assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
            }
            let error = count.unwrap_err().to_string();
            assert!(error.contains("expected zset (SortedSet<u64>), found string"), "{error}");
        }
        // Each of these is two commands.
        let several = || (scores.zpage(0, 1), scores.zrank(&1).with_score());
        for each in [redis.batch(several()).each().await, redis.transaction(several()).each().await] {
            let (page, rank) = each.unwrap();
            for error in [page.unwrap_err(), rank.unwrap_err()] {
                assert!(error.to_string().contains("expected zset (SortedSet<u64>), found string"), "{error}");
            }
        }
        let error = redis.batch(commands()).await.unwrap_err();
        assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
        let error = redis.transaction(vec![list.llen(), list.llen()]).await.unwrap_err();
        assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
    }

    async fn a_wrong_command_accuses_no_key(_redis: Redis) {
        let (scores, text) = (Keys::scores(73), Keys::text(73));
        scores.zadd(&1, 1.0).await.unwrap();
        let error = scores.raw("LLEN").read_only().query::<u64>().await.unwrap_err();
        let words = "declared as zset (SortedSet<u64>), and the key has this type";
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("or the command needs another type"), "{error}");
        text.set("a text").await.unwrap();
        let error = text.raw("PFCOUNT").read_only().query::<u64>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert!(!error.to_string().contains("expected"), "{error}");
    }

    async fn operations_on_several_keys_name_the_key(redis: Redis) {
        several_keys(redis).await;
    }

    async fn operations_of_several_steps_name_both_types(_redis: Redis) {
        let (text, profile) = (Keys::text(71), Keys::profile(71));
        put(&text, "RPUSH").await;
        assert_names(text.update(|_| ()).await, &text, "expected string (Text), found list");
        put(&profile, "RPUSH").await;
        let words = "expected hash (Record<Profile>), found list";
        assert_names(profile.update(|_: &mut Profile| ()).await, &profile, words);
        let (map, set, scores) = (Keys::map(71), Keys::set(71, 1), Keys::scores(71));
        put(&map, "RPUSH").await;
        put(&set, "RPUSH").await;
        put(&scores, "RPUSH").await;
        assert_names(map.hscan().next().await.unwrap(), &map, "expected hash (Hash<Text, u64>), found list");
        assert_names(set.sscan().next().await.unwrap(), &set, "expected set (Set<u64>), found list");
        assert_names(scores.zscan().next().await.unwrap(), &scores, "expected zset (SortedSet<u64>), found list");
    }
}
