//! The keys of the tasks.

use redis_keyspace::{Counter, Group, Json, Keyspace, Lock, Once, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "load", ttl = none)]
pub struct Keys {
    /// Incremented together with a mark.
    #[key("task:{task}:count", hash_tag = task)]
    pub count: fn(task: u64) -> Counter,
    /// The id of an increment.
    #[key("task:{task}:mark:{id}", hash_tag = task)]
    pub mark: fn(task: u64, id: u64) -> Text,
    /// With a lifetime, so an increment sends several commands.
    #[key("task:{task}:plain", hash_tag = task, ttl = "1d")]
    pub plain: fn(task: u64) -> Counter,
    pub cell: fn(cell: u64) -> Text,
    pub page: fn(group: u64, page: u64) -> Text,
    /// Loaded by all tasks at the same time.
    pub shared: fn(number: u64) -> Text,

    // The promises. The tags are those of the counters, whose slots move.
    /// Caches a row that changes.
    #[key("task:{task}:row:{place}", hash_tag = task, ttl = "1d")]
    pub row: fn(task: u64, place: u64) -> Text,
    /// The same. A write and the removal of what it supersedes are one step.
    #[key("task:{task}:kept:{place}", hash_tag = task, ttl = "1d", stale_for = "1d")]
    pub kept: fn(task: u64, place: u64) -> Text,
    #[key("task:{task}:all:{place}", hash_tag = task, ttl = "1d")]
    pub all: fn(task: u64, place: u64) -> Group,
    /// A member of the group.
    #[key("task:{task}:member", hash_tag = task, ttl = "1d")]
    pub member: fn(task: u64) -> Text,
    #[key("task:{task}:lock", hash_tag = task, ttl = "2s")]
    pub lock: fn(task: u64) -> Lock,
    #[key("task:{task}:paid:{id}", hash_tag = task, ttl = "1d")]
    pub paid: fn(task: u64, id: u64) -> Once<Text>,
    #[key("task:{task}:list:{place}", hash_tag = task, ttl = "1d")]
    pub list: fn(task: u64, place: u64) -> Json<Vec<u64>>,
    /// Found by every scan.
    pub stay: fn(id: u64) -> Text,
    /// Deleted by their pattern.
    pub swept: fn(round: u64, id: u64) -> Text,
}
