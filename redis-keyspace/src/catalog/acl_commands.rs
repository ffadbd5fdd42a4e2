//! The commands that ACL rules permit, by what a program does.

use crate::kind::Layout;

/// Commands that every connection sends, and commands without a key. `client|setinfo`, which
/// servers before 7.2 do not know, and `info` are left out: the server may refuse both. `discard`
/// and `unwatch` clean up connections of a pool of the application.
pub(super) const ALWAYS: [&str; 9] =
    ["client|setname", "dbsize", "discard", "exec", "multi", "ping", "scan", "select", "unwatch"];
/// Commands that call and load functions.
pub(super) const FUNCTIONS: [&str; 3] = ["fcall", "fcall_ro", "function|load"];
/// Commands on every key.
pub(super) const EVERY_KEY: [&str; 17] = [
    "copy",
    "dump",
    "exists",
    "memory|usage",
    "object|encoding",
    "object|idletime",
    "persist",
    "pexpire",
    "pexpireat",
    "pexpiretime",
    "pttl",
    "rename",
    "renamenx",
    "restore",
    "touch",
    "type",
    "unlink",
];
/// Commands on Redis strings.
const STRING: [&str; 12] = [
    "append", "eval", "evalsha", "get", "getdel", "getex", "getrange", "incrby", "mget", "set", "setrange",
    "strlen",
];
/// Commands on lists.
const LIST: [&str; 20] = [
    "blmove", "blmpop", "blpop", "brpop", "lindex", "linsert", "llen", "lmove", "lmpop", "lpop", "lpos",
    "lpush", "lpushx", "lrange", "lrem", "lset", "ltrim", "rpop", "rpush", "rpushx",
];
/// Commands on sets.
const SET: [&str; 17] = [
    "sadd",
    "scard",
    "sdiff",
    "sdiffstore",
    "sinter",
    "sintercard",
    "sinterstore",
    "sismember",
    "smembers",
    "smismember",
    "smove",
    "spop",
    "srandmember",
    "srem",
    "sscan",
    "sunion",
    "sunionstore",
];
/// Commands on sorted sets.
const SORTED_SET: [&str; 30] = [
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "zadd",
    "zcard",
    "zcount",
    "zdiff",
    "zdiffstore",
    "zincrby",
    "zinter",
    "zintercard",
    "zinterstore",
    "zlexcount",
    "zmpop",
    "zmscore",
    "zpopmax",
    "zpopmin",
    "zrandmember",
    "zrange",
    "zrangestore",
    "zrank",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
    "zrevrank",
    "zscan",
    "zscore",
    "zunion",
    "zunionstore",
];
/// Commands on hashes.
const HASH: [&str; 23] = [
    "hdel",
    "hexists",
    "hget",
    "hgetall",
    "hgetdel",
    "hgetex",
    "hincrby",
    "hincrbyfloat",
    "hkeys",
    "hlen",
    "hmget",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hrandfield",
    "hscan",
    "hset",
    "hsetex",
    "hsetnx",
    "hstrlen",
    "hvals",
];
/// Commands on streams.
const STREAM: [&str; 14] = [
    "xack",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xgroup",
    "xinfo",
    "xlen",
    "xpending",
    "xrange",
    "xread",
    "xreadgroup",
    "xrevrange",
    "xtrim",
];
/// Commands on bitmaps.
const BITMAP: [&str; 8] =
    ["append", "bitcount", "bitfield", "bitfield_ro", "bitop", "bitpos", "getbit", "setbit"];
/// Commands on HyperLogLogs.
const HYPER_LOG_LOG: [&str; 3] = ["pfadd", "pfcount", "pfmerge"];
/// Commands on geo sets.
const GEO: [&str; 8] =
    ["geoadd", "geodist", "geohash", "geopos", "geosearch", "geosearchstore", "zcard", "zrem"];
/// The commands on keys of each layout and type.
pub(super) const KINDS: [(Layout, &str, &[&str]); 9] = [
    (Layout::OfType, "string", &STRING),
    (Layout::OfType, "list", &LIST),
    (Layout::OfType, "set", &SET),
    (Layout::OfType, "zset", &SORTED_SET),
    (Layout::OfType, "hash", &HASH),
    (Layout::OfType, "stream", &STREAM),
    (Layout::Bitmap, "string", &BITMAP),
    (Layout::HyperLogLog, "string", &HYPER_LOG_LOG),
    (Layout::Geo, "zset", &GEO),
];
/// Commands on channels.
pub(super) const CHANNEL: [&str; 6] =
    ["psubscribe", "publish", "pubsub|numsub", "punsubscribe", "subscribe", "unsubscribe"];
/// Commands on sharded channels.
pub(super) const SHARDED_CHANNEL: [&str; 4] =
    ["pubsub|shardnumsub", "spublish", "ssubscribe", "sunsubscribe"];
/// Commands for notifications about keys.
pub(super) const NOTIFICATIONS: [&str; 3] = ["config|get", "psubscribe", "punsubscribe"];
/// Commands that give a lifetime to a collection. A call can give one to any.
pub(super) const KEPT: [&str; 2] = ["eval", "evalsha"];
/// Commands on the companion keys of keys with fills.
pub(super) const FILLED: [&str; 5] = ["hdel", "hget", "hmget", "hset", "time"];
/// Commands that every program on a cluster sends.
pub(super) const ON_CLUSTERS: [&str; 3] = ["asking", "cluster|nodes", "cluster|slots"];
/// Commands that a program sends to a server that sentinels name, unless its reply to HELLO says
/// that it is a master.
pub(super) const OF_SENTINELS: [&str; 1] = ["role"];
/// Commands for reads from replicas and for writes that wait for them.
pub(super) const FOR_REPLICAS: [&str; 3] = ["info", "readonly", "wait"];
/// Commands of health checks.
pub(super) const HEALTH: [&str; 2] = ["info", "set"];
/// Commands that the scripts of locks and rate limits also use.
pub(super) const TIMED: [&str; 1] = ["time"];
/// Commands that replace scripts.
pub(super) const INSTEAD_OF_SCRIPTS: [&str; 2] = ["delex", "delifeq"];
