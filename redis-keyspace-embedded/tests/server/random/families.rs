//! The families of commands.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;

/// A string longer than the elements of a small encoding.
const LONG: &[u8] = b"0123456789012345678901234567890123456789012345678901234567890123456789";

pub(super) const LISTS: Family = Family {
    name: "lists",
    templates: &[
        "LPUSH K E+",
        "RPUSH K E+",
        "RPUSH K E+",
        "LPUSHX K E+",
        "RPUSHX K E+",
        "LPOP K [ N ]",
        "RPOP K [ I ]",
        "LRANGE K I I",
        "LLEN K",
        "LINDEX K I",
        "LSET K I E",
        "LREM K I E",
        "LTRIM K I I",
        "LINSERT K BEFORE|AFTER|after|x E E",
        "LPOS K E [ RANK 1|-1|0|2|-2|3|x|1.5 ] [ COUNT I ] [ MAXLEN I ] [ RANK -1 ]",
        "LMOVE K K LEFT|RIGHT|left LEFT|RIGHT|right",
        "RPOPLPUSH K K",
        "LMPOP #K LEFT|RIGHT|x [ COUNT N ]",
        // They find an element, or time out at once.
        "BLPOP K+ 0.001|x|-1",
        "BRPOP K+ 0.001",
        "BLMOVE K K LEFT|RIGHT LEFT|RIGHT 0.001|x",
        "BRPOPLPUSH K K 0.001|-1",
        "BLMPOP 0.001|x #K LEFT|RIGHT [ COUNT N ]",
        "SET K E",
        "DEL K",
        "EXPIRE K 100|-1",
        "EXPIRED K",
        "RENAME K K",
        "OBJECT ENCODING K",
    ],
    keys: &["l", "m", "{l}n"],
    elements: &[b"a", b"b", b"c", b"1", b"-5", b"", b"\x00\xff\r\n", LONG],
    state: &["TYPE", "LRANGE K 0 -1", "TTL"],
};

pub(super) const SETS: Family = Family {
    name: "sets",
    templates: &[
        "SADD K E+",
        "SADD K E+",
        "SADD K E+",
        "SREM K E+",
        "SMEMBERS K",
        "SISMEMBER K E",
        "SMISMEMBER K E+",
        "SCARD K",
        "SMOVE K K E",
        "SPOP K [ N ]",
        "SPOP K 1|2|-1|x [ X ]",
        "SRANDMEMBER K [ 0|1|2|-1|-5|10|x ]",
        "SINTER K+",
        "SUNION K+",
        "SDIFF K+",
        "SINTERSTORE K K+",
        "SUNIONSTORE K K+",
        "SDIFFSTORE K K+",
        "SINTERCARD #K [ LIMIT I ] [ LIMIT N ]",
        "SSCAN K 0 COUNT 1000 [ MATCH *|a*|[ab]|?|E ]",
        "SSCAN K 0|x COUNT 0|x|1000 [ MATCH * ]",
        "SET K E",
        "DEL K",
        "EXPIRE K 100|-1",
        "EXPIRED K",
        "COPY K K [ REPLACE ]",
    ],
    keys: &["s", "t", "u"],
    elements: &[b"a", b"b", b"c", b"1", b"2", b"-5", b"", b"\x00\xff\r\n", LONG],
    state: &["TYPE", "SMEMBERS", "TTL"],
};

#[test]
fn random_set_commands_get_the_same_replies() {
    sequences_agree(SETS, &RealServer::builder().start());
}

