//! Large collections of the embedded server, next to a real one.

use std::collections::BTreeSet;

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::RealServer;

use crate::raw::{Raw, children};

/// The string in a reply.
fn string(reply: &[u8]) -> Vec<u8> {
    let start = reply.windows(2).position(|pair| pair == b"\r\n").expect("a header") + 2;
    reply[start..reply.len() - 2].to_vec()
}

/// Runs a command on both servers and compares the replies.
async fn same(pair: &mut [Raw; 2], command: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut replies = Vec::new();
    for connection in pair.iter_mut() {
        replies.push(connection.call(command).await.expect("a reply"));
    }
    let name = String::from_utf8_lossy(command[0].as_ref()).into_owned();
    assert_eq!(replies[0].escape_ascii().to_string(), replies[1].escape_ascii().to_string(), "{name}");
    replies.swap_remove(0)
}

#[tokio::test]
async fn estimates_are_those_of_a_real_server() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
    for batch in 0..60_u32 {
        let size = if batch < 30 { 40 } else { 2_000 };
        for key in ["p", "q"] {
            let elements = (0..size).map(|number| format!("{key}:{}", batch * 10_000 + number).into_bytes());
            let command = [b"PFADD".to_vec(), key.into()].into_iter().chain(elements).collect::<Vec<_>>();
            same(&mut pair, &command).await;
            same(&mut pair, &["PFCOUNT", key]).await;
        }
        same(&mut pair, &["PFCOUNT", "p", "q"]).await;
        // The embedded server reads what a real one has stored, in its sparse and in its dense
        // form.
        let stored = pair[1].call(&["GET", "p"]).await.expect("a reply");
        let copy = [b"SET".to_vec(), b"copy".to_vec(), string(&stored)];
        same(&mut pair, &copy).await;
        same(&mut pair, &["PFCOUNT", "copy"]).await;
        same(&mut pair, &["PFADD", "copy", "another"]).await;
        same(&mut pair, &["PFCOUNT", "copy"]).await;
    }
    same(&mut pair, &["PFMERGE", "all", "p", "q", "copy"]).await;
    same(&mut pair, &["PFCOUNT", "all"]).await;
}

/// Adds members in an order that is not that of their scores.
async fn fill(pair: &mut [Raw; 2], key: &str, count: u32) {
    let pairs = (0..count).flat_map(|number| {
        let mixed = number * 7919 % count;
        [(mixed / 3).to_string(), format!("member:{mixed:06}")]
    });
    let command: Vec<String> = ["ZADD".to_owned(), key.to_owned()].into_iter().chain(pairs).collect();
    same(pair, &command).await;
}

#[tokio::test]
async fn large_sorted_sets_get_the_same_replies() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
    fill(&mut pair, "z", 20_000).await;
    for round in 0..200_u32 {
        let place = (round * 97).to_string();
        let member = format!("member:{:06}", round * 97);
        same(&mut pair, &["ZRANK", "z", &member]).await;
        same(&mut pair, &["ZREVRANK", "z", &member]).await;
        same(&mut pair, &["ZRANGE", "z", &place, "+inf", "BYSCORE", "LIMIT", "5", "7", "WITHSCORES"]).await;
        same(&mut pair, &["ZREVRANGE", "z", &place, "19000"]).await;
        same(&mut pair, &["ZCOUNT", "z", &format!("({place}"), "5000"]).await;
        same(&mut pair, &["ZINCRBY", "z", "0.5", &member]).await;
        same(&mut pair, &["ZREMRANGEBYRANK", "z", &place, &place]).await;
        same(
            &mut pair,
            &["ZREMRANGEBYSCORE", "z", &format!("({}", round * 13), &format!("({}", round * 13 + 2)],
        )
        .await;
    }
    same(&mut pair, &["OBJECT", "ENCODING", "z"]).await;
    same(&mut pair, &["ZRANGE", "z", "0", "-1", "WITHSCORES"]).await;
    same(&mut pair, &["ZADD", "lex", "0", "a", "0", "b", "0", &"c".repeat(65), "-0", "d"]).await;
    same(&mut pair, &["OBJECT", "ENCODING", "lex"]).await;
    same(&mut pair, &["ZRANGE", "lex", "[b", "+", "BYLEX", "LIMIT", "1", "5"]).await;
    same(&mut pair, &["ZRANGE", "lex", "(d", "-", "BYLEX", "REV", "LIMIT", "1", "5"]).await;
    same(&mut pair, &["ZLEXCOUNT", "lex", "(a", "[d"]).await;
    same(&mut pair, &["ZSCORE", "lex", "d"]).await;
}

