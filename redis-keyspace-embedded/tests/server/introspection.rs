//! What the server says about itself: COMMAND, INFO and CLIENT, compared with a real server.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;
use redis_keyspace_embedded::{Fault, Reply, Server};
use redis_keyspace_harness::RealServer;

use crate::raw::{Raw, Running};

async fn value(connection: &mut Raw, words: &[&str]) -> Value {
    let reply = connection.call(words).await.expect("a reply");
    redis::parse_redis_value(&reply).expect("a reply that the driver reads")
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        other => panic!("no list: {other:?}"),
    }
}

/// Commands that are those of newer servers.
const NEWER: &[&str] = &[
    "client|setinfo",
    "client|no-touch",
    "delex",
    "delifeq",
    "hexpire",
    "hpexpire",
    "hexpireat",
    "hpexpireat",
    "httl",
    "hpttl",
    "hexpiretime",
    "hpexpiretime",
    "hpersist",
    "hgetex",
    "hsetex",
    "hgetdel",
    "zrank",
    "zrevrank",
];

/// Removes the notes of key specifications, which the embedded server does not have.
fn without_notes(value: Value) -> Value {
    match value {
        Value::Map(pairs) => {
            let kept = pairs.into_iter().filter(|(name, _)| *name != Value::BulkString(b"notes".to_vec()));
            Value::Map(kept.map(|(name, value)| (name, without_notes(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_notes).collect()),
        Value::Set(items) => Value::Set(items.into_iter().map(without_notes).collect()),
        other => other,
    }
}

#[tokio::test]
async fn commands_have_the_metadata_of_a_real_server() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
    for connection in [&mut ours, &mut theirs] {
        connection.call(&["HELLO", "3"]).await.expect("HELLO is answered");
    }
    let listed = value(&mut ours, &["COMMAND", "LIST"]).await;
    let names: Vec<String> = items(&listed).iter().map(text).collect();
    let known = names.iter().filter(|name| !NEWER.contains(&name.as_str()));
    let mut compared = 0;
    for name in known {
        let mut entries = Vec::new();
        for connection in [&mut ours, &mut theirs] {
            let info = without_notes(value(connection, &["COMMAND", "INFO", name]).await);
            let [Value::Array(fields)] = items(&info) else { panic!("{name}: {info:?}") };
            let (subcommands, own) = fields.split_last().expect("ten fields");
            let docs = value(connection, &["COMMAND", "DOCS", name]).await;
            let Value::Map(docs) = docs else { panic!("{name}: {docs:?}") };
            let [(_, Value::Map(facts))] = docs.as_slice() else { panic!("{name}: {docs:?}") };
            let fact = |wanted: &str| {
                facts.iter().find(|(name, _)| text(name) == wanted).map(|(_, fact)| text(fact))
            };
            let has_subcommands = !items(subcommands).is_empty();
            entries.push((own.to_vec(), fact("since"), fact("group"), has_subcommands));
        }
        let [ours, theirs] = <[_; 2]>::try_from(entries).expect("two servers");
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
    for filter in [
        ["ACLCAT", "write"],
        ["ACLCAT", "DANGEROUS"],
        ["ACLCAT", "slow"],
        ["PATTERN", "*get*"],
        ["PATTERN", "c*"],
    ] {
        let mut lists = Vec::new();
        for connection in [&mut ours, &mut theirs] {
            let list = value(connection, &["COMMAND", "LIST", "FILTERBY", filter[0], filter[1]]).await;
            let known = items(&list).iter().map(text).filter(|name| names.contains(name));
            lists.push(known.filter(|name| !NEWER.contains(&name.as_str())).collect::<BTreeSet<_>>());
        }
        assert_eq!(lists[0], lists[1], "{filter:?}");
        assert!(!lists[0].is_empty(), "{filter:?}");
    }
    let all = value(&mut ours, &["COMMAND"]).await;
    let info = value(&mut ours, &["COMMAND", "INFO"]).await;
    assert_eq!(all, info);
    let top_level = names.iter().filter(|name| !name.contains('|')).count();
    assert_eq!(items(&all).len(), top_level);
    assert_eq!(value(&mut ours, &["COMMAND", "COUNT"]).await, Value::Int(i64::try_from(top_level).unwrap()));
}

/// The headings of sections and the names of fields in INFO, in order.
fn fields(info: &str) -> Vec<String> {
    let lines = info.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn info_has_the_fields_of_a_real_server() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
    for sections in
        [&[][..], &["all"], &["everything"], &["default"], &["server", "CLUSTER"], &["stats", "memory"]]
    {
        let command = [&["INFO"][..], sections].concat();
        let mut lists = Vec::new();
        for connection in [&mut ours, &mut theirs] {
            connection.line("CONFIG RESETSTAT").await;
            connection.line("SET k v").await;
            connection.line("NOSUCH").await;
            let info = text(&value(connection, &command).await);
            // Not those of single commands, and not what real servers do not have.
            let fields = fields(&info).into_iter().filter(|field| {
                !["cmdstat_", "latency_percentiles_", "server_name", "server_version"]
                    .iter()
                    .any(|prefix| field.starts_with(prefix))
            });
            lists.push(fields.collect::<Vec<_>>());
        }
        assert_eq!(lists[0], lists[1], "{sections:?}");
    }
    let info = text(&value(&mut ours, &["INFO", "everything"]).await);
    let open: Vec<_> = info.lines().filter(|line| line.ends_with('?')).collect();
    assert!(open.is_empty(), "fields without a value: {open:?}");
    for line in [
        "arch_bits",
        "cluster_enabled",
        "errorstat_ERR",
        "total_error_replies",
        "total_reads_processed",
        "maxmemory_human",
        "hz",
    ] {
        let mut lines = Vec::new();
        for connection in [&mut ours, &mut theirs] {
            connection.line("CONFIG RESETSTAT").await;
            connection.line("CONFIG SET maxmemory 1gb hz 20").await;
            connection.line("NOSUCH").await;
            let info = text(&value(connection, &["INFO"]).await);
            lines.push(info.lines().find(|found| found.starts_with(line)).map(str::to_owned));
        }
        assert!(lines[0].is_some() && lines[0] == lines[1], "{line}: {lines:?}");
    }
}

/// The fields of a line of CLIENT LIST, in order.
fn client_fields(line: &str) -> Vec<(String, String)> {
    let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn client_lines_are_those_of_a_real_server() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    // Before CLIENT INFO is asked for.
    let cases: &[&[&str]] = &[
        &["PING"],
        &["CLIENT SETNAME me", "SELECT 3"],
        &["HELLO 3"],
        &["NOSUCH"],
        &["GET"],
        &["MULTI", "GET k"],
        &["CLIENT NO-EVICT on"],
        &["SUBSCRIBE a"],
        &["BLPOP q 0"],
        &["EXEC"],
        &["CLIENT KILL ID 0"],
        &["config|get x"],
    ];
    for case in cases {
        let mut lines = Vec::new();
        for is_real in [false, true] {
            let mut connections = Vec::new();
            for _ in 0..2 {
                connections.push(if is_real { Raw::real(&real).await } else { Raw::embedded(&embedded) });
            }
            let [mut client, mut observer] = <[_; 2]>::try_from(connections).ok().expect("two connections");
            let id = client.line("CLIENT ID").await.trim_start_matches(':').trim().to_owned();
            for line in *case {
                client.send_bytes(format!("{line}\r\n").as_bytes()).await;
                if !line.starts_with("BLPOP") {
                    client.receive().await.expect("a reply");
                }
            }
            // A blocked client has no reply to wait for.
            let line = loop {
                let list = text(&value(&mut observer, &["CLIENT", "LIST", "ID", &id]).await);
                if !case[0].starts_with("BLPOP") || list.contains("cmd=blpop") {
                    break list;
                }
                tokio::task::yield_now().await;
            };
            let own = text(&value(&mut observer, &["CLIENT", "INFO"]).await);
            let mut fields = client_fields(&line);
            fields.extend(client_fields(&own));
            lines.push(fields);
        }
        let [ours, theirs] = <[_; 2]>::try_from(lines).expect("two servers");
        let names =
            |fields: &[(String, String)]| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let known = names(&ours).into_iter().filter(|name| !name.starts_with("lib-")).collect::<Vec<_>>();
        assert_eq!(known, names(&theirs));
        // The real one is connected to by a unix socket.
        let plain = |fields: &[(String, String)], name: &str| {
            let values = fields.iter().filter(|(field, _)| field == name).map(|(_, value)| match name {
                "flags" => {
                    Some(value.replace('U', "")).filter(|flags| !flags.is_empty()).unwrap_or("N".into())
                }
                _ => value.clone(),
            });
            values.collect::<Vec<_>>()
        };
        for field in ["name", "flags", "db", "sub", "psub", "multi", "cmd", "user", "redir", "resp", "events"]
        {
            assert_eq!(plain(&ours, field), plain(&theirs, field), "{field} after {case:?}");
        }
    }
}

#[tokio::test]
async fn transactions_show_themselves_in_client_info() {
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let mut seen = Vec::new();
    for mut connection in [Raw::embedded(&embedded), Raw::real(&real).await] {
        for line in ["MULTI", "SELECT 2", "CLIENT INFO"] {
            connection.line(line).await;
        }
        let reply = value(&mut connection, &["EXEC"]).await;
        let fields = client_fields(&text(&items(&reply)[1]));
        let fields: BTreeMap<_, _> = fields.into_iter().collect();
        seen.push(["db", "multi", "cmd"].map(|name| fields[name].clone()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_killed_connection_is_closed_before_the_reply() {
    let server = Server::builder().user("app", "secret").build();
    let (mut admin, mut blocked, mut app) =
        (Raw::embedded(&server), Raw::embedded(&server), Raw::embedded(&server));
    assert_eq!(app.line("AUTH app secret").await, "+OK\r\n");
    assert_eq!(app.line("SUBSCRIBE news").await.lines().next(), Some("*3"));
    blocked.send(&["BLPOP", "q", "0"]).await;
    while !admin.line("CLIENT LIST").await.contains("cmd=blpop") {
        tokio::task::yield_now().await;
    }
    // In one read, so that no other task runs between the commands.
    let pipeline = "CLIENT KILL USER app\r\nPUBLISH news x\r\nCLIENT KILL USER app\r\nCLIENT KILL TYPE normal\r\n\
                    RPUSH q a\r\nLLEN q\r\nCLIENT KILL USER stranger\r\nCLIENT KILL USER default SKIPME no\r\n";
    admin.send_bytes(pipeline.as_bytes()).await;
    let replies = String::from_utf8(admin.drain().await).unwrap();
    assert_eq!(replies, ":1\r\n:0\r\n:0\r\n:1\r\n:1\r\n:1\r\n-ERR No such user 'stranger'\r\n:1\r\n");
    assert_eq!((app.receive().await, blocked.receive().await), (None, None));
}

/// Scripts in Lua and their native versions.
fn register_scripts(server: &Server) {
    server.register_script("return redis.pcall(unpack(ARGV))", |script, _, values| script.call(values));
    server.register_script("redis.pcall(unpack(ARGV)) return 1", |script, _, values| {
        script.call(values);
        Reply::Integer(1)
    });
    server
        .register_script("return redis.error_reply(ARGV[1])", |_, _, values| Reply::Error(values[0].clone()));
    server.register_script("return {redis.error_reply('A x'), {redis.error_reply('B x')}}", |_, _, _| {
        Reply::Array(vec![Reply::error("A x"), Reply::Array(vec![Reply::error("B x")])])
    });
}

#[tokio::test]
async fn all_errors_are_counted() {
    let thirty = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123 x";
    let longer = "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234 x";
    let commands: &[&[&str]] = &[
        &["NOSUCH"],
        &["GET"],
        &["LPUSH", "k", "x"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "NOSUCH", "x"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "CONFIG", "NOSUCH"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "CONFIG"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "CONFIG", "GET", "hz"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "SUBSCRIBE", "x"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "BLPOP", "x", "0"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "GET"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "LPUSH", "k", "x"],
        &["EVAL", "return redis.pcall(unpack(ARGV))", "0", "GET", "k"],
        &["EVAL", "redis.pcall(unpack(ARGV)) return 1", "0", "NOSUCH"],
        &["EVAL", "redis.pcall(unpack(ARGV)) return 1", "0", "LPUSH", "k", "x"],
        &["EVAL", "return redis.error_reply(ARGV[1])", "0", "MYERR x"],
        &["EVAL", "return redis.error_reply(ARGV[1])", "0", "MY#:\r\nERR x"],
        &["EVAL", "return redis.error_reply(ARGV[1])", "0", thirty],
        &["EVAL", "return redis.error_reply(ARGV[1])", "0", longer],
        &["EVAL", "return {redis.error_reply('A x'), {redis.error_reply('B x')}}", "0"],
    ];
    let [embedded, real] = Running::both();
    let Running::Embedded(server) = &embedded else { unreachable!("the first one") };
    register_scripts(server);
    let mut clients = [embedded.connect().await, real.connect().await];
    for command in commands {
        let mut seen = Vec::new();
        for client in &mut clients {
            client.line("SET k v").await;
            client.line("CONFIG RESETSTAT").await;
            let reply = client.call(command).await.unwrap().escape_ascii().to_string();
            seen.push((reply, errors(client).await));
        }
        assert_eq!(seen[0], seen[1], "{command:?}");
    }
    // A request that cannot be parsed, and a fault.
    for (server, client) in [&embedded, &real].into_iter().zip(&mut clients) {
        client.line("CONFIG RESETSTAT").await;
        let mut broken = server.connect().await;
        broken.send_bytes(b"*x\r\n").await;
        broken.drain().await;
        let counted = ["errorstat_ERR:count=1", "total_error_replies:1"];
        assert_eq!(errors(client).await, counted, "{}", server.name());
    }
    let fault = server.inject(Fault::error("LOADING Redis is loading the dataset").on("GET"));
    clients[0].line("CONFIG RESETSTAT").await;
    clients[0].line("GET k").await;
    drop(fault);
    assert_eq!(errors(&mut clients[0]).await, ["errorstat_LOADING:count=1", "total_error_replies:1"]);
}

/// The lines of INFO that count errors.
async fn errors(client: &mut Raw) -> Vec<String> {
    let info = text(&value(client, &["INFO", "errorstats", "stats"]).await);
    let mut lines: Vec<_> = info.lines().map(str::to_owned).collect();
    lines.retain(|line| line.starts_with("errorstat_") || line.starts_with("total_error_replies"));
    lines.sort();
    lines
}

#[tokio::test]
async fn a_script_reads_descriptions_of_commands() {
    let server = Server::new();
    server.register_script("return redis.call('COMMAND', 'INFO', 'get', 'get')", |script, _, _| {
        let reply = script.call(&["COMMAND", "INFO", "get", "get"]);
        let Reply::Array(entries) = &reply else { panic!("{reply:?}") };
        assert!(entries.iter().all(|entry| matches!(entry, Reply::Array(fields) if fields.len() == 10)));
        reply
    });
    let mut client = Raw::embedded(&server);
    let direct = client.call(&["COMMAND", "INFO", "get", "get"]).await;
    let scripted = client.call(&["EVAL", "return redis.call('COMMAND', 'INFO', 'get', 'get')", "0"]).await;
    assert_eq!(direct, scripted);
}

#[tokio::test]
async fn clients_are_listed_and_killed_by_id_and_type() {
    for server in Running::both() {
        let (mut admin, mut other) = (server.connect().await, server.connect().await);
        let mut ids = Vec::new();
        for connection in [&mut admin, &mut other] {
            ids.push(connection.line("CLIENT ID").await.trim_start_matches(':').trim().to_owned());
        }
        let (a, b) = (&ids[0], &ids[1]);
        let list = text(&value(&mut admin, &["CLIENT", "LIST", "ID", b, a, "-5", "999999", b]).await);
        let listed: Vec<_> = client_fields(&list).into_iter().filter(|(name, _)| name == "id").collect();
        let listed: Vec<_> = listed.iter().map(|(_, id)| id).collect();
        assert_eq!(listed, [b, a, b], "{}", server.name());
        assert_eq!(text(&value(&mut admin, &["CLIENT", "LIST", "ID", "-5"]).await), "", "{}", server.name());
        // The last type counts.
        assert_eq!(admin.line("CLIENT KILL TYPE normal TYPE master").await, ":0\r\n", "{}", server.name());
        assert_eq!(admin.line("CLIENT KILL TYPE master TYPE normal").await, ":1\r\n", "{}", server.name());
        assert_eq!(other.receive().await, None, "{}", server.name());
    }
}

/// Real servers know it since version 7.2.
#[tokio::test]
async fn names_of_libraries_are_checked() {
    let server = Server::new();
    let mut client = Raw::embedded(&server);
    let error = "-ERR Lib-Name cannot contain spaces, newlines or special characters.\r\n";
    assert_eq!(client.line("CLIENT SETINFO Lib-Name a\\x20b").await, error);
}

/// `CLIENT REPLY`: some commands are not answered. Messages and confirmations of subscriptions are.
#[tokio::test]
async fn a_client_can_do_without_replies() {
    let pipelines = [
        ("CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n", "$1\r\nb\r\n"),
        ("CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n", "$1\r\nb\r\n"),
        ("CLIENT REPLY SKIP\r\nBLPOP none 0.01\r\nECHO b\r\n", "$1\r\nb\r\n"),
        (
            "CLIENT REPLY OFF\r\nECHO a\r\nnonsense\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nECHO b\r\n",
            "+OK\r\n$1\r\nb\r\n",
        ),
        ("CLIENT REPLY maybe\r\nECHO b\r\n", "-ERR syntax error\r\n$1\r\nb\r\n"),
        (
            "CLIENT REPLY OFF\r\nSUBSCRIBE news\r\nUNSUBSCRIBE news\r\nCLIENT REPLY ON\r\n",
            "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n+OK\r\n",
        ),
    ];
    for server in Running::both() {
        for (sent, expected) in pipelines {
            let mut client = server.connect().await;
            client.send_bytes(sent.as_bytes()).await;
            let mut received = String::new();
            while received.len() < expected.len() {
                received.push_str(std::str::from_utf8(&client.receive().await.unwrap()).unwrap());
            }
            assert_eq!(received, expected, "{} after {sent}", server.name());
        }
    }
}
