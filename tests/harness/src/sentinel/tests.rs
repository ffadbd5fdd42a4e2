//! Tests of the real sentinels.

use std::time::SystemTime;

use super::{Party, RealSentinels};
use crate::resp::Reply;
use crate::{Monitor, TlsFiles, eventually_blocking, require_tls};

fn role(servers: &RealSentinels, node: usize) -> String {
    match servers.node(node).client().call(&["ROLE"]).unwrap() {
        Reply::Array(role) => role[0].to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn sentinels_start_with_a_master_and_its_replicas() {
    let servers = RealSentinels::start();
    assert_eq!((servers.node_count(), servers.sentinel_count()), (3, 3));
    assert_eq!((servers.live_nodes(), servers.live_sentinels()), (vec![0, 1, 2], vec![0, 1, 2]));
    assert_eq!(servers.master(), 0);
    assert_eq!([0, 1, 2].map(|node| role(&servers, node)), ["master", "slave", "slave"]);
    for sentinel in 0..3 {
        assert_eq!(servers.address_according_to(sentinel), servers.node(0).address());
        let info = servers.sentinel(sentinel).redis_cli(&["INFO", "sentinel"]);
        assert!(info.contains("slaves=2,sentinels=3"), "{info}");
    }
    let addresses = servers.sentinel_addresses();
    let [first, second, third] = addresses.as_slice() else { panic!("{addresses:?}") };
    assert_eq!(servers.url(), format!("redis+sentinel://{first},{second},{third}/mymaster"));
    servers.node(0).redis_cli(&["SET", "key", "value"]);
    servers.replicated();
    assert_eq!(servers.node(1).redis_cli(&["GET", "key"]), "value");
    assert_eq!(servers.node(2).redis_cli(&["DBSIZE"]), "1");
}

#[test]
fn a_killed_master_is_replaced_and_a_restarted_one_accepts_writes_until_it_is_demoted() {
    let servers = RealSentinels::start();
    let switches = servers.switches();
    servers.node(0).kill();
    let promotion = servers.promoted(0);
    let (first, last) = (switches.first(), switches.last(&[0, 1, 2]));
    assert!(promotion.at <= first.at && first.at <= last.at, "{promotion:?} {first:?} {last:?}");
    assert!(switches.seen().len() >= 3);
    assert_eq!(first.sentinel, switches.seen()[0].sentinel);
    // On a busy machine, a second leader may replace the promoted replica again.
    servers.settled();
    let master = servers.master();
    assert!(master != 0 && switches.seen().iter().any(|switch| switch.node == master));
    servers.node(master).redis_cli(&["SET", "key", "kept"]);
    servers.node(0).restart();
    // The witness of the old master ends with its demotion.
    let monitor = Monitor::start(servers.node(0), |executed| executed.words[0] == "SET").unwrap();
    assert_eq!(role(&servers, 0), "master");
    let before = SystemTime::now();
    servers.node(0).redis_cli(&["SET", "key", "lost"]);
    servers.settled();
    eventually_blocking("the old master closes its connections", || monitor.has_ended());
    let executed = monitor.executed();
    let [executed] = executed.as_slice() else { panic!("{executed:?}") };
    assert_eq!(executed.words, ["SET", "key", "lost"]);
    assert!(executed.at >= before - std::time::Duration::from_millis(1) && executed.at <= SystemTime::now());
    assert!(executed.client.starts_with("127.0.0.1:"), "{executed:?}");
    assert_eq!(role(&servers, 0), "slave");
    assert_eq!(servers.node(0).redis_cli(&["GET", "key"]), "kept");
    // Its file says which master it has.
    servers.node(0).restart();
    assert_eq!(role(&servers, 0), "slave");
    servers.settled();
}

#[test]
fn a_paused_master_is_replaced_and_a_sentinel_alone_can_replace_it() {
    let servers = RealSentinels::start();
    let switches = servers.switches();
    servers.node(0).pause();
    assert_eq!(servers.live_nodes(), [1, 2]);
    assert_ne!(servers.promoted(0).node, 0);
    switches.last(&[0, 1, 2]);
    servers.node(0).resume();
    assert_eq!(role(&servers, 0), "master");
    servers.settled();
    let master = servers.master();
    assert_eq!(role(&servers, 0), "slave");
    servers.sentinel(0).kill();
    servers.sentinel(1).kill();
    assert_eq!(servers.live_sentinels(), [2]);
    servers.replicated();
    let switches = servers.switches();
    servers.failover(2);
    let second = servers.promoted(master);
    assert_eq!((switches.first().node, switches.first_of(2).sentinel), (second.node, 2));
    // A sentinel that comes back has its configuration, and learns the new master.
    servers.sentinel(0).restart();
    servers.sentinel(1).restart();
    servers.settled();
    assert_eq!([0, 1, 2].map(|sentinel| servers.master_according_to(sentinel)), [second.node; 3]);
}

#[test]
fn sentinels_can_have_passwords_users_and_other_numbers() {
    let builder = RealSentinels::builder()
        .replicas(1)
        .sentinels(1)
        .quorum(1)
        .down_after(1000)
        .password("data-secret")
        .user("app on >data ~* &* +@all")
        .sentinel_password("watching")
        .sentinel_user("app on >watch &* +@all")
        .arg("--min-replicas-to-write")
        .arg("1")
        .sentinel_arg("--hz")
        .sentinel_arg("20")
        .arg("--maxmemory")
        .arg("100mb");
    let servers = builder.start();
    let ask = |server: &crate::RealServer, commands: [&[&str]; 2]| {
        let mut client = crate::resp::Client::tcp(server.address()).unwrap();
        commands.map(|command| client.call(command).unwrap().to_string())
    };
    let [refused, accepted] = ask(servers.node(0), [&["GET", "key"], &["AUTH", "app", "data"]]);
    assert!(refused.starts_with("NOAUTH") && accepted == "OK", "{refused} {accepted}");
    let [refused, accepted] = ask(servers.sentinel(0), [&["PING"], &["AUTH", "app", "watch"]]);
    assert!(refused.starts_with("NOAUTH") && accepted == "OK", "{refused} {accepted}");
    assert_eq!(servers.node(1).redis_cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n104857600");
    servers.node(1).kill();
    let mut client = servers.node(0).client();
    eventually_blocking("the master misses its replica", || {
        client.call(&["SET", "key", ""]).unwrap().to_string().starts_with("NOREPLICAS")
    });
    servers.node(1).restart();
    servers.settled();
    servers.sentinel(0).restart();
    servers.settled();
    let switches = servers.switches();
    servers.failover(0);
    assert_eq!((servers.promoted(0).node, switches.first().node), (1, 1));
}

#[test]
fn sentinels_can_know_all_servers_by_their_ports_with_tls() {
    if !require_tls() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [certificate, key] = ["certificate", "key"].map(|name| dir.path().join(name));
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let files = TlsFiles { ca: certificate.clone(), certificate, key };
    let servers = RealSentinels::builder().replicas(1).tls(files).start();
    assert_eq!(servers.address_according_to(0), servers.node(0).tls_address());
    assert_eq!(servers.sentinel_addresses()[2], servers.sentinel(2).tls_address());
    let switches = servers.switches();
    servers.node(0).kill();
    assert_eq!(servers.promoted(0).node, 1);
    assert_eq!(switches.last(&[0, 1, 2]).node, 1);
    assert_eq!(servers.address_according_to(1), servers.node(1).tls_address());
    servers.node(0).restart();
    servers.settled();
}

#[test]
fn a_minority_with_the_old_master_learns_of_the_new_one_when_the_network_heals() {
    let servers = RealSentinels::builder().links().start();
    let switches = servers.switches();
    let mut program = crate::resp::Client::tcp(servers.node_address(0)).unwrap();
    assert_eq!(program.call(&["SET", "key", "1"]).unwrap().to_string(), "OK");
    servers.replicated();
    servers.separate(&[Party::Program, Party::Node(0), Party::Sentinel(0)]);
    let promotion = servers.promoted(0);
    assert_ne!(switches.last(&[1, 2]).node, 0);
    // The program and its sentinel know nothing of it.
    assert_eq!(program.call(&["SET", "key", "2"]).unwrap().to_string(), "OK");
    assert_eq!(servers.master_according_to(0), 0);
    assert!(switches.seen().iter().all(|switch| switch.sentinel != 0));
    // Connections to the other side are accepted, and nothing arrives.
    let mut other = crate::resp::Client::tcp(servers.node_address(promotion.node)).unwrap();
    other.send(&["SET", "key", "3"]).unwrap();
    assert_eq!(servers.node(promotion.node).redis_cli(&["GET", "key"]), "1");
    servers.reunite();
    assert_eq!(other.receive().unwrap().to_string(), "OK");
    assert_ne!(switches.first_of(0).node, 0);
    servers.settled();
    assert_eq!(servers.node(0).redis_cli(&["GET", "key"]), "3");
    assert!(program.call(&["SET", "key", "4"]).is_err());
}

#[test]
fn a_program_can_lose_one_server_that_all_others_reach() {
    let servers = RealSentinels::builder().replicas(1).links().start();
    let client = |address| crate::resp::Client::tcp(address).unwrap();
    let mut master = client(servers.node_address(0));
    let mut sentinel = client(servers.sentinel_address(1));
    servers.cut(Party::Program, Party::Node(0));
    master.send(&["INCR", "key"]).unwrap();
    assert_eq!(client(servers.node_address(1)).call(&["PING"]).unwrap().to_string(), "PONG");
    assert_eq!(sentinel.call(&["PING"]).unwrap().to_string(), "PONG");
    servers.cut(Party::Sentinel(1), Party::Program);
    sentinel.send(&["PING"]).unwrap();
    // The other servers still reach each other.
    servers.settled();
    assert_eq!((servers.master(), servers.node(0).redis_cli(&["EXISTS", "key"])), (0, "0".to_owned()));
    servers.reunite();
    assert_eq!(master.receive().unwrap(), Reply::Integer(1));
    assert_eq!(sentinel.receive().unwrap().to_string(), "PONG");
}
