//! Sorted sets.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;
use super::waiting::waiting_sequences_agree;

/// A string longer than the elements of a small encoding.
const LONG: &[u8] = b"0123456789012345678901234567890123456789012345678901234567890123456789";

pub(super) const SORTED_SETS: Family = Family {
    name: "sorted sets",
    templates: &[
        "ZADD K 0|1|2|-1|1.5|inf|-inf|3 E 0|1|2|-1|0.1|1e17|-0 E 1|1|2 E",
        "ZADD K 1 E 1 E 1 E 1 E",
        "ZADD K [ NX|XX|nx ] [ GT|LT ] [ CH|ch ] 0|1|2|-1|1.5|0.1|inf|-inf|nan|x|0x10 E 0|1|5|-5 E",
        "ZADD K [ NX|XX ] [ GT|LT ] [ CH ] INCR 0|1|2|-1|1.5|inf|-inf|-0|nan E",
        "ZINCRBY K 0|1|-1|0.1|inf|-inf|-0|x|1e300 E",
        "ZSCORE K E",
        "ZMSCORE K E+",
        "ZCARD K",
        "ZCOUNT K 0|1|-inf|(1|(0|-1|x||( 1|2|inf|+inf|(1|(2|-1|nan|(",
        "ZRANK K E",
        "ZREVRANK K E",
        "ZRANGE K I I [ WITHSCORES|withscores ]",
        "ZRANGE K I I [ REV ] [ WITHSCORES ] [ LIMIT 0 -1 ]",
        "ZRANGE K 0|1|-inf|(1|(0|2|inf 1|2|inf|(1|0|-inf BYSCORE [ REV ] [ LIMIT 0|1|-1|2 1|-1|0|2|x ] [ WITHSCORES ]",
        "ZRANGESTORE K K 0|1|-1 -1|1|2 [ REV ] [ LIMIT 0 1 ]",
        "ZRANGESTORE K K 0|-inf|(1|x 1|inf|(2 BYSCORE [ REV ] [ LIMIT 0|1 1|-1 ] [ WITHSCORES ]",
        "ZRANGEBYSCORE K 0|1|-inf|(1|(0|x 1|2|inf|(1|0 [ WITHSCORES ] [ LIMIT 0|1|-1|2 1|-1|0|2 ]",
        "ZREVRANGEBYSCORE K 1|2|inf|(1|0|x 0|1|-inf|(1|(0 [ WITHSCORES ] [ LIMIT 0|1|-1|2 1|-1|0|2 ]",
        "ZREVRANGE K I I [ WITHSCORES ] [ REV|BYSCORE ]",
        "ZREM K E+",
        "ZREMRANGEBYRANK K 0|1|-1|x|5 0|1|-1|2|-2",
        "ZREMRANGEBYSCORE K 0|1|-inf|(1|x 1|2|inf|(2|0",
        "ZPOPMIN K [ 0|1|2|10|x|-1 ]",
        "ZPOPMAX K [ N ]",
        "ZMPOP #K MIN|MAX|min|x [ COUNT 1|2|0|-1|10 ]",
        "BZPOPMIN K+ 0.001|x|-1",
        "BZPOPMAX K+ 0.001",
        "BZMPOP 0.001|x #K MIN|MAX [ COUNT 1|2|0 ]",
        "ZUNION #K [ WEIGHTS 2 3 ] [ AGGREGATE SUM|MIN|MAX|x ] [ WITHSCORES ]",
        "ZUNION #K [ WEIGHTS 0|-1|0.1|inf|x 3|inf|-inf 1|0 ] [ WITHSCORES ]",
        "ZUNION #K [ AGGREGATE SUM|MIN|MAX|max ] WITHSCORES",
        "ZINTER #K [ WEIGHTS 2 0.1 ] [ AGGREGATE SUM|MIN|MAX ] [ WITHSCORES ]",
        "ZINTER #K WITHSCORES",
        "ZDIFF #K [ WITHSCORES ]",
        "ZUNIONSTORE K #K [ WEIGHTS 2 -1 ] [ AGGREGATE SUM|MIN|MAX ]",
        "ZUNIONSTORE K #K [ WITHSCORES ]",
        "ZINTERSTORE K #K [ WEIGHTS 2 ] [ AGGREGATE SUM|MIN|MAX ]",
        "ZDIFFSTORE K #K",
        "ZINTERCARD #K [ LIMIT 0|1|2|-1|x ]",
        "SADD K E E",
        "SET K E",
        "DEL K",
        "EXPIRE K 100|-1",
        "EXPIRED K",
        "RENAME K K",
        "COPY K K [ REPLACE ]",
        "TYPE K",
        "OBJECT ENCODING K",
    ],
    keys: &["z", "y", "{z}x"],
    elements: &[b"a", b"b", b"c", b"ab", b"1", b"", b"\x00\xff\r\n", b"d", b"a", b"b", b"c", LONG],
    state: &["TYPE", "ZRANGE K 0 -1 WITHSCORES", "TTL"],
};

