//! Commands and options of servers that are newer than version 7.0. Each test needs a server that
//! has them. Where the embedded server has only some of the options, or rejects wrong commands as
//! version 7.0 does, all commands are correct.

use redis_keyspace_harness::{RealServer, require_accepted, require_command};

use super::commands::Family;
use super::runner::{correct_sequences_agree, sequences_agree};

/// What the conditions are compared with.
const WRITES: [&str; 7] =
    ["SET K E", "SET K E", "APPEND K E", "RPUSH K E", "DEL K", "EXPIRE K 100", "EXPIRED K"];

/// A family of strings with these templates.
const fn strings(name: &'static str, templates: &'static [&'static str]) -> Family {
    Family {
        name,
        templates,
        keys: &["k", "l"],
        elements: &[b"a", b"b", b"", b"7", b"\x00\xff\r\n"],
        state: &["TYPE", "GET", "TTL"],
    }
}

const SET_IF_EQUAL: Family = strings(
    "SET IFEQ",
    &[
        WRITES[0],
        WRITES[1],
        WRITES[2],
        WRITES[3],
        WRITES[4],
        WRITES[5],
        WRITES[6],
        "SET K E IFEQ E [ GET ]",
        "SET K E IFEQ E [ EX 100|0|-1|x ] [ KEEPTTL ]",
        "SET K E [ PX 100000 ] IFEQ E [ GET ]",
    ],
);

#[test]
fn random_sets_with_a_condition_get_the_same_replies() {
    let server = RealServer::builder().start();
    if require_accepted(&server, &["SET", "absent", "x", "IFEQ", "y"]) {
        correct_sequences_agree(SET_IF_EQUAL, &server);
    }
}

const DELEX: Family = strings(
    "DELEX",
    &[
        WRITES[0],
        WRITES[1],
        WRITES[2],
        WRITES[3],
        WRITES[4],
        WRITES[5],
        WRITES[6],
        "DELEX K",
        "DELEX K IFEQ E",
        "DELEX K ifeq E",
        "DELEX K IFEQ E X",
    ],
);

#[test]
fn random_deletions_with_a_condition_get_the_same_replies() {
    let server = RealServer::builder().start();
    if require_command(&server, "DELEX") {
        correct_sequences_agree(DELEX, &server);
    }
}

const DELIFEQ: Family = strings(
    "DELIFEQ",
    &[
        WRITES[0],
        WRITES[1],
        WRITES[2],
        WRITES[3],
        WRITES[4],
        WRITES[5],
        WRITES[6],
        "DELIFEQ K E",
        "DELIFEQ K E",
        "DELIFEQ K",
        "DELIFEQ K E E",
    ],
);

#[test]
fn random_deletions_of_valkey_get_the_same_replies() {
    let server = RealServer::builder().start();
    if require_command(&server, "DELIFEQ") {
        sequences_agree(DELIFEQ, &server);
    }
}

const RANKS: Family = Family {
    name: "ranks with scores",
    // Newer servers print other scores with fewer digits.
    templates: &[
        "ZADD K 0|1|2|-1|1.5|3 E 0|1|2|-1|0.25 E 1|1|2 E",
        "ZADD K 1 E 1 E 1 E 1 E",
        "ZREM K E",
        "ZRANK K E [ WITHSCORE|withscore ]",
        "ZREVRANK K E [ WITHSCORE ]",
        "SET K E",
        "DEL K",
    ],
    keys: &["z", "y"],
    elements: &[b"a", b"b", b"c", b"", b"\x00\xff\r\n"],
    state: &["TYPE", "ZRANGE K 0 -1 WITHSCORES"],
};

#[test]
fn random_ranks_with_scores_get_the_same_replies() {
    let server = RealServer::builder().start();
    if require_accepted(&server, &["ZRANK", "absent", "x", "WITHSCORE"]) {
        correct_sequences_agree(RANKS, &server);
    }
}

/// Positions that are close enough for a real server to return them in the order of their scores,
/// as the embedded one does. It prints other coordinates with fewer digits.
const POLYGONS: Family = Family {
    name: "searches in polygons",
    templates: &[
        "GEOADD K 13.361389|15.087269|13.583333|14.2 38.115556|37.502669|37.316667|37.9 E",
        "GEOADD K 13.361389|14 38.115556|37.5 E 15.087269|13.5|15.1 37.502669|37|38.2 E",
        "GEOSEARCH K BYPOLYGON 3 12|14.8|14 36|37.3 15.4|16 37.3|36 15.1|16 37.8|39 ASC|DESC [ WITHDIST ] [ WITHHASH ]",
        "GEOSEARCH K BYPOLYGON 4 12|13.4 36|37.2 16 36|37 16|15 39|38 12|13 39|38.5 ASC|DESC [ COUNT 1|2|0|x ] [ WITHDIST ]",
        "GEOSEARCH K BYPOLYGON 5 12 36 16 36 14 37.5 16 39 12 39 ASC [ COUNT 1 ANY ]",
        "GEOSEARCH K BYPOLYGON 2|x|-1|3 1 1 2 2 ASC",
        "GEOSEARCH K BYPOLYGON 3 181|x|1 1|86 2 2 1 2 ASC",
        "GEOSEARCH K [ FROMLONLAT 15 37 ] [ BYRADIUS 100 km ] BYPOLYGON 3 12 36 16 36 14 39 [ FROMMEMBER a ] [ BYBOX 1 1 km ] ASC",
        "GEOSEARCHSTORE K K BYPOLYGON 4 12 36 16 36 16 39 12 39 [ ASC ] [ COUNT 1 ]",
        "SET K E",
        "DEL K",
    ],
    keys: &["g", "{g}h"],
    elements: &[b"a", b"b", b"c", b"d"],
    state: &["TYPE", "ZRANGE K 0 -1"],
};

#[test]
fn random_searches_in_polygons_get_the_same_replies() {
    let server = RealServer::builder().start();
    let search = ["GEOSEARCH", "absent", "BYPOLYGON", "3", "1", "1", "2", "2", "1", "2"];
    if require_accepted(&server, &search) {
        sequences_agree(POLYGONS, &server);
    }
}

const FIELD_LIFETIMES: Family = Family {
    name: "field lifetimes",
    templates: &[
        "HSET K EE+",
        "HSET K EE+",
        "HSET K EE+",
        "HDEL K E+",
        "HINCRBY K E 1",
        "HINCRBYFLOAT K E 1.5",
        "HEXPIRE K 1000|0|2000|-1|x|9223372036854775807 [ NX|XX ] FIELDS #E [ NX|XX ]",
        "HPEXPIRE K 1000000|0|2000000|70368744177663 [ NX|XX ] FIELDS #E",
        "HEXPIREAT K 4000000000|1|4000000001 [ NX|XX|GT|LT ] FIELDS #E",
        "HPEXPIREAT K 4000000000000|1|4000000000001|70368744177663|70368744177664 [ NX|XX|GT|LT ] FIELDS #E",
        "HTTL K FIELDS #E",
        "HPTTL K FIELDS #E",
        "HEXPIRETIME K FIELDS #E",
        "HPEXPIRETIME K FIELDS #E",
        "HPERSIST K FIELDS #E",
        "HGETDEL K FIELDS #E",
        "HGETEX K [ EX 1000|-1|x ] [ PERSIST ] FIELDS #E",
        "HGETEX K FIELDS #E [ PX 1000000 ]",
        "HGETEX K EXAT|PXAT 1|4000000000|70368744177664 FIELDS #E",
        "HSETEX K [ FNX|FXX ] [ EX 1000|0|-1|x ] [ KEEPTTL ] FIELDS #EE",
        "HSETEX K FIELDS #EE [ FNX|FXX ] [ PXAT|EXAT 1|4000000000 ]",
        "SET K E",
        "DEL K",
        "EXPIRED K",
        "RENAME K K",
        "COPY K K [ REPLACE ]",
        "HSCAN K 0 COUNT 1000 NOVALUES [ MATCH E ]",
    ],
    keys: &["h", "i", "j"],
    elements: &[b"a", b"b", b"c", b"1", b"\x00\xff\r\n"],
    state: &["TYPE", "HGETALL", "HTTL K FIELDS 5 a b c 1 d", "HPEXPIRETIME K FIELDS 3 a b c", "TTL"],
};

/// The servers reject different commands. The embedded one rejects those that Redis 8.6 rejects:
/// older ones do not accept the lifetime behind the fields, and Valkey neither.
#[test]
fn random_commands_for_field_lifetimes_get_the_same_replies() {
    let server = RealServer::builder().start();
    if require_accepted(&server, &["HSETEX", "absent", "FIELDS", "1", "x", "y", "PXAT", "1"]) {
        sequences_agree(FIELD_LIFETIMES, &server);
    }
}
