//! Operations on the keys of a template, for each kind, next to keys that do not belong to it.

use std::collections::BTreeSet;
use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::geo::Position;
use redis_keyspace::kind::Kind;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::scan::Pattern;
use redis_keyspace::{
    Bitmap, Bytes, Counter, Geo, Group, Hash, HyperLogLog, Json, Key, Keyspace, List, Lock, Once, RateLimit,
    Raw, Record, Redis, RedisBuilder, Set, SortedSet, Stream, Text,
};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, shared_cluster, shared_server, unique_namespace, within};

use crate::Sparse;
use crate::values::is_new;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "patterns", ttl = none)]
struct PatternKeys {
    text: fn(id: u64) -> Text,
    bytes: fn(id: u64) -> Bytes,
    json: fn(id: u64) -> Json<Vec<u64>>,
    number: fn(id: u64) -> i64,
    counter: fn(id: u64) -> Counter,
    bitmap: fn(id: u64) -> Bitmap,
    visitors: fn(id: u64) -> HyperLogLog<u64>,
    list: fn(id: u64) -> List<u64>,
    set: fn(id: u64) -> Set<u64>,
    sorted: fn(id: u64) -> SortedSet<u64>,
    places: fn(id: u64) -> Geo<u64>,
    hash: fn(id: u64) -> Hash<Text, u64>,
    record: fn(id: u64) -> Record<Sparse>,
    #[key("stream:{id}", trim = none)]
    stream: fn(id: u64) -> Stream<u64>,
    #[key("lock:{id}", ttl = "1h")]
    lock: fn(id: u64) -> Lock,
    limit: fn(id: u64) -> RateLimit,
    once: fn(id: u64) -> Once<Text>,
    #[key("group:{id}", ttl = "1h")]
    group: fn(id: u64) -> Group,
    #[key("member:{id}", ttl = "1h")]
    member: fn(id: u64) -> Bytes,
}

/// The same keys, written by a program that knows nothing of the templates.
#[derive(Keyspace)]
#[keyspace(prefix = "patterns", ttl = none)]
struct ForeignKeys {
    #[key("{key}")]
    bytes: fn(key: Raw<&str>) -> Bytes,
}

/// Writes a key of this type.
async fn write_foreign(key: &Key<ForeignKeys, Bytes>, redis_type: &str) {
    let command = match redis_type {
        "string" => key.raw("SET").arg("x"),
        "list" => key.raw("RPUSH").arg("x"),
        "set" => key.raw("SADD").arg("x"),
        "zset" => key.raw("ZADD").arg(1).arg("x"),
        "hash" => key.raw("HSET").arg("x").arg("y"),
        "stream" => key.raw("XADD").arg("*").arg("x").arg("y"),
        other => panic!("no type {other}"),
    };
    command.writes().query::<redis::Value>().await.unwrap();
}

const TYPES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

/// The patterns of a kind, of all keys and of one.
struct Patterns<V: Kind> {
    field: &'static str,
    all: Pattern<PatternKeys, V>,
    one: fn(u64) -> Pattern<PatternKeys, V>,
}

impl<V: Kind> Patterns<V> {
    fn foreign(&self, rest: &str) -> Key<ForeignKeys, Bytes> {
        ForeignKeys::bytes(Raw(&format!("{}:{rest}", self.field)))
    }

    /// The numbers of the keys that a scan finds.
    async fn found(&self) -> BTreeSet<String> {
        let (mut found, mut scan) = (BTreeSet::new(), self.all.scan());
        while let Some(next) = scan.next().await.transpose().unwrap() {
            assert!(found.insert(next.key().as_str().to_owned()), "{}: found twice", self.field);
        }
        assert_eq!(scan.skipped(), 1, "{}: the key that does not parse", self.field);
        found
    }

