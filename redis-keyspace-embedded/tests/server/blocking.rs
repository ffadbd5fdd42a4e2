//! Commands that wait for a key, next to a real server and on a paused clock.

use std::collections::HashMap;
use std::time::Duration;

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::eventually;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::raw::{Raw, Running, words};

/// One step per line: the name of a connection, then `!` and a command that blocks, a command whose
/// reply is compared, `?` for the reply to the blocked command, `#` for the id of the connection in
/// `CLIENT UNBLOCK`, or `x` to disconnect.
const STEPS: &str = "
# The client that has waited longest is first.
a ! BLPOP q r 0
b ! BRPOP q 0
c ! BLPOP r q 0
d RPUSH q 1 2
a ?
b ?
d LRANGE q 0 -1
d LPUSH r 3
c ?
d EXISTS q r
# One push can serve many, and a transaction serves only what is left after it.
a ! BLPOP q 0
b ! BLMPOP 0 2 r q RIGHT COUNT 2
d MULTI
d RPUSH q gone
d DEL q
d RPUSH q 1 2 3 4
d EXEC
a ?
b ?
d LRANGE q 0 -1
d DEL q
# Moves lead to moves.
a ! BLMOVE q r LEFT RIGHT 0
b ! BRPOPLPUSH r s 0
c ! BLPOP s 0
d RPUSH q element
a ?
b ?
c ?
d EXISTS q r s
# A move into a value of another type fails and moves nothing.
d SET string v
a ! BLMOVE q string LEFT RIGHT 0
b ! BLPOP q 0
d RPUSH q element
a ?
b ?
d EXISTS q
# A value of another type ends no wait.
a ! BLPOP q 0
d SET q v
d DEL q
d RPUSH other element
d RENAME other q
a ?
# It does if it is there at the start.
d SET q v
a BLPOP q 0
a BLMOVE q r LEFT LEFT 0
a BLMPOP 0 1 q LEFT
d DEL q
# Another connection ends the wait.
a ! BLPOP q 0
d CLIENT UNBLOCK # a
a ?
a ! BLMOVE q r LEFT LEFT 0
d CLIENT UNBLOCK # a TIMEOUT
a ?
a ! BLMPOP 0 1 q LEFT
d CLIENT UNBLOCK # a error
a ?
d CLIENT UNBLOCK # a
d CLIENT UNBLOCK 999999
d CLIENT UNBLOCK x
d CLIENT UNBLOCK # a later
d CLIENT UNBLOCK # a error more
# A client that disconnected takes nothing.
a ! BLPOP q 0
b ! BLPOP q 0
a x
d RPUSH q element
b ?
d EXISTS q
# Nothing waits in a transaction.
d MULTI
d BLPOP q 0
d BLMOVE q r LEFT RIGHT 0
d BRPOPLPUSH q r 0
d BLMPOP 0 1 q LEFT
d EXEC
# Commands that were sent during the wait run after it.
a ! BLPOP q 0
a ! PING after
d RPUSH q element
a ?
a ?
# The database is that of the waiting client.
a SELECT 1
a ! BLPOP q 0
d RPUSH q zero
d SELECT 1
d RPUSH q one
a ?
d SELECT 0
a SELECT 0
d LPOP q
# A copy and a restored key count as writes.
d RPUSH source element
a ! BLPOP q 0
d COPY source q
a ?
d LRANGE source 0 -1
# SWAPDB serves the clients of both databases.
a ! BLPOP swapped 0
d SELECT 1
d RPUSH swapped 1
d SWAPDB 0 1
d EXISTS swapped
d SELECT 0
a ?
d EXISTS swapped
# A reader of a group learns that its stream was flushed, or exchanged for nothing.
d XADD flushed 1-1 f v
d XGROUP CREATE flushed g $
a ! XREADGROUP GROUP g c BLOCK 0 STREAMS flushed >
b ! XREAD BLOCK 0 STREAMS flushed $
d FLUSHDB
a ?
d XADD flushed 2-1 f v
b ?
d XADD exchanged 1-1 f v
d XGROUP CREATE exchanged g $
a ! XREADGROUP GROUP g c BLOCK 0 STREAMS exchanged >
d SWAPDB 0 1
a ?
d SWAPDB 0 1
d DEL exchanged
d XADD retyped 1-1 f v
d XGROUP CREATE retyped g $
d SELECT 1
d LPUSH retyped 1
d SELECT 0
a ! XREADGROUP GROUP g c BLOCK 0 STREAMS retyped >
d SWAPDB 0 1
a ?
d SWAPDB 0 1
d FLUSHALL
# So does one whose stream expires, also if the lifetime was set during the wait.
d XADD expiring 1-1 f v
d XGROUP CREATE expiring g $
a ! XREADGROUP GROUP g c BLOCK 0 STREAMS expiring >
d PEXPIRE expiring 1
a ?
# WAIT needs no replica, or waits for replicas that do not exist.
d WAIT 0 0
d WAIT -1 0
d WAIT 1 5
d WAIT x 0
d WAIT 1 -1
d WAIT 1 x
a ! WAIT 1 0
d CLIENT UNBLOCK # a
a ?
a ! WAIT 2 0
d CLIENT UNBLOCK # a ERROR
a ?
d MULTI
d WAIT 1 0
d EXEC
";