#[tokio::test]
async fn a_scan_returns_each_member_of_a_large_sorted_set() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
    fill(&mut pair, "z", 5_000).await;
    for connection in &mut pair {
        let (mut cursor, mut seen, mut pages) = ("0".to_owned(), BTreeSet::new(), 0);
        loop {
            let page = connection.call(&["ZSCAN", "z", &cursor, "COUNT", "50"]).await.expect("a reply");
            let (_, parts) = children(&page);
            let (_, items) = children(&parts[1]);
            for item in items.chunks(2) {
                seen.insert((string(&item[0]), string(&item[1])));
            }
            pages += 1;
            // A member that is added or removed during the scan does not disturb it.
            connection.call(&["ZADD", "z", "1", &format!("new:{pages}")]).await.expect("a reply");
            connection.call(&["ZREM", "z", &format!("new:{pages}")]).await.expect("a reply");
            cursor = String::from_utf8(string(&parts[0])).expect("a number");
            if cursor == "0" {
                break;
            }
        }
        assert!(pages > 10, "{pages}");
        let old = seen.iter().filter(|(member, _)| member.starts_with(b"member:"));
        assert_eq!(old.count(), 5_000);
    }
}

#[tokio::test]
async fn random_members_are_members() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    for protocol in ["2", "3"] {
        let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
        for connection in &mut pair {
            connection.call(&["HELLO", protocol]).await.expect("a reply");
            connection.line("ZADD z 1 a 2 b 3 c 4 d 5 e").await;
            connection.line("SET s v").await;
        }
        for line in [
            "ZRANDMEMBER",
            "ZRANDMEMBER missing",
            "ZRANDMEMBER missing 3",
            "ZRANDMEMBER missing -3 WITHSCORES",
            "ZRANDMEMBER z 0",
            "ZRANDMEMBER z x",
            "ZRANDMEMBER z 1 x",
            "ZRANDMEMBER z 1 WITHSCORES x",
            "ZRANDMEMBER z -9223372036854775808",
            "ZRANDMEMBER z -9223372036854775807 WITHSCORES",
            "ZRANDMEMBER z 9223372036854775807 WITHSCORES",
            "ZRANDMEMBER z x WITHSCORES",
            "ZRANDMEMBER s",
            "ZRANDMEMBER s 2",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            same(&mut pair, &words).await;
        }
        let members: BTreeSet<Vec<u8>> = ["a", "b", "c", "d", "e"].map(|name| name.into()).into();
        for connection in &mut pair {
            let mut found = BTreeSet::new();
            for _ in 0..200 {
                found.insert(string(&connection.call(&["ZRANDMEMBER", "z"]).await.expect("a reply")));
            }
            assert_eq!(found, members);
            for (count, length, distinct) in [("3", 3, true), ("9", 5, true), ("-9", 9, false)] {
                let mut seen = BTreeSet::new();
                for _ in 0..50 {
                    let reply = connection.call(&["ZRANDMEMBER", "z", count]).await.expect("a reply");
                    let items: Vec<_> = children(&reply).1.iter().map(|item| string(item)).collect();
                    let different: BTreeSet<_> = items.iter().cloned().collect();
                    assert_eq!(items.len(), length);
                    assert!(!distinct || different.len() == length);
                    seen.extend(different);
                }
                assert_eq!(seen, members, "{count}");
            }
            let reply = connection.call(&["ZRANDMEMBER", "z", "2", "WITHSCORES"]).await.expect("a reply");
            let (_, items) = children(&reply);
            let pairs: Vec<Vec<Vec<u8>>> = match protocol {
                "2" => items.chunks(2).map(<[_]>::to_vec).collect(),
                _ => items.iter().map(|pair| children(pair).1).collect(),
            };
            assert_eq!(pairs.len(), 2);
            for pair in pairs {
                let [member, score] = <[Vec<u8>; 2]>::try_from(pair).expect("a member and its score");
                let expected = string(&member)[0] - b'a' + b'1';
                assert!(score.contains(&expected), "{}", score.escape_ascii());
            }
        }
    }
}

