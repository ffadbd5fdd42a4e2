//! Values of other programs at our keys: undecodable bytes and other Redis types.

use std::error::Error as _;

use redis_keyspace::{Counter, Error, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_tests::{both_servers, raw, secrets, wire};

const SECRET: &str = "xyzzy-hunter2";

#[derive(Keyspace)]
#[keyspace(prefix = "odd", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    map: fn(id: u64) -> Json<std::collections::HashMap<String, u8>>,
    list: fn(id: u64) -> Json<Vec<u8>>,
    text: fn(id: u64) -> Text,
    flag: fn(id: u64) -> bool,
    byte: fn(id: u64) -> u8,
    signed: fn(id: u64) -> i8,
    word: fn(id: u64) -> u64,
    wide: fn(id: u64) -> i128,
    count: fn(id: u64) -> Counter,
}

/// Returns the text of an error and of all its sources.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

#[track_caller]
fn assert_decode(error: &Error, command: &str, key: &str, field: &str) {
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    assert!(error.is_decode());
    assert_eq!((error.command(), error.key()), (Some(command), Some(key)), "{error}");
    assert_eq!(error.field(), Some(field), "{error}");
    assert_eq!(error.keyspace(), Some("Keys"));
    assert!(error.to_string().contains(key), "{error}");
    secrets::assert_absent(SECRET, [shown(error)]);
}

async fn put(redis: &Redis, key: String, value: &str) {
    raw::<()>(redis, &["SET", &key, value]).await;
}

