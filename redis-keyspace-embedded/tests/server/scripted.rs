//! What scripts and functions see and return, next to a real server.

use redis_keyspace_embedded::{Reply, Server};

use crate::raw::{Raw, Running, words};

const RUN: &str = "return redis.pcall(unpack(ARGV))";

fn register(server: &Server) {
    server.register_script(RUN, |script, _, values| script.call(values));
}

/// Commands whose replies have another form under RESP3, or none.
const COMMANDS: &[&str] = &[
    "HSET h a 1",
    "HGETALL h",
    "HGETALL missing",
    "HRANDFIELD h",
    "HRANDFIELD h 1 WITHVALUES",
    "HGET h missing",
    "HMGET h a missing",
    "ZADD z 1.5 a 1e300 b",
    "ZADD z INCR 1 a",
    "ZADD z NX INCR 1 a",
    "ZINCRBY z 1e20 b",
    "ZSCORE z a",
    "ZSCORE z missing",
    "ZMSCORE z a missing",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZRANGEBYSCORE z -inf +inf WITHSCORES",
    "ZUNION 2 z z WITHSCORES",
    "ZDIFF 1 z WITHSCORES",
    "ZADD one 0.1 a",
    "ZRANDMEMBER one 1 WITHSCORES",
    "ZPOPMIN one",
    "ZPOPMIN z 2",
    "ZPOPMAX z",
    "ZMPOP 1 z MIN",
    "ZADD z 3 a",
    "ZMPOP 1 z MIN",
    "BZPOPMIN z 0",
    "SADD s x",
    "SMEMBERS s",
    "SINTER s s",
    "SPOP s 5",
    "SPOP s",
    "LPOP l",
    "LPOP l 2",
    "BLPOP l 0",
    "LMPOP 1 l LEFT",
    "GEOADD g 13.361389 38.115556 palermo",
    "GEOPOS g palermo missing",
    "GEODIST g palermo palermo",
    "GEOSEARCH g FROMMEMBER palermo BYRADIUS 1 km WITHDIST WITHCOORD",
    "XADD x 1-1 f v",
    "XRANGE x - +",
    "XREAD STREAMS x 0",
    "XREAD STREAMS x $",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x >",
    "XPENDING x g",
    "XINFO GROUPS x",
    "XINFO STREAM x",
    "INCRBYFLOAT n 0.1",
    "HINCRBYFLOAT h a 0.1",
    "SET k v",
    "SET k v NX",
    "GET missing",
    "MGET k missing",
    "LPUSH k x",
    "OBJECT ENCODING k",
    "COMMAND GETKEYS GET k",
];

#[tokio::test]
async fn replies_in_scripts_do_not_depend_on_the_protocol() {
    let [embedded, real] = Running::both();
    let Running::Embedded(server) = &embedded else { unreachable!("the first one") };
    register(server);
    for protocol in ["2", "3"] {
        let mut clients = [embedded.connect().await, real.connect().await];
        for client in &mut clients {
            client.line("FLUSHALL").await;
            client.call(&["HELLO", protocol]).await.expect("HELLO is answered");
        }
        for in_transaction in [false, true] {
            for line in COMMANDS {
                let head = ["EVAL", RUN, "0"].map(|word| word.as_bytes().to_vec());
                let command: Vec<Vec<u8>> = head.into_iter().chain(words(line)).collect();
                let mut seen = Vec::new();
                for client in &mut clients {
                    let mut replies = Vec::new();
                    if in_transaction {
                        client.line("MULTI").await;
                        client.call(&command).await;
                        replies.push(client.call(&["EXEC"]).await.unwrap());
                    } else {
                        replies.push(client.call(&command).await.unwrap());
                    }
                    // The protocol of the connection is the same as before.
                    replies.push(client.call(&["HGETALL", "h"]).await.unwrap());
                    seen.push(replies.concat().escape_ascii().to_string());
                }
                assert_eq!(seen[0], seen[1], "RESP{protocol} {line}");
            }
            for client in &mut clients {
                client.line("FLUSHALL").await;
            }
        }
    }
}

/// As in Lua, where a table can be a map or a number of RESP3.
#[tokio::test]
async fn a_script_can_return_types_of_resp3() {
    const MAP: &str = "redis.setresp(3) return {map={a={double=1.5}}}";
    let [embedded, real] = Running::both();
    let Running::Embedded(server) = &embedded else { unreachable!("the first one") };
    server.register_script(MAP, |_, _, _| Reply::Map(vec![(Reply::bulk("a"), Reply::Double(1.5))]));
    for protocol in ["2", "3"] {
        let mut seen = Vec::new();
        for server in [&embedded, &real] {
            let mut client = server.connect().await;
            client.call(&["HELLO", protocol]).await.expect("HELLO is answered");
            seen.push(client.call(&["EVAL", MAP, "0"]).await.unwrap().escape_ascii().to_string());
        }
        assert_eq!(seen[0], seen[1], "RESP{protocol}");
    }
}

/// A registered function belongs to the library that has its name.
#[tokio::test]
async fn a_function_needs_its_library() {
    const OTHER: &str = "#!lua name=lib\nredis.register_function('other', function() return 1 end)";
    const LIBRARY: &str = "#!lua name=lib\nredis.register_function('read', function(keys) return redis.call('GET', keys[1]) end)";
    let commands: &[&[&str]] = &[
        &["SET", "k", "v"],
        &["FCALL", "read", "1", "k"],
        &["FUNCTION", "LOAD", OTHER],
        &["FCALL", "read", "1", "k"],
        &["FUNCTION", "LOAD", LIBRARY],
        &["FCALL", "read", "1", "k"],
        &["FUNCTION", "LOAD", "REPLACE", LIBRARY],
        &["FCALL", "read", "1", "k"],
        &["FCALL", "other", "0"],
        &["FCALL", "missing", "0"],
        &["FCALL", "", "0"],
        &["FLUSHALL"],
        &["FCALL", "read", "1", "k"],
        &["FUNCTION", "LOAD", "REPLACE", OTHER],
        &["FCALL", "read", "1", "k"],
    ];
    let [embedded, real] = Running::both();
    let Running::Embedded(server) = &embedded else { unreachable!("the first one") };
    server.register_function("read", |script, keys, _| script.call(&[&b"GET"[..], &keys[0]]));
    let mut clients = [embedded.connect().await, real.connect().await];
    for command in commands {
        let mut seen = Vec::new();
        for client in &mut clients {
            seen.push(client.call(command).await.unwrap().escape_ascii().to_string());
        }
        assert_eq!(seen[0], seen[1], "{command:?}");
    }
}

/// The embedded server sends numbers as Lua does, whatever their size.
#[tokio::test]
async fn a_script_sees_scores_as_strings() {
    let server = Server::new();
    server.register_script("return redis.call('ZSCORE', KEYS[1], 'a')", |script, keys, _| {
        let reply = script.call(&[&b"ZSCORE"[..], &keys[0], b"a"]);
        assert_eq!(reply, Reply::bulk("1e+22"));
        reply
    });
    let mut client = Raw::embedded(&server);
    client.line("HELLO 3").await;
    client.line("ZADD z 1e22 a").await;
    let command = ["EVAL", "return redis.call('ZSCORE', KEYS[1], 'a')", "1", "z"];
    assert_eq!(client.call(&command).await.unwrap(), b"$5\r\n1e+22\r\n");
}
