//! Streams and consumer groups.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;
use super::waiting::waiting_sequences_agree;

pub(super) const ENTRIES: Family = Family {
    name: "stream entries",
    templates: &[
        "XADD K 1-1|1-2|2|2-*|3-0|3-*|5 f E",
        "XADD K 1-*|2-*|3-* f E g E",
        "XADD K 1-*|2-*|4-* f E f E",
        "XADD K 9-*|9-*|10-* E E+",
        "XADD K [ NOMKSTREAM ] [ MAXLEN =|~|= 0|1|2|3|-1|x ] 4-*|6-*|7-1|0-0|0-1|-|+|$|x f E",
        "XADD K [ MAXLEN 2 ] [ MINID =|~ 2|3-1|x ] [ LIMIT 0|1|10|-1 ] 4-*|6-*|8-* f E",
        "XADD K MAXLEN ~ 1|2 [ LIMIT 1|10|x ] 6-*|8-* f E",
        "XADD K 18446744073709551615-18446744073709551615|18446744073709551615-*|18446744073709551616 f E",
        "XADD K 0-*|0|1-x|1-1-1|*x f E",
        "XLEN K",
        "XDEL K 1-1|2-0|2|3-0|x|5 1-2|2-1|3-1",
        "XDEL K 1-1|2-0|2|3-0|5|4-0|6-0",
        "XSETID K 9-9|20|0-0|x [ ENTRIESADDED 0|50|-1 ] [ MAXDELETEDID 0-0|5|30 ]",
        "XTRIM K MAXLEN|maxlen|x [ =|~ ] 0|1|2|3|5|-1|x [ LIMIT 0|1|100|x ]",
        "XTRIM K MINID [ = ] 1|2|3-1|5-0|x [ MAXLEN 1 ]",
        "XRANGE K -|+|1|2|(1-1|(2|3-0|(|x|(- +|-|5|3|(3|2-1|(0-0 [ COUNT 0|1|2|-1|x ]",
        "XRANGE K - + [ COUNT 1 ] [ COUNT 2 ]",
        "XREVRANGE K +|5|3|(3|2-1 -|1|2|(1-1|(2 [ COUNT 0|1|2|-1 ]",
        "XREAD [ COUNT 0|1|2|-1|x ] STREAMS K 0|1|1-1|2|5|$|x|>|-|18446744073709551615-18446744073709551615",
        "XREAD [ COUNT 1 ] STREAMS K K 0|1 0|$|2",
        "XREAD [ COUNT 1 ] BLOCK 1|-1|x STREAMS K $|5|0",
        "XREAD [ NOACK ] [ GROUP a b ] STREAMS K 0 [ 0 ]",
        "XINFO STREAM K [ FULL|full|x ] [ COUNT 0|1|2|-1 ]",
        "XINFO STREAM K FULL COUNT 1|2|x",
        "XINFO STREAM K",
        "SET K E",
        "DEL K",
        "EXPIRE K 100",
        "EXPIRED K",
        "RENAME K K",
        "COPY K K [ REPLACE ]",
        "TYPE K",
        "OBJECT ENCODING K",
    ],
    keys: &["x", "y", "{x}z"],
    elements: &[b"a", b"b", b"1", b"", b"\x00\xff\r\n"],
    state: &["TYPE", "XRANGE K - +", "XINFO STREAM K", "TTL"],
};

#[test]
fn random_stream_commands_get_the_same_replies() {
    sequences_agree(ENTRIES, &RealServer::builder().start());
}