/// Only small sets: a real server returns the members of a large one in no particular order.
const ZSCAN: Family = Family {
    name: "ZSCAN",
    templates: &[
        "ZADD K 0|1|-1.5|1e17|inf E 0.1|2 E",
        "ZSCAN K 0|x|-1|| [ MATCH a*|*|b ] [ COUNT 1|10|0|x ]",
        "SET K E",
        "EXPIRED K",
    ],
    elements: &[b"a", b"b", b"ab", b"", b"\x00\xff\r\n", b"1"],
    ..SORTED_SETS
};

#[test]
fn random_scans_of_sorted_sets_get_the_same_replies() {
    sequences_agree(ZSCAN, &RealServer::builder().start());
}

/// Ranges of members, also in sets with different scores. Only small sets: a large one with
/// different scores gets a range that depends on the random levels of its skip list.
pub(super) const LEX: Family = Family {
    name: "lex ranges",
    templates: &[
        "ZADD K 0 E 0 E 0 E",
        "ZADD K 0 E 0 E 0 E",
        "ZADD K 0|1|2|-1|1.5|inf E 0|1 E",
        "ZLEXCOUNT K -|[a|(a|+|a|[ +|[c|(c|-|[b|(",
        "ZRANGE K -|[a|(a|+|[c -|[a|(c|+|[c BYLEX [ REV ] [ LIMIT 0|1|-1|2 1|-1|0|2|x ] [ WITHSCORES ]",
        "ZRANGE K -|0 + BYLEX|BYSCORE|REV BYLEX|BYSCORE|REV",
        "ZRANGESTORE K K -|[a +|[c BYLEX [ REV ] [ LIMIT 0|1 1|-1 ]",
        "ZRANGEBYLEX K -|[a|(a|+|x +|[c|(c|- [ LIMIT 0|1|-1|2 1|-1|0|2 ] [ WITHSCORES|REV ]",
        "ZREVRANGEBYLEX K +|[c|(c|- -|[a|(a|+|x [ LIMIT 0|1|-1|2 1|-1|0|2 ]",
        "ZREMRANGEBYLEX K -|[a|(a|x +|[b|(c|-",
        "SET K E",
    ],
    elements: &[b"a", b"b", b"c", b"ab", b"1", b"", b"\x00\xff\r\n", b"d"],
    ..SORTED_SETS
};

#[test]
fn random_lex_ranges_get_the_same_replies() {
    sequences_agree(LEX, &RealServer::builder().start());
}

#[test]
fn random_sorted_set_commands_get_the_same_replies() {
    sequences_agree(SORTED_SETS, &RealServer::builder().start());
}

const WAITING_POPS: Family = Family {
    name: "sorted set pops that wait",
    templates: &[
        "BZPOPMIN K+ 0",
        "BZPOPMAX K+ 0",
        "BZMPOP 0 #K MIN|MAX [ COUNT 2 ]",
        "ZADD K 1|2|3 E",
        "ZADD K 1 E 2 E 3 E",
        "ZPOPMIN K",
        "ZREM K E",
        "ZUNIONSTORE K 2 K K",
        "ZRANGESTORE K K 0 1",
        "GEOADD K 1 2 E",
        "RENAME K K",
        "COPY K K REPLACE",
        "SET K E",
        "DEL K",
        "MULTI",
        "EXEC",
        "ZRANGE K 0 -1 WITHSCORES",
    ],
    keys: &["z", "y", "x"],
    elements: &[b"a", b"b", b"c"],
    state: &[],
};

#[test]
fn random_sorted_set_pops_that_wait_get_the_same_replies() {
    waiting_sequences_agree(WAITING_POPS);
}
