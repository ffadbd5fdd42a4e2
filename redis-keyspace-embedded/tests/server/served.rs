//! Clients that wait for sorted sets and streams, next to a real server.

use std::collections::HashMap;

use redis_keyspace_harness::eventually;
use tokio::sync::Mutex;

use crate::raw::{Raw, Running, words};

/// One step per line: the name of a connection, then `!` and a command that waits, `?` for its
/// reply, or a command whose reply is compared.
const STEPS: &str = "
# The client that has waited longest is first, and gets the first key that has members.
a ! BZPOPMIN z y 0
b ! BZPOPMAX z 0
c ! BZMPOP 0 2 y z MAX COUNT 2
d ZADD z 1 a 2 b 3 c 4 d 5 e
a ?
b ?
c ?
d ZRANGE z 0 -1 WITHSCORES
d DEL z
# Other ways to create a sorted set.
d ZADD source 1.5 a 2 b
a ! BZPOPMIN z 0
d ZUNIONSTORE z 1 source
a ?
d DEL z
a ! BZPOPMAX z 0
d RENAME source z
a ?
d DEL z
a ! BZPOPMIN z 0
d GEOADD z 13.361389 38.115556 palermo
a ?
# A value of another type ends no wait.
a ! BZPOPMIN z 0
d SET z v
d DEL z
d MULTI
d ZADD z 1 gone
d ZREM z gone
d ZADD z 2 left
d EXEC
a ?
d EXISTS z
d SET z v
a BZPOPMIN z 0
a BZMPOP 0 1 z MIN
d MULTI
d BZPOPMIN y 0
d BZMPOP 0 1 y MAX
d XREAD BLOCK 0 STREAMS y $
d EXEC
# All clients that read a stream get a new entry.
d XADD x 1-1 f old
a ! XREAD BLOCK 0 STREAMS x y $ $
b ! XREAD COUNT 1 BLOCK 0 STREAMS x 1-1
d XADD x 2-1 f new
a ?
b ?
a ! XREAD BLOCK 0 STREAMS y $
d XADD y 1-1 f v
a ?
# The entries of a transaction arrive together.
a ! XREAD BLOCK 0 STREAMS y 1-1
b ! XREAD BLOCK 0 COUNT 1 STREAMS y 1-1
d MULTI
d XADD y 2-1 f v
d XADD y 2-2 f v
d EXEC
a ?
b ?
# An entry that is trimmed at once, or a deleted stream, ends no wait of XREAD.
a ! XREAD BLOCK 0 STREAMS y $
d DEL y
d SET y v
d DEL y
d XADD y 9-1 f v
a ?
# One client of a group gets an entry, the next one the next entry.
d XGROUP CREATE x workers $
a ! XREADGROUP GROUP workers alice BLOCK 0 STREAMS x >
b ! XREADGROUP GROUP workers bob BLOCK 0 NOACK STREAMS x >
d XADD x 3-1 f one
a ?
d XADD x 3-2 f two
b ?
d XPENDING x workers
a XREADGROUP GROUP workers alice BLOCK 0 STREAMS x 0
# The end of the group and of the stream end the wait.
a ! XREADGROUP GROUP workers alice BLOCK 0 STREAMS x >
d XGROUP DESTROY x workers
a ?
d XGROUP CREATE x workers $
a ! XREADGROUP GROUP workers alice BLOCK 0 STREAMS x >
d DEL x
a ?
d XGROUP CREATE x workers $ MKSTREAM
a ! XREADGROUP GROUP workers alice BLOCK 0 STREAMS x >
d SET x v
a ?
# A group that is set back has entries again.
d DEL x
d XADD x 1-1 f v
d XGROUP CREATE x workers $
a ! XREADGROUP GROUP workers alice BLOCK 0 STREAMS x >
d XGROUP SETID x workers 0
d XADD x 2-1 f v
a ?
# A timeout.
a XREAD BLOCK 5 STREAMS x $
a BZPOPMIN nothing 0.005
a XREADGROUP GROUP workers alice BLOCK 5 STREAMS x >
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
    let mut log = Vec::new();
    for line in STEPS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, step) = line.split_once(' ').expect("a connection and a step");
        if !connections.contains_key(name) {
            let mut connection = server.connect().await;
            connection.line(&format!("HELLO {protocol}")).await;
            connections.insert(name, connection);
        }
        let connection = connections.get_mut(name).expect("it was inserted");
        if let Some(command) = step.strip_prefix("! ") {
            let before = waiting(&control).await;
            connection.send(&words(command)).await;
            eventually("the client waits", async || waiting(&control).await == before + 1).await;
            continue;
        }
        let reply = match step {
            "?" => connection.receive().await.unwrap_or_default(),
            command => connection.call(&words(command)).await.unwrap_or_default(),
        };
        log.push(format!("{line}: {}", reply.escape_ascii()));
    }
    log
}

#[tokio::test]
async fn clients_that_wait_for_sorted_sets_and_streams_get_the_same_replies() {
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
