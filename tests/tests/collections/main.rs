//! Lists, sets, sorted sets, hashes, bitmaps, HyperLogLogs, geo sets and streams, on the embedded
//! server, a real one and a cluster.

#[macro_use]
mod table;
mod any_key;
mod bitmaps;
mod channels;
mod combined;
mod command_table;
mod coordinated;
mod counters;
mod disabled;
mod dropped_waits;
mod elements;
mod field_lifetimes;
mod filled;
mod geo;
mod hashes;
mod hyperloglogs;
mod kind_pages;
mod lifetimes;
mod limits;
mod lists;
mod lost_replies;
mod patterns;
mod permissions;
mod promised_results;
mod rankings;
mod record_fields;
mod record_updates;
mod records;
mod scans;
mod server_commands;
mod sets;
mod sorted_sets;
mod source;
mod stored;
mod stores;
mod stream_groups;
mod streams;
mod tails;
mod values;
mod waiting;
mod without_io;
mod worker_deliveries;
mod worker_faults;
mod worker_limits;
mod workers;
mod wrong_types;
mod zero_counts;

use redis_keyspace::{
    Bitmap, Bytes, Channel, Geo, Hash, HyperLogLog, Json, Keyspace, List, Record, Set, SortedSet, Stream,
    Text,
};
use serde::{Deserialize, Serialize};

/// A number and a text.
type Item = (u64, String);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Prefs {
    dark: bool,
}

/// A record with a field of each sort.
#[derive(Clone, Debug, Default, PartialEq, Record)]
struct Profile {
    name: String,
    #[record(rename = "n")]
    visits: u64,
    score: f64,
    email: Option<String>,
    #[record(json)]
    prefs: Prefs,
    #[record(alias = "years", alias = "old_age", default)]
    age: u8,
    #[record(json, default = Some(Prefs { dark: true }))]
    guest: Option<Prefs>,
}

/// A record whose fields may all be absent.
#[derive(Clone, Debug, Default, PartialEq, Record)]
#[record(rename_all = "camelCase")]
struct Sparse {
    first_part: Option<i64>,
    second_part: Option<String>,
}

/// A record with a field that has a lifetime.
#[derive(Clone, Debug, PartialEq, Record)]
struct Session {
    user: u64,
    #[record(ttl = "1h")]
    token: Option<String>,
    #[record(alias = "pin")]
    code: Option<u32>,
    #[record(ttl = "1h", alias = "tries")]
    attempts: Option<u8>,
    #[record(default)]
    visits: u64,
}

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
    #[key("ranks:{id}:{nth}", hash_tag = id)]
    ranks: fn(id: u64, nth: u64) -> SortedSet<u64>,
    #[key("names:{id}", hash_tag = id)]
    names: fn(id: u64) -> SortedSet<Text>,
    #[key("brief:{id}:{nth}", hash_tag = id, ttl = "5m")]
    brief: fn(id: u64, nth: u64) -> Set<u64>,
    #[key("brief-list:{id}", hash_tag = id, ttl = "5m")]
    brief_list: fn(id: u64) -> List<u64>,
    #[key("brief-ranks:{id}", hash_tag = id, ttl = "5m")]
    brief_ranks: fn(id: u64) -> SortedSet<u64>,
    #[key("map:{id}", hash_tag = id)]
    map: fn(id: u64) -> Hash<Text, u64>,
    #[key("levels:{id}", hash_tag = id)]
    levels: fn(id: u64) -> Hash<Text, u8>,
    #[key("sums:{id}", hash_tag = id)]
    sums: fn(id: u64) -> Hash<u64, i64>,
    #[key("objects:{id}", hash_tag = id)]
    objects: fn(id: u64) -> Hash<Bytes, Json<Item>>,
    #[key("numbers:{id}")]
    numbers: fn(id: u64) -> Channel<u64>,
    #[key("sharded:{id}", hash_tag = id, sharded = true)]
    sharded: fn(id: u64) -> Channel<u64>,
    #[key("text:{id}", hash_tag = id)]
    text: fn(id: u64) -> Text,
    #[key("bytes:{id}", hash_tag = id)]
    bytes: fn(id: u64) -> Bytes,
    #[key("note:{id}:{nth}", hash_tag = id)]
    note: fn(id: u64, nth: u64) -> Text,
    #[key("eternal:{id}", hash_tag = id, ttl = none)]
    eternal: fn(id: u64) -> Text,
    #[key("forever:{id}:{nth}", hash_tag = id, ttl = none)]
    forever: fn(id: u64, nth: u64) -> List<u64>,
    #[key("forever-set:{id}:{nth}", hash_tag = id, ttl = none)]
    forever_set: fn(id: u64, nth: u64) -> Set<u64>,
    #[key("renewed:{id}", hash_tag = id, renew = "write")]
    renewed: fn(id: u64) -> Set<u64>,
    #[key("renewed-list:{id}", hash_tag = id, renew = "write")]
    renewed_list: fn(id: u64) -> List<u64>,
    #[key("profile:{id}", hash_tag = id)]
    profile: fn(id: u64) -> Record<Profile>,
    #[key("sparse:{id}", hash_tag = id)]
    sparse: fn(id: u64) -> Record<Sparse>,
    #[key("session:{id}", hash_tag = id)]
    session: fn(id: u64) -> Record<Session>,
    #[key("renewed-profile:{id}", hash_tag = id, renew = "write")]
    renewed_profile: fn(id: u64) -> Record<Profile>,
    #[key("forever-profile:{id}", hash_tag = id, ttl = none)]
    forever_profile: fn(id: u64) -> Record<Profile>,
    #[key("bitmap:{id}:{nth}", hash_tag = id)]
    bitmap: fn(id: u64, nth: u64) -> Bitmap,
    #[key("renewed-bitmap:{id}", hash_tag = id, renew = "write")]
    renewed_bitmap: fn(id: u64) -> Bitmap,
    #[key("forever-bitmap:{id}", hash_tag = id, ttl = none)]
    forever_bitmap: fn(id: u64) -> Bitmap,
    #[key("visitors:{id}:{nth}", hash_tag = id)]
    visitors: fn(id: u64, nth: u64) -> HyperLogLog<u64>,
    #[key("places:{id}", hash_tag = id)]
    places: fn(id: u64) -> Geo<u64>,
    #[key("near:{id}", hash_tag = id)]
    near: fn(id: u64) -> Geo<u64>,
    #[key("distances:{id}", hash_tag = id)]
    distances: fn(id: u64) -> SortedSet<u64>,
    #[key("any:{id}:list", hash_tag = id)]
    any_list: fn(id: u64) -> List<Bytes>,
    #[key("log:{id}", hash_tag = id)]
    log: fn(id: u64) -> Stream<u64>,
    #[key("events:{id}", hash_tag = id, ttl = none, trim = "10")]
    events: fn(id: u64) -> Stream<Json<Item>>,
    #[key("loose:{id}", hash_tag = id, ttl = none, trim = "~100")]
    loose: fn(id: u64) -> Stream<u64>,
    #[key("renewed-log:{id}", hash_tag = id, renew = "write", trim = none)]
    renewed_log: fn(id: u64) -> Stream<u64>,
}
