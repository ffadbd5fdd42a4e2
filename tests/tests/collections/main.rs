//! Lists, sets, sorted sets, hashes, bitmaps, HyperLogLogs and geo sets, on the embedded server, a
//! real one and a cluster.

#[macro_use]
mod table;
mod bitmaps;
mod command_table;
mod disabled;
mod hashes;
mod hyperloglogs;
mod lifetimes;
mod limits;
mod lists;
mod permissions;
mod sets;
mod sorted_sets;
mod waiting;
mod wrong_types;

use redis_keyspace::{Bitmap, Bytes, Hash, HyperLogLog, Json, Keyspace, List, Set, SortedSet, Text};

/// A number and a text.
type Item = (u64, String);

#[derive(Keyspace)]
#[keyspace(prefix = "collections", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    #[key("list:{id}", hash_tag = id)]
    list: fn(id: u64) -> List<u64>,
    #[key("texts:{id}", hash_tag = id)]
    texts: fn(id: u64) -> List<Text>,
    #[key("set:{id}:{nth}", hash_tag = id)]
    set: fn(id: u64, nth: u64) -> Set<u64>,
    #[key("scores:{id}", hash_tag = id)]
    scores: fn(id: u64) -> SortedSet<u64>,
    #[key("map:{id}", hash_tag = id)]
    map: fn(id: u64) -> Hash<Text, u64>,
    #[key("sums:{id}", hash_tag = id)]
    sums: fn(id: u64) -> Hash<u64, i64>,
    #[key("objects:{id}", hash_tag = id)]
    objects: fn(id: u64) -> Hash<Bytes, Json<Item>>,
    #[key("text:{id}", hash_tag = id)]
    text: fn(id: u64) -> Text,
    #[key("forever:{id}:{nth}", hash_tag = id, ttl = none)]
    forever: fn(id: u64, nth: u64) -> List<u64>,
    #[key("forever-set:{id}:{nth}", hash_tag = id, ttl = none)]
    forever_set: fn(id: u64, nth: u64) -> Set<u64>,
    #[key("renewed:{id}", hash_tag = id, renew = "write")]
    renewed: fn(id: u64) -> Set<u64>,
    #[key("renewed-list:{id}", hash_tag = id, renew = "write")]
    renewed_list: fn(id: u64) -> List<u64>,
    #[key("bitmap:{id}:{nth}", hash_tag = id)]
    bitmap: fn(id: u64, nth: u64) -> Bitmap,
    #[key("renewed-bitmap:{id}", hash_tag = id, renew = "write")]
    renewed_bitmap: fn(id: u64) -> Bitmap,
    #[key("forever-bitmap:{id}", hash_tag = id, ttl = none)]
    forever_bitmap: fn(id: u64) -> Bitmap,
    #[key("visitors:{id}:{nth}", hash_tag = id)]
    visitors: fn(id: u64, nth: u64) -> HyperLogLog<u64>,
    #[key("any:{id}:list", hash_tag = id)]
    any_list: fn(id: u64) -> List<Bytes>,
}