#[tokio::test]
async fn large_streams_are_divided_as_on_a_real_server() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
    for number in 1..=1_500_u32 {
        let (id, text) = (format!("{}-{}", number / 3 + 1, number), number.to_string());
        let value = "v".repeat(usize::try_from(number * 7919 % 300).expect("it is small"));
        let field = if number % 10 == 0 { "other" } else { "field" };
        same(&mut pair, &["XADD", "x", &id, field, &value, "number", &text]).await;
        same(&mut pair, &["XADD", "small", &id, "f", &text]).await;
    }
    for key in ["x", "small"] {
        same(&mut pair, &["XINFO", "STREAM", key]).await;
        same(&mut pair, &["XTRIM", key, "MAXLEN", "~", "1390", "LIMIT", "60"]).await;
        same(&mut pair, &["XTRIM", key, "MAXLEN", "~", "1250"]).await;
        same(&mut pair, &["XLEN", key]).await;
        same(&mut pair, &["XTRIM", key, "MINID", "~", "200"]).await;
        same(&mut pair, &["XINFO", "STREAM", key]).await;
        for number in (600..900).step_by(2) {
            same(&mut pair, &["XDEL", key, &format!("{}-{number}", number / 3 + 1)]).await;
        }
        same(&mut pair, &["XTRIM", key, "MAXLEN", "600"]).await;
        same(&mut pair, &["XTRIM", key, "MAXLEN", "~", "450"]).await;
        same(&mut pair, &["XTRIM", key, "MINID", "333-1000"]).await;
        same(&mut pair, &["XINFO", "STREAM", key]).await;
        same(&mut pair, &["XRANGE", key, "334", "400-1200", "COUNT", "150"]).await;
        same(&mut pair, &["XREVRANGE", key, "+", "400"]).await;
        same(&mut pair, &["XADD", key, "MAXLEN", "~", "100", "9999-1", "f", "v"]).await;
        same(&mut pair, &["XLEN", key]).await;
    }
}

/// The default sizes: one more item or byte makes a collection large.
#[tokio::test]
async fn encodings_of_collections_that_are_just_small_enough() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut pair = [Raw::embedded(&embedded), Raw::real(&real).await];
    let numbers = |count: usize| (0..count).map(|number| number.to_string());
    let doubled = |count: usize| numbers(count).flat_map(|number| [number.clone(), number]);
    for (name, limit) in [("HSET", 512), ("ZADD", 128), ("SADD", 512)] {
        for count in [limit, limit + 1] {
            let key = format!("{name}:{count}");
            let items: Vec<String> =
                if name == "SADD" { numbers(count).collect() } else { doubled(count).collect() };
            let command: Vec<String> = [name.to_owned(), key.clone()].into_iter().chain(items).collect();
            same(&mut pair, &command).await;
            same(&mut pair, &["OBJECT", "ENCODING", &key]).await;
        }
        for length in [64, 65] {
            let (key, item) = (format!("{name}:long:{length}"), "x".repeat(length));
            let command = if name == "SADD" { vec![name, &key, &item] } else { vec![name, &key, "1", &item] };
            same(&mut pair, &command).await;
            same(&mut pair, &["OBJECT", "ENCODING", &key]).await;
        }
    }
}
