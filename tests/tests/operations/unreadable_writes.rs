//! Values that no reader could decode, and values that are too large: no write stores them.

use std::cell::Cell;
use std::collections::BTreeMap;

use redis_keyspace::update::Change;
use redis_keyspace::{Bytes, Error, ErrorKind, Json, Key, Keyspace, Once, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, child_test, shared_server, unique_namespace, within};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Serializes as a number and deserializes from a string.
#[derive(Debug, Clone, PartialEq)]
struct OneWay(u8);

impl Serialize for OneWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self(0))
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "unreadable", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    float: fn(id: u32) -> Json<f64>,
    floats: fn(id: u32) -> Json<Vec<f32>>,
    value: fn(id: u32) -> Json<serde_json::Value>,
    map: fn(id: u32) -> Json<BTreeMap<String, Flat>>,
    work: fn(id: u32) -> Once<Json<f64>>,
    one_way: fn(id: u32) -> Json<OneWay>,
    one_way_work: fn(id: u32) -> Once<Json<OneWay>>,
    text: fn(id: u32) -> Text,
    bytes: fn(id: u32) -> Bytes,
    list: fn(id: u32) -> Json<Counted>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flat {
    name: u8,
    #[serde(flatten)]
    others: BTreeMap<String, u8>,
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Error>, words: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.key().is_some_and(|key| key.starts_with("unreadable:")), "{error:?}");
}

