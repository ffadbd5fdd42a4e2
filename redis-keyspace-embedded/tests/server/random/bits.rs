//! Bitmaps, HyperLogLogs and the strings that they are.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;

pub(super) const BITMAPS: Family = Family {
    name: "bitmaps",
    templates: &[
        "SETBIT K 0|1|7|8|63|100|1000|-1|x|4294967296 0|1|2|x",
        "SETBIT K 0|1|7|8|9|15|20 1",
        "GETBIT K 0|1|7|8|63|1000000|-1|x|4294967295|4294967296",
        "BITCOUNT K [ I I ]",
        "BITCOUNT K [ I I BYTE|BIT|bit|x ]",
        "BITCOUNT K 0|1|5|-9|-20 -1|8|13|20|-3 BIT",
        "BITPOS K 0|1|2|x",
        "BITPOS K 0|1 I [ I ]",
        "BITPOS K 0|1 I I BYTE|BIT|x",
        "BITPOS K 0|1 0|1|5|-9|-20 -1|8|13|20|-3 BIT",
        "BITOP AND|OR|XOR|and|x K K+",
        "BITOP NOT K K [ K ]",
        "BITFIELD K GET u8|i8|u1|i64|u63|i5|u64|i65|x|u0 0|1|#1|100|#x|-1",
        "BITFIELD K SET u8|i8|i64|u63|i5|u3 0|1|#1|9 0|1|-1|255|127|-128|9223372036854775807|-9223372036854775808|x",
        "BITFIELD K [ OVERFLOW WRAP|SAT|FAIL|x ] INCRBY u8|i8|i64|u63|i5|u3|u2 0|1|#1|9 1|-1|100|-100|9223372036854775807|-9223372036854775808 GET u8 0",
        "BITFIELD K OVERFLOW SAT|FAIL SET u8|i8|i64|i4 0|3 0|-1|256|200|-129 OVERFLOW WRAP|FAIL INCRBY i4|u4 #1 7|9 GET i16 0",
        "BITFIELD K [ SET u8 0 ]",
        "BITFIELD_RO K [ GET u8|i8 0|4 ] [ GET i5 #3 ] [ SET u8 0 1 ]",
        "APPEND K E",
        "GETRANGE K I I",
        "SETRANGE K 0|1|5|-1|x E",
        "STRLEN K",
        "MSETNX K E K E",
        "INCRBYFLOAT K 0|1|0.1|-1.5|x|inf|1e5",
        "INCR K",
        "SET K E",
        "GET K",
        "LPUSH K E",
        "DEL K",
        "EXPIRE K 100",
    ],
    keys: &["b", "c", "{b}d"],
    elements: &[b"a", b"\xff\xff\xff", b"\x00\x00\x10", b"", b"12", b"\x00\xff\r\n", b"foobar", b"3.5"],
    state: &["TYPE", "GET", "TTL"],
};

#[test]
fn random_bitmap_commands_get_the_same_replies() {
    sequences_agree(BITMAPS, &RealServer::builder().start());
}

pub(super) const HYPERLOGLOGS: Family = Family {
    name: "HyperLogLogs",
    templates: &[
        "PFADD K E E E E E E E E",
        "PFADD K E+",
        "PFADD K",
        "PFCOUNT K+",
        "PFMERGE K K+",
        "PFMERGE K",
        "SET K a|HYLL|HYLL0123456789012345",
        "LPUSH K E",
        "DEL K",
        "EXPIRE K 100",
        "EXPIRED K",
        "TYPE K",
        "COPY K K REPLACE",
    ],
    keys: &["p", "q", "{p}r"],
    elements: &[
        b"a",
        b"b",
        b"c",
        b"d",
        b"e",
        b"f",
        b"g",
        b"h",
        b"",
        b"\x00",
        b"\xff\xfe",
        b"12345678",
        b"123456789",
        b"a longer element",
        b"user:1",
        b"user:2",
        b"user:3",
        b"user:4",
        b"user:5",
        b"user:6",
    ],
    state: &["TYPE", "PFCOUNT", "TTL"],
};

#[test]
fn random_hyperloglog_commands_get_the_same_replies() {
    sequences_agree(HYPERLOGLOGS, &RealServer::builder().start());
}
