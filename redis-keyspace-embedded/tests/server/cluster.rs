//! The embedded cluster describes its node as a real cluster of one node does.

use redis_keyspace_embedded::Server;
use redis_keyspace_harness::RealServer;

use crate::raw::{Raw, words};

const COMMANDS: &[&str] = &[
    "CLUSTER MYID",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER NODES",
    "SET {a}1 x",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "CLUSTER GETKEYSINSLOT 15495 10",
    "SET a x",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "CLUSTER COUNTKEYSINSLOT 0",
    "CLUSTER GETKEYSINSLOT 15495 0",
    "CLUSTER GETKEYSINSLOT 0 10",
    "CLUSTER COUNTKEYSINSLOT 16383",
    "CLUSTER COUNTKEYSINSLOT 16384",
    "CLUSTER COUNTKEYSINSLOT -1",
    "CLUSTER COUNTKEYSINSLOT x",
    "CLUSTER COUNTKEYSINSLOT",
    "CLUSTER GETKEYSINSLOT 16384 1",
    "CLUSTER GETKEYSINSLOT 0 -1",
    "CLUSTER GETKEYSINSLOT x 1",
    "CLUSTER GETKEYSINSLOT 0 x",
    "CLUSTER GETKEYSINSLOT 0",
    "CLUSTER MYID x",
    "DEL a {a}1",
    "READONLY",
    "READWRITE",
    "ASKING",
    "READONLY x",
    "MULTI",
    "READONLY",
    "ASKING",
    "CLUSTER COUNTKEYSINSLOT 0",
    "EXEC",
];

async fn text(connection: &mut Raw, command: &str) -> String {
    let reply = connection.call(&words(command)).await.expect("a reply");
    String::from_utf8(reply).unwrap()
}

/// Replaces what differs between two nodes: the id, the port, and lengths that depend on the port.
/// The port becomes 0, as on a connection without one.
fn comparable(reply: &str, id: &str, port: u16) -> String {
    let bus_port = if port == 0 { 0 } else { u32::from(port) + 10_000 };
    let reply = reply.replace(id, "<id>").replace(&format!(":{port}\r\n"), ":0\r\n");
    match reply.replace(&format!(":{port}@{bus_port} "), ":0@0 ").split_once("\r\n") {
        Some((length, nodes)) if nodes.contains(":0@0 ") => format!("{}{nodes}", &length[..1]),
        _ => reply,
    }
}

#[tokio::test]
async fn a_node_is_described_as_by_a_real_server() {
    let real = RealServer::start_node();
    let embedded = Server::builder().cluster().build();
    for protocol in ["2", "3"] {
        let (mut ours, mut theirs) = (Raw::embedded(&embedded), Raw::real(&real).await);
        for connection in [&mut ours, &mut theirs] {
            text(connection, &format!("HELLO {protocol}")).await;
        }
        let id = |reply: String| reply.lines().nth(1).unwrap().to_owned();
        let ids = (id(text(&mut ours, "CLUSTER MYID").await), id(text(&mut theirs, "CLUSTER MYID").await));
        assert!(ids.0.len() == 40 && ids.0.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", ids.0);
        for command in COMMANDS {
            let ours = text(&mut ours, command).await;
            let theirs = text(&mut theirs, command).await;
            assert_eq!(
                comparable(&ours, &ids.0, 0),
                comparable(&theirs, &ids.1, real.port()),
                "RESP{protocol} {command}"
            );
        }
    }
    let mut connection = Raw::embedded(&embedded);
    assert!(text(&mut connection, "INFO server").await.contains("redis_mode:cluster"));
}

#[tokio::test]
async fn a_node_that_listens_knows_its_port() {
    let server = Server::builder().cluster().build();
    let listener = server.listen().await.unwrap();
    let port = listener.addr().unwrap().port();
    let mut connection = Raw::tcp(listener.addr().unwrap()).await;
    for command in ["CLUSTER SLOTS", "CLUSTER SHARDS"] {
        let reply = text(&mut connection, command).await;
        assert!(reply.contains(&format!(":{port}\r\n")), "{reply}");
    }
    let nodes = text(&mut connection, "CLUSTER NODES").await;
    assert!(nodes.contains(&format!(" :{port}@{} myself,master ", u32::from(port) + 10_000)), "{nodes}");
}

#[tokio::test]
async fn without_a_cluster_the_commands_are_errors() {
    let mut connection = Raw::embedded(&Server::new());
    for command in [
        "CLUSTER SLOTS",
        "CLUSTER SHARDS",
        "CLUSTER NODES",
        "CLUSTER MYID",
        "CLUSTER COUNTKEYSINSLOT x",
        "CLUSTER GETKEYSINSLOT 0 x",
        "READONLY",
        "READWRITE",
        "ASKING",
    ] {
        let reply = text(&mut connection, command).await;
        assert_eq!(reply, "-ERR This instance has cluster support disabled\r\n", "{command}");
    }
}
