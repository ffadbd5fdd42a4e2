//! A key of another type is an error that names both types.

use redis_keyspace::command::U;
use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_tests::{both_servers, raw, wire};

use crate::Keys;

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
        let error = redis.batch(commands()).await.unwrap_err();
        assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
        let error = redis.transaction(vec![list.llen(), list.llen()]).await.unwrap_err();
        assert!(error.to_string().contains("expected list (List<u64>), found set"), "{error}");
    }
}