/// An idle time is either 0, or much longer than the test takes.
pub(super) const GROUPS: Family = Family {
    name: "stream groups",
    templates: &[
        "XADD K 1-*|2-*|3-* f E",
        "XADD K 4-*|5-*|6-* f E",
        "XADD K 7-*|8-*|9-* f E",
        "XADD K MAXLEN 1|2|3 8-*|9-* f E",
        "XDEL K 1-0|2-0|3-0|4-0 5-0|6-0|7-0|8-0",
        "XTRIM K MAXLEN 0|1|2|3",
        "XGROUP CREATE K E 0|$|2|3-0|x MKSTREAM",
        "XGROUP CREATE K E 0|$ MKSTREAM [ ENTRIESREAD 0|1|2|-1|-2|x ]",
        "XGROUP CREATE K E 0|$|- [ MKSTREAM ] [ ENTRIESREAD 3 ] [ x ]",
        "XGROUP SETID K E 0|$|2|5-0|-|+ [ ENTRIESREAD 0|2|5 ]",
        "XGROUP DESTROY K E",
        "XGROUP CREATECONSUMER K E E",
        "XGROUP DELCONSUMER K E E",
        "XGROUP x|SETID|destroy K E [ 0 ]",
        "XREADGROUP GROUP E E [ COUNT 1|2|0|-1 ] [ NOACK ] STREAMS K >",
        "XREADGROUP GROUP E E [ COUNT 1|2 ] STREAMS K >|>|0|1-0|3|$|x",
        "XREADGROUP GROUP E E [ BLOCK 1 ] [ COUNT 1 ] STREAMS K K >|0 >|0",
        "XREADGROUP GROUP E E [ BLOCK 1 ] STREAMS K >|18446744073709551615-18446744073709551615",
        "XREADGROUP COUNT 1 STREAMS K K > >|0",
        "XACK K E 1-0|2-0|3-0|4-0|x 5-0|6-0|7-0|2-1",
        "XPENDING K E",
        "XPENDING K E [ IDLE 0|10000|x ] -|2|(2-0|x +|5|(5-0 10|1|0|-1|x [ a|b ]",
        "XPENDING K E - + 10",
        "XPENDING K E - + 10 a|b",
        "XCLAIM K E E 0|10000|-1|x 1-0|2-0|3-0|4-0 5-0|6-0|7-0|2-1 [ JUSTID ] [ FORCE ]",
        "XCLAIM K E E 0 1-0|2-0|3-0|4-0 [ IDLE 0|50000|-5|x ] [ RETRYCOUNT 0|5|-1|x ] [ JUSTID ] [ LASTID 9-0|1-0|x ] [ y ]",
        "XCLAIM K E E 0 1-0|2-0|3-0|4-0 TIME 0|1|1000000|x FORCE",
        "XAUTOCLAIM K E E 0|10000|-1|x 0|-|2|(2-0|+|x [ COUNT 1|2|0|x|100 ] [ JUSTID ]",
        "XAUTOCLAIM K E E 0 0 COUNT 1|2",
        "XINFO GROUPS K",
        "XINFO CONSUMERS K E",
        "XINFO STREAM K FULL",
        "XINFO groups|x|CONSUMERS K",
        "SET K E",
        "DEL K",
        "COPY K K REPLACE",
    ],
    keys: &["x", "y"],
    elements: &[b"a", b"b", b"a"],
    state: &["TYPE", "XRANGE K - +", "XINFO GROUPS", "XINFO STREAM K FULL"],
};

#[test]
fn random_group_commands_get_the_same_replies() {
    sequences_agree(GROUPS, &RealServer::builder().start());
}

const WAITING_READS: Family = Family {
    name: "stream reads that wait",
    templates: &[
        "XREAD BLOCK 0 STREAMS K $",
        "XREAD COUNT 1 BLOCK 0 STREAMS K 0|1|3",
        "XREAD BLOCK 0 STREAMS K K $ $",
        "XREADGROUP GROUP E E BLOCK 0 STREAMS K >",
        "XREADGROUP GROUP E E COUNT 1 BLOCK 0 NOACK STREAMS K >",
        "XREADGROUP GROUP E E BLOCK 0 STREAMS K K > >",
        "XADD K 1-*|2-*|3-* f E",
        "XADD K 4-*|5-*|6-* f E",
        "XADD K MAXLEN 1 7-*|8-* f E",
        "XGROUP CREATE K E $|0 MKSTREAM",
        "XGROUP CREATE K E $ MKSTREAM",
        "XGROUP SETID K E 0|$",
        "XGROUP DESTROY K E",
        "XDEL K 3-0|4-0",
        "XTRIM K MAXLEN 0",
        "XACK K E 1-0|2-0 3-0|4-0",
        "RENAME K K",
        "SET K E",
        "DEL K",
        "MULTI",
        "EXEC",
        "XRANGE K - +",
        "XPENDING K E",
    ],
    keys: &["x", "y"],
    elements: &[b"a", b"b"],
    state: &[],
};

#[test]
fn random_stream_reads_that_wait_get_the_same_replies() {
    waiting_sequences_agree(WAITING_READS);
}