both_servers! {
    async fn a_decode_error_names_the_place_and_never_the_value(redis: Redis) {
        for text in [
            format!("{{\"{SECRET}\": \"{SECRET}\"}}"),
            format!("{{\"a\": \"{SECRET}\"}}"),
            format!("{{\"a\": {SECRET}}}"),
            SECRET.to_owned(),
            format!("{{\"a\": 1}} {SECRET}"),
            format!("{{\"{SECRET}"),
            String::new(),
        ] {
            put(&redis, wire(&Keys::map(1)), &text).await;
            let error = Keys::map(1).get().await.unwrap_err();
            assert_decode(&error, "GET", "odd:map:1", "map");
            assert!(error.to_string().contains("line 1 column"), "{error}");
        }
        let latin = [b"{\"a\": 1, \"".as_slice(), b"gr\xfc\xdfe", SECRET.as_bytes(), b"\": 2}"].concat();
        let mut set = redis::cmd("SET");
        set.arg(wire(&Keys::map(1))).arg(latin);
        redis.raw(|mut connection| async move { set.exec_async(&mut connection).await }).await.unwrap();
        let error = Keys::map(1).get().await.unwrap_err();
        assert_decode(&error, "GET", "odd:map:1", "map");
        assert!(error.to_string().contains("not UTF-8 from byte 12"), "{error}");
        let bytes: &[&str] = &[SECRET, "", " 1", "1 ", "256", "-1", "1.0", "1e2", "0x1", "99999999999999999999999"];
        for text in bytes {
            put(&redis, wire(&Keys::byte(1)), text).await;
            assert_decode(&Keys::byte(1).get().await.unwrap_err(), "GET", "odd:byte:1", "byte");
        }
        for text in [SECRET, "", "true", "2", "01", "1\n"] {
            put(&redis, wire(&Keys::flag(1)), text).await;
            assert_decode(&Keys::flag(1).get().await.unwrap_err(), "GET", "odd:flag:1", "flag");
        }
    }

    async fn integers_out_of_range_never_wrap(redis: Redis) {
        for (text, byte, signed, word) in [
            ("127", Some(127), Some(127), Some(127)),
            ("128", Some(128), None, Some(128)),
            ("300", None, None, Some(300)),
            ("-1", None, Some(-1), None),
            ("-129", None, None, None),
            ("18446744073709551615", None, None, Some(u64::MAX)),
            ("18446744073709551616", None, None, None),
        ] {
            for key in [wire(&Keys::byte(2)), wire(&Keys::signed(2)), wire(&Keys::word(2))] {
                put(&redis, key, text).await;
            }
            assert_eq!(Keys::byte(2).get().await.ok(), byte.map(Some), "{text}");
            assert_eq!(Keys::signed(2).get().await.ok(), signed.map(Some), "{text}");
            assert_eq!(Keys::word(2).get().await.ok(), word.map(Some), "{text}");
        }
        put(&redis, wire(&Keys::wide(2)), &format!("{}0", i128::MAX)).await;
        assert!(Keys::wide(2).get().await.unwrap_err().is_decode());
    }

    async fn every_read_reports_the_same_error(redis: Redis) {
        let key = Keys::list(3);
        put(&redis, wire(&key), SECRET).await;
        assert_decode(&key.get().await.unwrap_err(), "GET", "odd:list:3", "list");
        assert_decode(&key.get_json().await.unwrap_err(), "GET", "odd:list:3", "list");
        assert_decode(&key.get_ex().await.unwrap_err(), "GETEX", "odd:list:3", "list");
        assert_decode(&key.get_set(&vec![1]).await.unwrap_err(), "SET", "odd:list:3", "list");
        assert_eq!(key.get().await.unwrap(), Some(vec![1]), "the old value can't be decoded, but the new one is stored");
        put(&redis, wire(&key), SECRET).await;
        assert_decode(&key.set(&vec![2]).keep_ttl().returning_old().await.unwrap_err(), "SET", "odd:list:3", "list");
        put(&redis, wire(&key), SECRET).await;
        assert_decode(&key.get_del().await.unwrap_err(), "GETDEL", "odd:list:3", "list");
        assert!(!key.exists().await.unwrap());
        put(&redis, wire(&Keys::count(3)), SECRET).await;
        assert_decode(&Keys::count(3).get().await.unwrap_err(), "GET", "odd:count:3", "count");
        put(&redis, wire(&Keys::count(3)), "9223372036854775808").await;
        assert_decode(&Keys::count(3).get().await.unwrap_err(), "GET", "odd:count:3", "count");
    }

    async fn the_undecodable_key_among_many_is_named(redis: Redis) {
        Keys::list(1).set(&vec![1]).await.unwrap();
        put(&redis, wire(&Keys::list(2)), SECRET).await;
        let error = Key::get_many([1, 2, 3].map(Keys::list)).await.unwrap_err();
        assert_decode(&error, "MGET", "odd:list:2", "list");
        let error = Key::get_many((0..2500).map(|id| Keys::list(if id == 2400 { 2 } else { 1 }))).await.unwrap_err();
        assert_decode(&error, "MGET", "odd:list:2", "list");
        let batch = redis.batch([Keys::list(1).get(), Keys::list(2).get()]);
        let [first, second] = batch.each().await.unwrap();
        assert_eq!(first.unwrap(), Some(vec![1]));
        assert_decode(&second.unwrap_err(), "GET", "odd:list:2", "list");
        let error = redis.batch((Keys::list(1).get(), Keys::list(2).get())).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("odd:list:2"), "{error}");
        secrets::assert_absent(SECRET, [shown(&error)]);
    }

    async fn invalid_utf_8_is_a_decode_error(redis: Redis) {
        let key = wire(&Keys::text(1));
        let set = redis.raw(|mut connection| async move {
            redis::cmd("SET").arg(key).arg(&b"ab\xff"[..]).query_async::<()>(&mut connection).await
        });
        set.await.unwrap();
        let error = Keys::text(1).get().await.unwrap_err();
        assert_decode(&error, "GET", "odd:text:1", "text");
        assert!(error.to_string().contains("byte 2"), "{error}");
    }

    async fn another_redis_type_is_an_error(redis: Redis) {
        let (text, count) = (Keys::text(4), Keys::count(4));
        raw::<u64>(&redis, &["RPUSH", &wire(&text), SECRET]).await;
        raw::<u64>(&redis, &["RPUSH", &wire(&count), SECRET]).await;
        for error in [
            text.get().await.unwrap_err(),
            text.get_ex().await.unwrap_err(),
            text.get_del().await.unwrap_err(),
            text.get_set("x").await.unwrap_err(),
            text.strlen().await.unwrap_err(),
            text.get_or_set(|| async { panic!("another type is not a miss") }).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert_eq!((error.key(), error.code()), (Some("odd:text:4"), Some("WRONGTYPE")), "{error}");
            assert_eq!(error.field(), Some("text"));
            secrets::assert_absent(SECRET, [shown(&error)]);
        }
        for error in [count.get().await.unwrap_err(), count.incr().await.unwrap_err(), count.decr_by(7).await.unwrap_err()] {
            assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, Some("odd:count:4")), "{error}");
        }
        assert_eq!(raw::<Vec<String>>(&redis, &["LRANGE", &wire(&text), "0", "-1"]).await, [SECRET]);
        // Commands that accept any type still work.
        assert!(text.exists().await.unwrap());
        assert!(text.expire(std::time::Duration::from_secs(60)).await.unwrap());
        assert_eq!(Key::get_many([text.clone()]).await.unwrap(), [None], "MGET returns nil for other types");
        assert!(!text.set("x").only_if_absent().await.unwrap());
        text.set("x").await.unwrap();
        assert_eq!(text.get().await.unwrap().as_deref(), Some("x"), "SET replaces any type");
        assert!(count.del().await.unwrap());
    }
}
