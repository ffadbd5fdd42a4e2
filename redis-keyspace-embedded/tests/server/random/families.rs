//! The families of commands.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;

/// A string longer than the elements of a small encoding.
const LONG: &[u8] = b"0123456789012345678901234567890123456789012345678901234567890123456789";

const LISTS: Family = Family {
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
        "LPOS K E [ RANK I ] [ COUNT I ] [ MAXLEN I ] [ RANK I ]",
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

#[test]
fn random_list_commands_get_the_same_replies() {
    sequences_agree(LISTS, &RealServer::builder().start());
}
