//! Single values of every kind: they round trip, and their wire format is what other clients
//! expect.

use std::collections::BTreeMap;
use std::fmt::Debug;

use redis_keyspace::kind::{DecodeError, EncodeError, Kind, SingleValue};
use redis_keyspace::{Bytes, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_tests::{both_servers, raw, wire};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cart {
    owner: Option<String>,
    lines: Vec<(String, u32)>,
    notes: BTreeMap<String, f64>,
}

/// A point as `x,y`; the origin has no encoding.
#[derive(Debug)]
struct Point;

impl Kind for Point {
    const WIRE_FORMAT: &'static str = "x,y";
}

impl SingleValue for Point {
    type Owned = (i32, i32);
    type Borrowed = (i32, i32);

    fn encode((x, y): &(i32, i32), out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // Writes half of the encoding before it fails.
        out.extend_from_slice(format!("{x},").as_bytes());
        if (*x, *y) == (0, 0) {
            return Err(EncodeError::new("the origin has no encoding"));
        }
        out.extend_from_slice(y.to_string().as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<(i32, i32), DecodeError> {
        let parse = || {
            let (x, y) = std::str::from_utf8(bytes).ok()?.split_once(',')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        };
        parse().ok_or_else(|| DecodeError::new("not of the form x,y"))
    }

    fn borrow(owned: &(i32, i32)) -> &(i32, i32) {
        owned
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "values", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    cart: fn(id: u64) -> Json<Cart>,
    json: Json<serde_json::Value>,
    text: fn(name: &str) -> Text,
    bytes: fn(name: &str) -> Bytes,
    point: Point,
    flag: bool,
    n8: u8,
    n16: u16,
    n32: u32,
    n64: u64,
    n128: u128,
    nsize: usize,
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    i128: i128,
    isize: isize,
}

/// Writes a value, reads it in every way, and deletes it.
async fn round_trip<S, V, B>(key: Key<S, V>, values: impl IntoIterator<Item = (B, V::Owned)>)
where
    S: Keyspace,
    V: SingleValue,
    V::Owned: PartialEq + Debug,
    B: std::borrow::Borrow<V::Borrowed>,
{
    assert_eq!(key.get().await.unwrap(), None, "{key}");
    assert!(!key.exists().await.unwrap());
    assert!(!key.del().await.unwrap());
    assert_eq!(key.get_del().await.unwrap(), None);
    assert_eq!(key.strlen().await.unwrap(), 0);
    for (value, owned) in values {
        let value = value.borrow();
        key.set(value).await.unwrap();
        assert_eq!(key.get().await.unwrap().as_ref(), Some(&owned), "{key}");
        let mut encoded = Vec::new();
        V::encode(value, &mut encoded).unwrap();
        assert_eq!(key.strlen().await.unwrap(), encoded.len() as u64, "{key}");
        assert_eq!(key.get_set(value).await.unwrap().as_ref(), Some(&owned), "{key}");
        assert_eq!(key.get_ex().await.unwrap().as_ref(), Some(&owned), "{key}");
        assert_eq!(Key::get_many([key.clone()]).await.unwrap()[0].as_ref(), Some(&owned), "{key}");
        assert!(!key.set(value).only_if_absent().await.unwrap());
        assert!(key.set(value).only_if_present().await.unwrap());
        assert!(key.exists().await.unwrap());
        assert_eq!(key.get_del().await.unwrap().as_ref(), Some(&owned), "{key}");
        assert!(!key.exists().await.unwrap());
        assert!(!key.set(value).only_if_present().await.unwrap());
        assert!(key.set(value).only_if_absent().await.unwrap());
        assert!(key.del().await.unwrap());
    }
}

fn same<T: Copy>(values: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, T)> {
    values.into_iter().map(|value| (value, value))
}

both_servers! {
    async fn large_values_round_trip(_redis: Redis) {
        // Around the sizes where requests get their own connection, where replies share the read
        // buffer, and where buffers are kept.
        for length in [4 << 10, (64 << 10) - 1, 64 << 10, 300 << 10, 1 << 20] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            let bytes = redis_keyspace::bytes::Bytes::from(text.clone());
            round_trip(Keys::text("large"), [(text.clone(), text.clone())]).await;
            round_trip(Keys::bytes("large"), [(bytes.clone(), bytes.clone())]).await;
            let json = serde_json::Value::from(text);
            round_trip(Keys::json(), [(json.clone(), json)]).await;

            // Small replies next to large ones, and many large ones in one reply.
            let names: Vec<String> = (0..6).map(|at| at.to_string()).collect();
            for name in &names {
                Keys::bytes(name).set(&bytes).await.unwrap();
                Keys::text(name).set(name).await.unwrap();
            }
            for name in &names {
                let (large, small) = tokio::join!(Keys::bytes(name).get(), Keys::text(name).get());
                assert!(large.unwrap().as_ref() == Some(&bytes), "{length}");
                assert_eq!(small.unwrap().as_ref(), Some(name));
            }
            let found = Key::get_many(names.iter().map(|name| Keys::bytes(name))).await.unwrap();
            assert!(found.iter().all(|found| found.as_ref() == Some(&bytes)), "{length}");
        }
    }

    async fn integers_round_trip_at_their_limits(_redis: Redis) {
        round_trip(Keys::n8(), same([u8::MIN, u8::MAX, 7])).await;
        round_trip(Keys::n16(), same([u16::MIN, u16::MAX])).await;
        round_trip(Keys::n32(), same([u32::MIN, u32::MAX])).await;
        round_trip(Keys::n64(), same([u64::MIN, u64::MAX])).await;
        round_trip(Keys::n128(), same([u128::MIN, u128::MAX])).await;
        round_trip(Keys::nsize(), same([usize::MIN, usize::MAX])).await;
        round_trip(Keys::i8(), same([i8::MIN, -1, 0, i8::MAX])).await;
        round_trip(Keys::i16(), same([i16::MIN, -1, 0, i16::MAX])).await;
        round_trip(Keys::i32(), same([i32::MIN, -1, 0, i32::MAX])).await;
        round_trip(Keys::i64(), same([i64::MIN, -1, 0, i64::MAX])).await;
        round_trip(Keys::i128(), same([i128::MIN, -1, 0, i128::MAX])).await;
        round_trip(Keys::isize(), same([isize::MIN, -1, 0, isize::MAX])).await;
    }

    async fn booleans_round_trip(_redis: Redis) {
        round_trip(Keys::flag(), same([true, false])).await;
    }

    async fn texts_round_trip(_redis: Redis) {
        let texts = ["", " ", "a\r\nb", "$5\r\nhello\r\n", "nul\0nul", "grüße 🦀", "OK", "-1", "+OK\r\n", "nil"];
        round_trip(Keys::text("t"), texts.map(|text| (text, text.to_owned()))).await;
    }

    async fn bytes(_redis: Redis) {
        let all: Vec<u8> = (0..=255).cycle().take(70_001).collect();
        let values = [&b""[..], b"\0", b"\r\n", b"\r", b"\n", b"\xff\xfe\x00", b"*1\r\n$4\r\nPING\r\n", &all];
        round_trip(Keys::bytes("b"), values.map(|bytes| (bytes, redis_keyspace::bytes::Bytes::copy_from_slice(bytes)))).await;
    }

    async fn json(_redis: Redis) {
        let full = Cart {
            owner: Some("Ada \"the\" \r\n\0 🦀".into()),
            lines: vec![("lamp".into(), 1), (String::new(), u32::MAX)],
            notes: BTreeMap::from([("pi".into(), 3.5), ("tiny".into(), f64::MIN_POSITIVE)]),
        };
        let empty = Cart { owner: None, lines: vec![], notes: BTreeMap::new() };
        round_trip(Keys::cart(1), [(full.clone(), full), (empty.clone(), empty)]).await;
        let values = ["null", "0", "\"\"", "[]", "{}", "18446744073709551615", "[[[[1]]]]"];
        let values = values.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        round_trip(Keys::json(), values.map(|value| (value.clone(), value))).await;
    }

    async fn json_works_under_its_aliases(_redis: Redis) {
        let cart = Cart { owner: None, lines: vec![("lamp".into(), 2)], notes: BTreeMap::new() };
        assert_eq!(Keys::cart(5).get_json().await.unwrap(), None);
        Keys::cart(5).set_json(&cart).await.unwrap();
        assert_eq!(Keys::cart(5).get_json().await.unwrap().as_ref(), Some(&cart));
        let other = || async { panic!("a hit loads nothing") };
        assert_eq!(Keys::cart(5).get_or_set_json(other).await.unwrap(), cart);
    }

    async fn custom_kinds_round_trip(_redis: Redis) {
        round_trip(Keys::point(), same([(1, 2), (i32::MIN, i32::MAX)])).await;
    }

    async fn values_that_can_not_be_encoded_are_not_sent(_redis: Redis) {
        Keys::point().set(&(1, 1)).await.unwrap();
        let error = Keys::point().set(&(0, 0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(error.key(), Some("values:point"));
        assert!(error.to_string().contains("the origin has no encoding"), "{error}");
        let error = Key::set_many([(Keys::point(), (2, 2)), (Keys::point(), (0, 0))]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(error.key(), Some("values:point"));
        assert_eq!(Keys::point().get().await.unwrap(), Some((1, 1)));
        let error = Keys::point().get_or_set(|| async { (0, 0) }).await;
        assert_eq!(error.unwrap(), (1, 1), "a hit");
        Keys::point().del().await.unwrap();
        let error = Keys::point().get_or_set(|| async { (0, 0) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
    }

    async fn values_have_a_plain_wire_format(redis: Redis) {
        Keys::flag().set(&true).await.unwrap();
        Keys::i128().set(&i128::MIN).await.unwrap();
        Keys::text("wire").set("a\r\nb").await.unwrap();
        Keys::json().set(&serde_json::json!({"a": [1, null, "x"]})).await.unwrap();
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&Keys::flag())]).await, "1");
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&Keys::i128())]).await, i128::MIN.to_string());
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&Keys::text("wire"))]).await, "a\r\nb");
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&Keys::json())]).await, r#"{"a":[1,null,"x"]}"#);
    }

    async fn unusual_names_map_to_distinct_keys(redis: Redis) {
        for name in ["", "*", "a:b", "}{", "\r\n", "\0", "ü", " ", "%", "%3A", "a%3Ab", "[a-z]", "\\"] {
            Keys::text(name).set(name).await.unwrap();
        }
        for name in ["", "*", "a:b", "}{", "\r\n", "\0", "ü", " ", "%", "%3A", "a%3Ab", "[a-z]", "\\"] {
            assert_eq!(Keys::text(name).get().await.unwrap().as_deref(), Some(name));
            let seen: Option<String> = raw(&redis, &["GET", &wire(&Keys::text(name))]).await;
            assert_eq!(seen.as_deref(), Some(name));
        }
        assert!(Keys::text("*").del().await.unwrap());
        assert_eq!(Keys::text("a:b").get().await.unwrap().as_deref(), Some("a:b"));
    }

    async fn values_of_eight_mebibytes_round_trip(_redis: Redis) {
        let value: Vec<u8> = (0..8 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let keys = ["x", "y", "z"].map(Keys::bytes);
        // Three large values at once, and a small one: each command gets its own reply.
        let (a, b, c, d) = tokio::join!(
            keys[0].set(&value),
            keys[1].set(&value),
            keys[2].set(&value),
            Keys::flag().set(&true),
        );
        for stored in [a, b, c, d] {
            stored.unwrap();
        }
        let (a, flag, b, c) = tokio::join!(
            keys[0].get(),
            Keys::flag().get(),
            keys[1].get(),
            keys[2].get(),
        );
        assert_eq!(flag.unwrap(), Some(true));
        for read in [a, b, c] {
            assert!(read.unwrap().is_some_and(|read| read == value));
        }
        assert_eq!(keys[0].strlen().await.unwrap(), 8 << 20);
        let many = Key::get_many(keys.clone()).await.unwrap();
        assert!(many.iter().all(|read| read.as_deref() == Some(&value[..])));
        assert_eq!(Key::del_many(keys).await.unwrap(), 3);
    }

    async fn options_of_set_can_be_combined(_redis: Redis) {
        let key = Keys::text("options");
        assert_eq!(key.get_set("1").await.unwrap(), None);
        assert_eq!(key.set("2").returning_old().await.unwrap().as_deref(), Some("1"));
        assert_eq!(key.set("3").only_if_present().returning_old().await.unwrap().as_deref(), Some("2"));
        assert_eq!(key.set("4").only_if_absent().returning_old().await.unwrap().as_deref(), Some("3"));
        assert_eq!(key.get().await.unwrap().as_deref(), Some("3"), "the key existed");
        assert!(key.set("5").returning_old().only_if_present().await.unwrap());
        assert!(!key.set("6").only_if_present().only_if_absent().await.unwrap(), "the last option wins");
        assert_eq!(key.get().await.unwrap().as_deref(), Some("5"));
        key.del().await.unwrap();
        assert_eq!(key.set("7").only_if_present().returning_old().await.unwrap(), None);
        assert!(!key.exists().await.unwrap());
        assert_eq!(key.set("8").only_if_absent().returning_old().await.unwrap(), None);
        assert_eq!(key.get().await.unwrap().as_deref(), Some("8"));
    }

    async fn renaming(redis: Redis) {
        let (from, to) = (Keys::text("from"), Keys::text("to"));
        assert!(!from.rename(&to).await.unwrap(), "nothing to move");
        assert!(!from.rename_if_absent(&to).await.unwrap(), "nothing to move");
        from.set("1").ttl(std::time::Duration::from_secs(50)).await.unwrap();
        to.set("old").await.unwrap();
        assert!(!from.rename_if_absent(&to).await.unwrap());
        assert_eq!(to.get().await.unwrap().as_deref(), Some("old"));
        assert!(from.rename(&to).await.unwrap());
        assert_eq!((from.get().await.unwrap(), to.get().await.unwrap().as_deref()), (None, Some("1")));
        assert!(to.ttl().await.unwrap().remaining().unwrap() <= std::time::Duration::from_secs(50), "the lifetime moves with the key");
        assert!(to.rename_if_absent(&from).await.unwrap());
        assert!(from.rename(&from).await.unwrap(), "onto itself");
        assert!(raw::<bool>(&redis, &["EXISTS", &wire(&from)]).await);
    }
}