both_servers! {
    async fn no_write_stores_a_number_that_json_can_not_represent(redis: Redis) {
        for (id, number) in [(1, f64::NAN), (2, f64::INFINITY), (3, f64::NEG_INFINITY)] {
            let key = Keys::float(id);
            assert_refused(key.set(&number).await, "JSON has no way");
            assert_refused(key.set(&number).only_if_absent().await, "JSON has no way");
            assert_refused(key.get_set(&number).await, "JSON has no way");
            assert_refused(Key::set_many([(key.clone(), number)]).await, "JSON has no way");
            let other = Keys::float(id + 1000);
            let each = Key::set_many([(key.clone(), number), (other.clone(), 1.5)]).each().await.unwrap();
            let [refused, Ok(())] = <[_; 2]>::try_from(each).unwrap() else { panic!("only one is refused") };
            assert_refused(refused, "JSON has no way");
            assert_eq!(other.get().await.unwrap(), Some(1.5), "the other one is stored");
            let (set, got) = redis.batch((key.set(&number), key.get())).each().await.unwrap();
            assert_refused(set, "JSON has no way");
            assert_eq!(got.unwrap(), None);
            assert_refused(redis.transaction((key.set(&number), key.get())).await.map(drop), "JSON has no way");
            assert_refused(key.get_or_set(|| async { number }).await, "JSON has no way");
            assert_refused(key.update_or_insert(|| 1.0, |value| *value = number).await, "JSON has no way");
            assert_refused(key.update_with(|_| Change::Set(number)).await, "JSON has no way");
            let load = async |ids: Vec<u32>| ids.into_iter().map(|id| (id, number)).collect::<Vec<_>>();
            assert_refused(Key::get_or_set_many([id], Keys::float, load).await, "JSON has no way");
            assert_eq!(key.get().await.unwrap(), None);
            assert!(!key.exists().await.unwrap());
            // The existing value is kept, and the key still works.
            key.set(&0.1).await.unwrap();
            assert_refused(key.update(|value| *value = number).await, "JSON has no way");
            assert_eq!(key.get().await.unwrap(), Some(0.1));
        }
        assert_refused(Keys::floats(1).set(&vec![1.0, f32::NAN]).await, "`[1]`");
    }

    async fn no_write_stores_deeply_nested_values_or_duplicate_keys(_redis: Redis) {
        let nested = |depth| (0..depth).fold(serde_json::Value::Null, |value, _| vec![value].into());
        assert_refused(Keys::value(1).set(&nested(128)).await, "127 levels");
        assert_eq!(Keys::value(1).get().await.unwrap(), None);
        Keys::value(1).set(&nested(127)).await.unwrap();
        assert_eq!(Keys::value(1).get().await.unwrap(), Some(nested(127)));

        let clash = Flat { name: 1, others: BTreeMap::from([("name".to_owned(), 2)]) };
        let map = BTreeMap::from([("a".to_owned(), clash)]);
        assert_refused(Keys::map(1).set(&map).await, "written twice");
    }

    async fn floats_round_trip_exactly(_redis: Redis) {
        // `float_roundtrip` matters for these numbers.
        for number in [0.1 + 0.2, 4.35e-14, 9_007_199_254_740_993e3, 5e-324, f64::MAX, 4_347_646_346.340_218] {
            Keys::float(9).set(&number).await.unwrap();
            assert_eq!(Keys::float(9).get().await.unwrap().map(f64::to_bits), Some(number.to_bits()));
        }
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let numbers: Vec<f64> = std::iter::repeat_with(|| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(bits)
        })
        .filter(|number| number.is_finite())
        .take(2000)
        .collect();
        let entries = (0..).zip(&numbers).map(|(id, number)| (Keys::float(id), *number));
        Key::set_many(entries).await.unwrap();
        let read = Key::get_many((0..2000).map(Keys::float)).await.unwrap();
        for (number, read) in numbers.iter().zip(read) {
            assert_eq!(read.map(f64::to_bits), Some(number.to_bits()), "{number:e}");
        }
    }

    async fn verification_finds_types_that_do_not_round_trip(redis: Redis) {
        let _ = redis;
        let (verifying, trusting) = (built(true), built(false));
        for key in [Keys::one_way(1).on(&verifying), Keys::one_way(1).on(&trusting), Keys::one_way(1)] {
            assert_refused(key.set(&OneWay(1)).on(&verifying).await, "no reader could decode");
            assert_refused(key.set(&OneWay(1)).only_if_absent().on(&verifying).await, "no reader could decode");
            assert_refused(Key::set_many([(key.clone(), OneWay(1))]).on(&verifying).await, "no reader");
            let each = Key::set_many([(key.clone(), OneWay(1))]).on(&verifying).each().await.unwrap();
            each.into_iter().for_each(|result| assert_refused(result, "no reader"));
        }
        let key = Keys::one_way(1).on(&verifying);
        let (set, there) = verifying.batch((key.set(&OneWay(1)), key.exists())).each().await.unwrap();
        assert_refused(set, "no reader could decode");
        assert!(!there.unwrap());
        assert_refused(verifying.transaction((key.set(&OneWay(1)), key.exists())).await.map(drop), "no reader");
        assert_refused(key.get_or_set(|| async { OneWay(1) }).await, "no reader could decode");
        assert_refused(key.update_or_insert(|| OneWay(1), |_| {}).await, "no reader could decode");
        assert_refused(key.set(&OneWay(1)).await, "`verify_writes`");
        assert!(!key.exists().await.unwrap());
        // If writes are not verified, the value is stored. Other handles change nothing.
        let key = Keys::one_way(1);
        key.set(&OneWay(1)).on(&trusting).await.unwrap();
        Key::set_many([(key.clone(), OneWay(1))]).on(&trusting).await.unwrap();
        let (stored, there) = trusting.batch((key.set(&OneWay(1)), key.exists())).await.unwrap();
        assert_eq!((stored, there), ((), true));
        let error = key.get().on(&trusting).await.unwrap_err();
        assert!(error.is_decode(), "{error}");
        assert_eq!(Keys::one_way(2).on(&trusting).get_or_set(|| async { OneWay(1) }).await.unwrap(), OneWay(1));
        // The option for one keyspace.
        let some = Redis::builder().embedded(Server::new()).verify_writes(false);
        let some = some.keyspace::<Keys>(|options| options.verify_writes(true)).build().unwrap();
        assert_refused(Keys::one_way(1).set(&OneWay(1)).on(&some).await, "no reader could decode");
    }

    async fn no_write_sends_a_value_that_is_too_large(redis: Redis) {
        let _ = redis;
        for builder in builders() {
            let small = builder.max_value_bytes(4096).build().unwrap();
            let large = "x".repeat(5000);
            let key = Keys::text(1).on(&small);
            let refusals = [
                key.set(&large).await.unwrap_err(),
                Keys::text(1).set(&large).on(&small).await.unwrap_err(),
                Keys::bytes(1).on(&small).set(large.as_bytes()).await.unwrap_err(),
                key.get_or_set(|| async { large.clone() }).await.unwrap_err(),
                key.update_or_insert(String::new, |text| *text = large.clone()).await.unwrap_err(),
                Key::set_many([(key.clone(), large.as_str())]).await.unwrap_err(),
                small.batch((key.set(&large),)).await.unwrap_err(),
                small.transaction((Keys::text(1).set(&large),)).await.unwrap_err(),
            ];
            for error in refusals {
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                assert!(error.to_string().contains("`max_value_bytes` (4096)"), "{error}");
            }
            assert!(!key.exists().await.unwrap());
            key.set(&"x".repeat(4096)).await.unwrap();
        }
    }
}