pub(super) const HASHES: Family = Family {
    name: "hashes",
    templates: &[
        "HSET K EE+",
        "HSET K EE+",
        "HSET K EE+",
        "HMSET K EE+",
        "HSETNX K E E",
        "HGET K E",
        "HMGET K E+",
        "HGETALL K",
        "HKEYS K",
        "HVALS K",
        "HLEN K",
        "HEXISTS K E",
        "HSTRLEN K E",
        "HDEL K E+",
        "HINCRBY K E I",
        "HINCRBY K E I",
        "HINCRBYFLOAT K E 1|-1|1.5|-0.25|0.1|1e300|1e5000|inf|nan|x|0x10",
        "HINCRBYFLOAT K E 1.5|0.1",
        "HRANDFIELD K [ 0|1|2|-1|-5|10|x ]",
        "HRANDFIELD K 0|1|2|-1|-5|10|x|9223372036854775807 WITHVALUES|withvalues|x",
        "HSCAN K 0 COUNT 1000 [ MATCH *|a*|[ab]|?|E ]",
        "HSCAN K 0|x COUNT 0|x|1000 [ MATCH * ]",
        "SET K E",
        "DEL K",
        "EXPIRE K 100|-1",
        "EXPIRED K",
        "COPY K K [ REPLACE ]",
        "OBJECT ENCODING K",
    ],
    keys: &["h", "i", "j"],
    elements: &[b"a", b"b", b"c", b"1", b"3.25", b"-5", b"9223372036854775800", b"", b"\x00\xff\r\n", LONG],
    state: &["TYPE", "HGETALL", "TTL", "OBJECT ENCODING"],
};

#[test]
fn random_hash_commands_get_the_same_replies() {
    sequences_agree(HASHES, &RealServer::builder().start());
}

/// Only absolute times have the conditions GT and LT: whether two relative ones are equal depends
/// on the millisecond.
pub(super) const KEYS: Family = Family {
    name: "keys",
    templates: &[
        "SET K E",
        "RPUSH K E+",
        "SADD K E+",
        "HSET K EE+",
        "ZADD K 1 E",
        "DEL K+",
        "UNLINK K+",
        "EXISTS K+",
        "TOUCH K+",
        "TYPE K",
        "RENAME K K",
        "RENAMENX K K",
        "COPY K K [ REPLACE ] [ DB 0|x|99 ]",
        "CARRY K K 0|100000|-1|x [ REPLACE ] [ IDLETIME 130000|-1|x ] [ FREQ 5|256 ]",
        "CARRY K K 0|100000 [ REPLACE ] [ ABSTTL ]",
        "CARRY K K 4000000000000 ABSTTL REPLACE",
        "RESTORE K 0|-1|x X [ REPLACE ] [ FREQ 5|x ] [ IDLETIME 1 ] [ junk ]",
        "OBJECT ENCODING|REFCOUNT|FREQ|IDLETIME K",
        "OBJECT REFCOUNT K",
        "EXPIRE K 100|-1|x|200|9223372036854775807 [ NX|XX|x ] [ NX|XX ]",
        "PEXPIREAT K 4000000000000|1|4000000000001 [ NX|XX|GT|LT ]",
        "EXPIREAT K 4000000000 [ GT|LT|NX ] [ GT|LT ]",
        "EXPIRETIME K",
        "PEXPIRETIME K",
        "TTL K",
        "PERSIST K",
        "EXPIRED K",
        "SCAN 0 COUNT 1000 [ TYPE string|list|hash|x ] [ MATCH *|k* ]",
        "KEYS *",
    ],
    keys: &["k", "l", "m", "n"],
    elements: &[b"a", b"b", b"", b"70000", b"\x00\xff\r\n", LONG],
    state: &[
        "TYPE",
        "GET",
        "LRANGE K 0 -1",
        "SMEMBERS",
        "HGETALL",
        "ZRANGE K 0 -1 WITHSCORES",
        "PEXPIRETIME",
    ],
};

#[test]
fn random_commands_for_keys_get_the_same_replies() {
    sequences_agree(KEYS, &RealServer::builder().arg("--databases").arg("16").start());
}

#[test]
fn random_list_commands_get_the_same_replies() {
    sequences_agree(LISTS, &RealServer::builder().start());
}
