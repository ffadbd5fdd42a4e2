//! The embedded server and a real one answer the same commands with the same bytes.

use proptest::prelude::*;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{RealServer, RealServerBuilder};

use crate::random::Figures;
use crate::raw::{Raw, sorted, words};

/// The options of a real server that is set up as the embedded one is by default.
fn options() -> RealServerBuilder {
    RealServer::builder().arg("--databases").arg("16")
}

fn real_server() -> RealServer {
    options().start()
}

/// Two connections to each of the two servers.
struct Pair {
    embedded: [Raw; 2],
    real: [Raw; 2],
}

impl Pair {
    async fn new(embedded: &Server, real: &RealServer, protocol: &str) -> Self {
        let mut pair = Self {
            embedded: [Raw::embedded(embedded), Raw::embedded(embedded)],
            real: [Raw::real(real).await, Raw::real(real).await],
        };
        for connection in pair.embedded.iter_mut().chain(&mut pair.real) {
            let reply = connection.call(&["HELLO", protocol]).await.expect("HELLO is answered");
            assert!(!reply.starts_with(b"-"), "{}", String::from_utf8_lossy(&reply));
        }
        pair
    }

    /// Runs one command on both and returns a description of the difference, if there is one.
    async fn compare(&mut self, connection: usize, command: &[Vec<u8>]) -> Option<String> {
        let ours = self.embedded[connection].call(command).await;
        let theirs = self.real[connection].call(command).await;
        let unordered = command.first().is_some_and(|name| {
            ["SMEMBERS", "KEYS"].iter().any(|unordered| name.eq_ignore_ascii_case(unordered.as_bytes()))
        });
        let same = match (&ours, &theirs) {
            (Some(ours), Some(theirs)) if unordered => sorted(ours) == sorted(theirs),
            _ => ours == theirs,
        };
        let show = |reply: &Option<Vec<u8>>| {
            reply.as_ref().map_or("closed".to_owned(), |reply| reply.escape_ascii().to_string())
        };
        let command =
            || command.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        (!same).then(|| format!("{}\n  embedded {}\n  real     {}", command(), show(&ours), show(&theirs)))
    }
}

/// Commands in order; those after `2>` go over the second connection.
const SCRIPTS: &[&str] = &[
    include_str!("scripts/strings.txt"),
    include_str!("scripts/expiry.txt"),
    include_str!("scripts/keys.txt"),
    include_str!("scripts/collections.txt"),
    include_str!("scripts/sorted_sets.txt"),
    include_str!("scripts/geo.txt"),
    include_str!("scripts/bits.txt"),
    include_str!("scripts/streams.txt"),
    include_str!("scripts/transactions.txt"),
    include_str!("scripts/connection.txt"),
    include_str!("scripts/config.txt"),
    include_str!("scripts/compact.txt"),
    include_str!("scripts/lcs.txt"),
    include_str!("scripts/databases.txt"),
    include_str!("scripts/introspection.txt"),
];