/// The number of connections that wait.
async fn waiting(control: &Mutex<Raw>) -> usize {
    let list = control.lock().await.line("CLIENT LIST").await;
    let flags = list.split(' ').filter_map(|field| field.strip_prefix("flags="));
    flags.filter(|flags| flags.contains('b')).count()
}

async fn run(server: &Running, protocol: &str) -> Vec<String> {
    let control = Mutex::new(server.connect().await);
    let mut connections: HashMap<&str, Raw> = HashMap::new();
    let mut ids: HashMap<&str, String> = HashMap::new();
    let mut log = Vec::new();
    for line in STEPS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, step) = line.split_once(' ').expect("a connection and a step");
        if !connections.contains_key(name) {
            let mut connection = server.connect().await;
            connection.line(&format!("HELLO {protocol}")).await;
            let id = connection.line("CLIENT ID").await.trim_matches([':', '\r', '\n']).to_owned();
            ids.insert(name, id);
            connections.insert(name, connection);
        }
        let before = waiting(&control).await;
        let waits = async |count: usize| waiting(&control).await == count;
        let connection = connections.get_mut(name).expect("it was inserted");
        let reply = match step.split_once(' ') {
            Some(("!", command)) => {
                connection.send(&words(command)).await;
                if command != "PING after" {
                    eventually("it waits", async || waits(before + 1).await).await;
                }
                continue;
            }
            Some(("CLIENT", command)) if command.contains('#') => {
                let (before, after) = command.split_once("# ").expect("a connection");
                let (other, after) = after.split_once(' ').unwrap_or((after, ""));
                connection.line(&format!("CLIENT {before}{} {after}", ids[other])).await
            }
            _ if step == "?" => {
                let reply = connection.receive().await.unwrap_or_default();
                String::from_utf8_lossy(&reply).into_owned()
            }
            _ if step == "x" => {
                connections.remove(name);
                eventually("it no longer waits", async || waits(before - 1).await).await;
                continue;
            }
            _ => connection.line(step).await,
        };
        log.push(format!("{line}: {reply:?}"));
    }
    log
}

#[tokio::test]
async fn waiting_clients_get_the_same_replies() {
    for protocol in ["2", "3"] {
        let mut logs = Vec::new();
        for server in Running::both() {
            logs.push(run(&server, protocol).await);
        }
        assert_eq!(logs[0].len(), logs[1].len());
        for (ours, theirs) in logs[0].iter().zip(&logs[1]) {
            assert_eq!(ours, theirs, "RESP{protocol}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_on_the_clock_of_the_server() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    for (line, expected) in [
        ("WAIT 1 20500", ":0\r\n"),
        ("BLPOP q 20.5", "*-1\r\n"),
        ("BLMOVE q r LEFT LEFT 20.5", "*-1\r\n"),
        ("BLMPOP 20.5 1 q LEFT", "*-1\r\n"),
    ] {
        let started = Instant::now();
        assert_eq!(connection.line(line).await, expected);
        let waited = started.elapsed();
        assert!(
            waited >= Duration::from_millis(20_500) && waited < Duration::from_millis(21_000),
            "{waited:?}"
        );
    }
}

/// No command uses the database when the stream expires.
#[tokio::test(start_paused = true)]
async fn a_reader_of_a_group_learns_that_its_stream_expires() {
    let server = Server::new();
    let (mut reader, mut writer) = (Raw::embedded(&server), Raw::embedded(&server));
    // The lifetime is set before the wait, or during it, by this command.
    for (before, during) in [
        ("EXPIRE x 50", "PING"),
        ("PING", "EXPIRE x 50"),
        ("EXPIRE x 1000", "EXPIRE x 50"),
        ("EXPIRE x 10", "EXPIRE x 50"),
        ("EXPIRE y 1000", "PEXPIRE x 50000"),
    ] {
        writer.line("XADD x 1-1 f v").await;
        writer.line("XGROUP CREATE x g $").await;
        writer.line("XGROUP CREATE y g $ MKSTREAM").await;
        writer.line(before).await;
        let started = Instant::now();
        reader.send(&words("XREADGROUP GROUP g c BLOCK 0 STREAMS y x > >")).await;
        while !writer.line("CLIENT LIST").await.contains("flags=b") {
            tokio::task::yield_now().await;
        }
        writer.line(during).await;
        let reply = reader.receive().await.expect("a reply");
        assert_eq!(reply, b"-UNBLOCKED the stream key no longer exists\r\n", "{before}, {during}");
        assert_eq!(started.elapsed().as_secs(), 50, "{before}, {during}");
    }
}