    /// Checks the operations. The keys 1, 2 and 3 exist.
    async fn check(self) {
        let field = self.field;
        // One key of each other type, and one of the own type that is not of the template.
        let types = TYPES.iter().filter(|redis_type| **redis_type != V::REDIS_TYPE);
        let foreign: Vec<_> = types.zip(10..).collect();
        assert_eq!(foreign.len(), 5);
        for (redis_type, id) in &foreign {
            write_foreign(&self.foreign(&id.to_string()), redis_type).await;
        }
        write_foreign(&self.foreign("x"), V::REDIS_TYPE).await;
        let names = |ids: &[u64]| -> BTreeSet<String> {
            ids.iter().map(|id| format!("patterns:{field}:{id}")).collect()
        };
        assert_eq!(self.found().await, names(&[1, 2, 3]), "{field}");
        assert_eq!(self.all.count().await.unwrap(), 3, "{field}");
        for (id, count) in [(1, 1), (4, 0), (10, 0)] {
            assert_eq!((self.one)(id).count().await.unwrap(), count, "{field}:{id}");
            assert_eq!((self.one)(id).exists().await.unwrap(), count == 1, "{field}:{id}");
        }

        let expiring = self.all.expire(MINUTE).await.unwrap();
        assert_eq!((expiring.matched, expiring.affected, expiring.skipped), (3, 3, 1), "{field}");
        for id in 1..=3 {
            let key = self.foreign(&id.to_string());
            assert!(is_new(key.ttl().await.unwrap(), MINUTE), "{key}");
        }
        assert_eq!((self.one)(10).expire(MINUTE).await.unwrap().affected, 0, "{field}");

        assert_eq!((self.one)(10).delete().await.unwrap().affected, 0, "{field}");
        assert_eq!((self.one)(1).delete().await.unwrap().affected, 1, "{field}");
        assert_eq!(self.found().await, names(&[2, 3]), "{field}");
        let dry = self.all.delete().dry_run().await.unwrap();
        assert_eq!((dry.matched, dry.affected), (2, 0), "{field}");
        let deleted = self.all.delete().await.unwrap();
        assert_eq!((deleted.matched, deleted.affected, deleted.skipped), (2, 2, 1), "{field}");
        assert_eq!(self.all.count().await.unwrap(), 0, "{field}");
        assert!(!self.foreign("2").exists().await.unwrap(), "{field}");

        // What does not belong to the template is as before.
        let ids = foreign.iter().map(|(_, id)| id.to_string()).chain(["x".to_owned()]);
        for id in ids {
            let key = self.foreign(&id);
            assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry, "{key}");
        }
    }
}

/// Fills three keys of a kind and checks its patterns.
macro_rules! check_kinds {
    ($($field:ident $pattern:ident: |$key:pat_param| $fill:expr;)*) => {
        async fn check_kinds() {
            $(
                for id in 1..=3 {
                    let $key = PatternKeys::$field(id);
                    _ = $fill.await.unwrap();
                }
                let (all, one) = (PatternKeys::$pattern().all(), |id| Pattern::clone(&PatternKeys::$pattern().id(id)));
                Patterns { field: stringify!($field), all, one }.check().await;
            )*
        }

        const FIELDS: &[&str] = &[$(stringify!($field)),*];
    };
}

check_kinds! {
    text text_keys: |key| key.set("a");
    bytes bytes_keys: |key| key.set(b"a");
    json json_keys: |key| key.set(&vec![1]);
    number number_keys: |key| key.set(&1);
    counter counter_keys: |key| key.incr();
    bitmap bitmap_keys: |key| key.set_bit(7, true);
    visitors visitors_keys: |key| key.pf_add([1]);
    list list_keys: |key| key.rpush(&1);
    set set_keys: |key| key.sadd(&1);
    sorted sorted_keys: |key| key.zadd(&1, 1.0);
    places places_keys: |key| key.geo_add(&1, Position::new(13.4, 52.5).unwrap());
    hash hash_keys: |key| key.hset("a", &1);
    record record_keys: |key| key.save(&Sparse { first_part: Some(1), second_part: None });
    stream stream_keys: |key| key.xadd(&1);
    lock lock_keys: |key| key.raw("SET").arg("held").writes().query::<()>();
    limit limit_keys: |key| key.check(Rate::per_hour(1));
    once once_keys: |key| key.run(|| async { "done".to_owned() });
    group group_keys: |key| async move { key.member(&PatternKeys::member(99)).await };
    member member_keys: |key| key.set(b"a");
}

#[test]
fn every_template_is_in_the_table() {
    let fields: BTreeSet<&str> =
        PatternKeys::META.templates().iter().map(|template| template.field()).collect();
    assert_eq!(fields, FIELDS.iter().copied().collect());
    let types: BTreeSet<&str> =
        PatternKeys::META.templates().iter().map(|template| template.redis_type()).collect();
    assert_eq!(types, BTreeSet::from(TYPES), "each type of the server");
}

/// Two keyspaces write the same keys.
fn check_on(builder: RedisBuilder) {
    let builder = builder.namespace(unique_namespace()).unwrap().timeout(PATIENCE);
    let redis = builder.allow_overlapping_keyspaces().build().unwrap();
    within(PATIENCE, redis.scope(check_kinds()));
}

#[test]
fn patterns_of_each_kind_leave_other_keys_alone_on_the_embedded_server() {
    check_on(Redis::builder().embedded(Server::new()));
}

#[test]
fn patterns_of_each_kind_leave_other_keys_alone_on_a_real_server() {
    check_on(Redis::builder().url(&shared_server().url()).unwrap());
}

#[test]
fn patterns_of_each_kind_leave_other_keys_alone_on_a_cluster() {
    check_on(Redis::builder().url(&shared_cluster().seeds_url()).unwrap());
}