#[test]
fn debug_builds_verify_writes_by_default() {
    within(PATIENCE, async {
        let redis = Redis::builder().embedded(Server::new()).build().unwrap();
        let outcome = Keys::one_way(1).on(&redis).set(&OneWay(1)).await;
        assert_eq!(outcome.is_err(), cfg!(debug_assertions), "{outcome:?}");
    });
}

/// Returns a builder for each server.
fn builders() -> [RedisBuilder; 2] {
    let namespace = unique_namespace();
    let builders =
        [Redis::builder().embedded(Server::new()), Redis::builder().url(&shared_server().url()).unwrap()];
    builders.map(|builder| builder.namespace(&namespace).unwrap())
}

fn built(verifies: bool) -> Redis {
    Redis::builder().embedded(Server::new()).verify_writes(verifies).build().unwrap()
}

thread_local! {
    static ENCODED: Cell<u64> = const { Cell::new(0) };
}

/// A list of numbers that counts how many of them were encoded.
#[derive(Debug, Clone, Deserialize)]
struct Counted(u64);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0).inspect(|_| ENCODED.set(ENCODED.get() + 1)))
    }
}

/// Encoding stops early if the limit is known before: set on the key, or equal for all handles of
/// the process.
#[test]
fn encoding_stops_at_the_limit() {
    child_test!("encoding_stops_at_the_limit_child").env("UNREADABLE_CHILD", "1").run();
}

#[test]
fn encoding_stops_at_the_limit_child() {
    if std::env::var_os("UNREADABLE_CHILD").is_none() {
        return;
    }
    within(PATIENCE, async {
        // Practically endless.
        let endless = || Counted(u64::MAX);
        let built = || Redis::builder().embedded(Server::new()).verify_writes(false).max_value_bytes(10_000);
        let small = built().build().unwrap();
        let refused = |outcome: Result<(), Error>| {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TooLarge);
            let count = ENCODED.take();
            assert!((1000..10_000).contains(&count), "{count}");
        };
        // With one handle, its limit applies to all commands.
        refused(Keys::list(1).set(&endless()).on(&small).await);
        refused(Key::set_many([(Keys::list(1), endless())]).on(&small).await);
        refused(small.batch((Keys::list(1).set(&endless()),)).await.map(drop));
        // With a second handle of a larger limit, the handle must be on the key or known to the
        // operation.
        let large = Redis::builder().embedded(Server::new()).build().unwrap();
        let text = "x".repeat(20_000);
        Keys::text(1).set(&text).on(&large).await.unwrap();
        let error = Keys::text(1).set(&text).on(&small).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let key = Keys::list(1).on(&small);
        refused(key.set(&endless()).await);
        refused(key.get_or_set(|| async { endless() }).await.map(drop));
        refused(key.update_or_insert(endless, |_| {}).await.map(drop));
        // The limit of a keyspace.
        let some = Redis::builder().embedded(Server::new()).keyspace::<Keys>(|it| it.max_value_bytes(10_000));
        let some = some.build().unwrap();
        refused(Keys::list(1).on(&some).set(&endless()).await);
        // Dropping the handle also removes its larger limit.
        drop((large, some));
        refused(Keys::list(1).set(&endless()).on(&small).await);
    });
}

#[test]
fn once_reports_a_result_that_can_not_be_decoded() {
    within(PATIENCE, async {
        let redis = built(true);
        let error = Keys::work(1).on(&redis).run(|| async { f64::NAN }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
        let error = Keys::one_way_work(1).on(&redis).run(|| async { OneWay(7) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
        assert!(error.to_string().contains("no reader could decode"), "{error}");
        // The key is not blocked, neither for the lease nor for its lifetime.
        assert_eq!(Keys::work(1).on(&redis).run(|| async { 0.5 }).await.unwrap(), 0.5);
        assert!(!Keys::one_way_work(1).on(&redis).exists().await.unwrap());
    });
}
