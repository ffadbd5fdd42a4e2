//! Loads of collections, and of the fields of a hash.

use std::collections::{HashMap, HashSet};

use redis_keyspace::{Hash, Keyspace, Record, Set, Text};

use crate::Sparse;

#[derive(Keyspace)]
#[keyspace(prefix = "filled", ttl = "1h")]
pub(crate) struct FilledKeys {
    #[key("set:{id}", hash_tag = id, fills = true)]
    set: fn(id: u64) -> Set<u64>,
    #[key("record:{id}", hash_tag = id, fills = true)]
    record: fn(id: u64) -> Record<Sparse>,
    #[key("map:{id}", hash_tag = id, fills = true)]
    map: fn(id: u64) -> Hash<Text, u64>,
    text: fn(id: u64) -> Text,
}

fn both() -> HashSet<u64> {
    HashSet::from([1, 2])
}

checks! {
    get_or_set: async {
        assert_eq!(FilledKeys::set(1).get_or_set(|| async { both() }).await.unwrap(), both());
        assert_eq!(FilledKeys::set(1).smembers().await.unwrap(), both());
        assert_eq!(FilledKeys::set(1).get_or_set(|| async { unreachable!() }).await.unwrap(), both());
        let text = FilledKeys::text(1);
        assert_eq!(text.get_or_set(|| async { "a".to_owned() }).await.unwrap(), "a");
        assert_eq!(text.get_or_set(|| async { unreachable!() }).await.unwrap(), "a");
    },
    try_get_or_set: async {
        FilledKeys::set(2).try_get_or_set(|| async { Err("no") }).await.unwrap_err();
        assert_eq!(FilledKeys::set(2).try_get_or_set(|| async { Ok::<_, ()>(both()) }).await.unwrap(), both());
        assert_eq!(FilledKeys::set(2).scard().await.unwrap(), 2);
    },
    get_or_set_optional: async {
        let key = FilledKeys::record(1);
        assert_eq!(key.get_or_set_optional(|| async { None }).await.unwrap(), None);
        let loaded = || async { Some(Sparse { first_part: Some(7), second_part: None }) };
        assert_eq!(key.get_or_set_optional(loaded).await.unwrap(), loaded().await);
        assert_eq!(key.load().await.unwrap(), loaded().await);
    },
    try_get_or_set_optional: async {
        let key = FilledKeys::set(3);
        key.try_get_or_set_optional(|| async { Err("no") }).await.unwrap_err();
        assert_eq!(key.try_get_or_set_optional(|| async { Ok::<_, ()>(Some(HashSet::new())) }).await.unwrap(), None);
        assert_eq!(key.try_get_or_set_optional(|| async { Ok::<_, ()>(Some(both())) }).await.unwrap(), Some(both()));
    },
    hget_or_set_many of Hash: async {
        let key = FilledKeys::map(1);
        key.hset("a", &1).await.unwrap();
        let load = |missing: Vec<String>| async move {
            assert_eq!(missing, ["b", "c"]);
            HashMap::from([("b".to_owned(), 2)])
        };
        let fields = ["b", "a", "c"].map(str::to_owned);
        assert_eq!(key.hget_or_set_many(fields, load).await.unwrap(), [Some(2), Some(1), None]);
        assert_eq!(key.hget_many(["a", "b"]).await.unwrap(), [Some(1), Some(2)]);
    },
    try_hget_or_set_many of Hash: async {
        let key = FilledKeys::map(2);
        let fails = |_| async { Err::<Vec<(String, u64)>, _>("no") };
        key.try_hget_or_set_many(["a".to_owned()], fails).await.unwrap_err();
        let load = |missing: Vec<String>| async { Ok::<_, ()>(missing.into_iter().map(|name| (name, 1))) };
        assert_eq!(key.try_hget_or_set_many(["a".to_owned()], load).await.unwrap(), [Some(1)]);
        assert_eq!(key.hget("a").await.unwrap(), Some(1));
    },
}