#[tokio::test]
async fn scripted_commands_get_the_same_replies() {
    let real = real_server();
    let mut differences = Vec::new();
    for protocol in ["2", "3"] {
        for script in SCRIPTS {
            let embedded = Server::new();
            let mut pair = Pair::new(&embedded, &real, protocol).await;
            pair.real[0].line("FLUSHALL").await;
            let lines =
                script.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            for (number, line) in lines {
                let (connection, line) = line.strip_prefix("2> ").map_or((0, line), |line| (1, line));
                if let Some(difference) = pair.compare(connection, &words(line)).await {
                    differences.push(format!("RESP{protocol} line {}: {difference}", number + 1));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test]
async fn malformed_requests_get_the_same_replies() {
    let real = real_server();
    let embedded = Server::new();
    let long = "x".repeat(70_000);
    let requests = [
        "*1\r\n$4\r\nPING\r\n*-1\r\n*0\r\n\r\nPING\r\nQUIT\r\n".to_owned(),
        "*x\r\n".into(),
        "*2147483648\r\n".into(),
        "*1\r\nPING\r\n".into(),
        "*1\r\n\r\n".into(),
        "*1\r\n$x\r\n".into(),
        "*1\r\n$-1\r\n".into(),
        "*1\r\n$536870913\r\n".into(),
        format!("*{long}"),
        format!("*1\r\n${long}"),
        long.clone(),
        "SET \"a b\" 'it\\'s'\r\nGET \"a\\x20b\"\nQUIT\r\n".into(),
        "SET \"a\r\n".into(),
        "SET \"a\"b c\r\n".into(),
        "SET 'a\r\n".into(),
        "ECHO\x0ba \x0b\x0cb\r\nECHO \"a\"\x0b\r\nECHO a\"b\"\r\nECHO 'a'\x0c\r\nQUIT\r\n".into(),
        "set k \"\\n\\r\\t\\b\\a\\\\\\\"\"\r\nget k\r\nquit\r\n".into(),
        "*3\r\n$3\r\nSET\r\n$1\r\nkXX$1\r\nv\r\n*1\r\n$4\r\nQUIT\r\n".into(),
    ];
    for request in requests {
        let mut ours = Raw::embedded(&embedded);
        let mut theirs = Raw::real(&real).await;
        ours.send_bytes(request.as_bytes()).await;
        theirs.send_bytes(request.as_bytes()).await;
        let shown: String = request.chars().take(60).collect();
        let (ours, theirs) = (ours.drain().await, theirs.drain().await);
        assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{shown:?}");
    }
}

/// A web page can send requests to a port of the machine, with commands in the body.
#[tokio::test]
async fn http_closes_the_connection() {
    let open = (options().start(), Server::new());
    let closed = (options().password("secret").start(), Server::builder().password("secret").build());
    let form = "POST / HTTP/1.1\r\nHost: localhost:6379\r\nContent-Type: text/plain\r\n\r\nSET k v\r\n";
    let requests = [
        form,
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n",
        "post x\r\nSET k v\r\n",
        "PoSt\r\nSET k v\r\n",
        "PING\r\nhost: x\r\nSET k v\r\n",
        "HOST:\r\nSET k v\r\n",
        "\"POST\" x\r\nSET k v\r\n",
        "MULTI\r\nSET k v\r\nPOST / HTTP/1.1\r\nEXEC\r\n",
        "SUBSCRIBE a\r\nHost: x\r\n",
        "*2\r\n$4\r\nPOST\r\n$1\r\n/\r\nSET k v\r\n",
        "*1\r\n$6\r\nhost:\0\r\nSET k v\r\n",
        // Not at the start of a line, or not quite the name.
        "GET post\r\nQUIT\r\n",
        "Host\r\nHost:x\r\nPOSTS\r\nPUT\r\nSET n v\r\nQUIT\r\n",
    ];
    for (real, embedded) in [&open, &closed] {
        for request in requests {
            let (mut ours, mut theirs) = (Raw::embedded(embedded), Raw::real(real).await);
            ours.send_bytes(request.as_bytes()).await;
            theirs.send_bytes(request.as_bytes()).await;
            let (ours, theirs) = (ours.drain().await, theirs.drain().await);
            assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{request:?}");
            assert_eq!(embedded.get(0, b"k"), None, "{request:?}");
        }
    }
}

#[tokio::test]
async fn authentication_gets_the_same_replies() {
    let real = options().password("secret").start();
    let embedded = Server::builder().password("secret").build();
    for line in [
        "PING",
        "GET",
        "NOSUCH",
        "HELLO 3",
        "HELLO 3 SETNAME x",
        "AUTH wrong",
        "AUTH default wrong",
        "AUTH stranger secret",
        "AUTH a b c",
        "MULTI",
        "QUIT",
    ] {
        let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
        assert_eq!(ours.line(line).await, theirs.line(line).await, "{line}");
    }
    let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
    for line in ["GET k", "AUTH secret", "GET k", "RESET", "GET k", "AUTH default secret", "GET k"] {
        assert_eq!(ours.line(line).await, theirs.line(line).await, "{line}");
    }
    let eleven = "*11\r\n";
    let long = "*1\r\n$16385\r\n";
    for request in [eleven, long] {
        let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
        ours.send_bytes(request.as_bytes()).await;
        theirs.send_bytes(request.as_bytes()).await;
        assert_eq!(ours.drain().await, theirs.drain().await, "{request:?}");
    }
}

#[tokio::test]
async fn messages_get_the_same_bytes() {
    let real = real_server();
    for protocol in ["2", "3"] {
        let embedded = Server::new();
        let mut pair = Pair::new(&embedded, &real, protocol).await;
        let mut seen = Vec::new();
        for [listener, other] in [&mut pair.embedded, &mut pair.real] {
            let mut bytes = Vec::new();
            listener.send(&["SUBSCRIBE", "a", "b"]).await;
            bytes.extend([listener.receive().await, listener.receive().await]);
            bytes.push(other.call(&["PUBLISH", "a", "hello"]).await);
            bytes.push(listener.receive().await);
            bytes.push(listener.call(&["PING"]).await);
            bytes.push(listener.call(&["PING", "x"]).await);
            if protocol == "2" {
                bytes.push(listener.call(&["GET", "k"]).await);
            } else {
                listener.send(&["PUBLISH", "b", "self"]).await;
                bytes.extend([listener.receive().await, listener.receive().await]);
            }
            bytes.push(other.call(&["PUBSUB", "NUMSUB", "a", "c"]).await);
            bytes.push(listener.call(&["UNSUBSCRIBE", "a"]).await);
            bytes.push(listener.call(&["UNSUBSCRIBE"]).await);
            bytes.push(listener.call(&["UNSUBSCRIBE"]).await);
            bytes.push(other.call(&["PUBLISH", "a", "unheard"]).await);
            seen.push(bytes.into_iter().map(|b| b.map(|b| b.escape_ascii().to_string())).collect::<Vec<_>>());
        }
        assert_eq!(seen[0], seen[1], "RESP{protocol}");
    }
}

/// A word that is often one of the interesting ones.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            "0",
            "1",
            "-1",
            "2",
            "10",
            "3.5",
            "abc",
            "",
            "9223372036854775807",
            "-0",
            "+1",
            "1e2"
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        prop::sample::select(vec![
            "NX",
            "XX",
            "GT",
            "LT",
            "GET",
            "EX",
            "PX",
            "KEEPTTL",
            "PERSIST",
            "EXAT",
            "WITHSCORES"
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn random_command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = prop::sample::select(
        "GET SET SET SETEX PSETEX SETNX GETSET GETDEL GETEX MGET MSET MSETNX APPEND STRLEN GETRANGE SETRANGE INCR DECR \
         INCRBY DECRBY EXISTS DEL UNLINK TOUCH TYPE EXPIRE PEXPIRE EXPIREAT TTL PERSIST RENAME RENAMENX COPY \
         LPUSH RPUSH LPOP RPOP LLEN LRANGE HSET HGET HDEL HLEN HEXISTS HGETALL SADD SREM SMEMBERS SISMEMBER SCARD \
         ZADD ZSCORE ZRANGE ZCARD KEYS DBSIZE MULTI EXEC DISCARD WATCH UNWATCH ECHO SELECT"
            .split_whitespace()
            .collect::<Vec<_>>(),
    );
    let key = prop::sample::select(vec!["k", "l", "m"]);
    (name, key, prop::collection::vec(word(), 0..4)).prop_map(|(name, key, rest)| {
        let mut command = vec![name.as_bytes().to_vec()];
        match name {
            "DBSIZE" | "MULTI" | "EXEC" | "DISCARD" | "UNWATCH" => {}
            "SELECT" => command.push(rest.into_iter().next().unwrap_or_default()),
            _ => {
                command.push(key.as_bytes().to_vec());
                command.extend(rest);
            }
        }
        command
    })
}

/// Whether the two servers can be expected to agree on it, given that they do not run in step.
fn comparable(command: &[Vec<u8>]) -> bool {
    let name = command[0].as_slice();
    // Not a lifetime that ends between the two servers' turns, nor strings of half a gigabyte.
    let short = command.iter().any(|word| matches!(word.as_slice(), b"PX" | b"EX" | b"EXAT"))
        || matches!(name, b"PSETEX" | b"PEXPIRE" | b"SETEX" | b"EXPIRE");
    let small = |word: &Vec<u8>| matches!(word.as_slice(), b"1" | b"2" | b"10");
    let huge = name == b"SETRANGE" && command.get(2).is_some_and(|word| word.len() > 4);
    let ends_at_once = short && command.iter().any(small);
    !ends_at_once && !huge
}

#[test]
fn random_commands_get_the_same_replies() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = real_server();
    // A fixed seed: a failure is the same on every machine.
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    let sequences =
        (prop::sample::select(vec!["2", "3"]), prop::collection::vec((0..2_usize, random_command()), 1..40));
    let figures = Figures::default();
    let result = runner.run(&sequences, |(protocol, commands)| {
        let difference = runtime.block_on(async {
            let embedded = Server::new();
            let mut pair = Pair::new(&embedded, &real, protocol).await;
            pair.real[0].line("FLUSHALL").await;
            for (connection, command) in commands.iter().filter(|(_, command)| comparable(command)) {
                figures.count_command();
                if let Some(difference) = pair.compare(*connection, command).await {
                    return Some(difference);
                }
            }
            None
        });
        figures.count_sequence();
        prop_assert!(difference.is_none(), "RESP{protocol} {}", difference.unwrap_or_default());
        Ok(())
    });
    figures.print("strings and transactions", "of ChaCha");
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
