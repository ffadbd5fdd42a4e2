//! Tests of the harness itself.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::resp::{Client, Reply};
use crate::{
    Fault, PATIENCE, Proxy, RealServer, RunningTest, child_test, eventually_blocking, secrets, shared_server,
    unique_namespace,
};

const CHILD: &str = "REDIS_KEYSPACE_HARNESS_CHILD";

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

fn bytes(text: &str) -> Reply {
    Reply::Bytes(text.as_bytes().to_vec())
}

fn refused(address: std::net::SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Checks the unix socket: another test may already use the freed port.
fn gone(socket: &Path) -> bool {
    UnixStream::connect(socket).is_err()
}

fn hung_up<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let error = result.expect_err("the connection is closed");
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

#[test]
fn a_server_answers_on_tcp_and_on_its_socket() {
    let server = RealServer::start();
    assert_eq!(server.redis_cli(&["PING"]), "PONG");
    assert_eq!(server.redis_cli(&["SET", "key", "value"]), "OK");
    assert_eq!(Client::unix(&server.socket()).unwrap().call(&["GET", "key"]).unwrap(), bytes("value"));
    assert_eq!(server.redis_cli(&["-n", "63", "GET", "key"]), "(nil)");
    assert_eq!(server.redis_cli(&["MGET", "key", "other"]), "value\n(nil)");
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    assert!(server.unix_url().starts_with("unix:///"));
    assert_ne!(server.port(), 6379);
    assert!(server.dir().join("server.log").is_file());
    assert!(server.supports("GET") && !server.supports("NOSUCHCOMMAND"));
    let process = server.redis_cli(&["INFO", "server"]);
    assert!(process.contains(&format!("process_id:{}\r\n", server.pid())));
}

#[test]
fn dropping_a_server_ends_it_and_removes_its_directory() {
    let server = RealServer::start();
    let (socket, dir) = (server.socket(), server.dir().to_owned());
    assert!(!gone(&socket));
    drop(server);
    assert!(gone(&socket));
    assert!(!dir.exists());
}

#[test]
fn a_password_is_required_and_part_of_the_urls() {
    let server = RealServer::builder().password("p@ss:word/1").start();
    let refused = Client::tcp(server.address()).unwrap().call(&["GET", "key"]).unwrap();
    assert!(matches!(refused, Reply::Error(error) if error.starts_with("NOAUTH")));
    assert_eq!(server.redis_cli(&["PING"]), "PONG");
    assert_eq!(server.url(), format!("redis://:p%40ss%3Aword%2F1@127.0.0.1:{}", server.port()));
    assert!(server.unix_url().ends_with("/s?pass=p%40ss%3Aword%2F1"));
}

#[test]
fn arguments_are_passed_to_the_server() {
    let server = RealServer::builder().arg("--maxmemory-policy").arg("allkeys-lru").start();
    assert_eq!(server.redis_cli(&["CONFIG", "GET", "maxmemory-policy"]), "maxmemory-policy\nallkeys-lru");
}

#[test]
#[should_panic(expected = "no-such-setting")]
fn a_failed_start_reports_the_server_log() {
    let _ = RealServer::builder().arg("--no-such-setting").arg("1").start();
}

#[test]
fn a_killed_server_refuses_and_comes_back_empty_on_the_same_port() {
    let server = RealServer::start();
    let mut client = server.client();
    assert_eq!(client.call(&["SET", "key", "value"]).unwrap(), ok());
    let (port, pid) = (server.port(), server.pid());
    server.kill();
    assert!(hung_up(client.call(&["GET", "key"])));
    assert!(gone(&server.socket()));
    server.restart();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.redis_cli(&["GET", "key"]), "(nil)");
    server.terminate();
    assert!(gone(&server.socket()));
    server.restart();
    server.restart();
    assert_eq!(server.redis_cli(&["PING"]), "PONG");
}

#[test]
fn a_paused_server_answers_after_it_is_resumed() {
    let server = RealServer::start();
    server.pause();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut reply = [0; 7];
    let error = stream.read_exact(&mut reply).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    server.resume();
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[test]
fn a_paused_server_ends_on_drop_and_on_terminate() {
    let server = RealServer::start();
    server.pause();
    server.terminate();
    assert!(gone(&server.socket()));
    server.restart();
    server.pause();
    let socket = server.socket();
    drop(server);
    assert!(gone(&socket));
}

/// Not a test by itself: the process that the next two tests end. The shared server is never
/// dropped.
#[test]
fn server_in_a_child() {
    let Ok(end) = std::env::var(CHILD) else { return };
    println!("\n{CHILD}{}", shared_server().dir().display());
    if end == "killed" {
        let _ = io::stdin().read(&mut [0]); // no input arrives: waits until SIGKILL
    }
}

/// Starts that process, and also returns the directory of its server.
fn child(end: &str) -> (RunningTest, PathBuf) {
    let mut child = child_test!("server_in_a_child").env(CHILD, end).spawn();
    let dir = PathBuf::from(child.line(CHILD));
    (child, dir)
}

#[test]
fn a_server_ends_with_a_killed_test_process() {
    let (child, dir) = child("killed");
    assert!(!gone(&dir.join("s")));
    child.kill();
    eventually_blocking("the directory goes, the last thing of the server's", || !dir.exists());
}

#[test]
fn the_shared_server_ends_with_the_process() {
    let (child, dir) = child("returns");
    child.passes();
    eventually_blocking("the directory goes, the last thing of the server's", || !dir.exists());
}

#[test]
fn the_shared_server_is_unique_and_can_not_be_killed() {
    let server = shared_server();
    assert!(std::ptr::eq(server, shared_server()));
    for disturb in [RealServer::kill, RealServer::terminate, RealServer::pause, RealServer::restart] {
        let refusal = std::panic::catch_unwind(|| disturb(server)).unwrap_err();
        assert!(refusal.downcast_ref::<&str>().unwrap().contains("must not be disturbed"));
    }
    assert_eq!(server.redis_cli(&["PING"]), "PONG");
}

#[test]
fn namespaces_are_unique_and_alphanumeric() {
    let names: HashSet<String> = (0..1000).map(|_| unique_namespace()).collect();
    assert_eq!(names.len(), 1000);
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    assert!(names.iter().all(plain));
}

#[test]
fn a_proxy_forwards_and_counts() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let mut client = Client::tcp(proxy.address()).unwrap();
    let large = "x".repeat(1 << 20);
    assert_eq!(client.call(&["SET", "large", &large]).unwrap(), ok());
    assert_eq!(client.call(&["GET", "large"]).unwrap(), bytes(&large));
    let before = proxy.traffic();
    assert_eq!((before.connections, before.open, before.commands), (1, 1, 2));
    client.send_all(&[&["PING"], &["PING"], &["PING"]]).unwrap();
    for _ in 0..3 {
        assert_eq!(client.receive().unwrap(), Reply::Status("PONG".to_owned()));
    }
    let after = proxy.traffic();
    assert_eq!(after.commands - before.commands, 3);
    assert_eq!(after.writes_up - before.writes_up, 1);
    assert_eq!(after.bytes_up - before.bytes_up, 3 * "*1\r\n$4\r\nPING\r\n".len());
    assert_eq!(after.bytes_down - before.bytes_down, 3 * "+PONG\r\n".len());
    assert!(after.writes_down > before.writes_down);
    assert_eq!(server.url_through(&proxy), format!("redis://127.0.0.1:{}", proxy.port()));
}

#[tokio::test]
async fn a_proxy_reports_closed_connections() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let clients = [(); 3].map(|()| TcpStream::connect(proxy.address()).unwrap());
    assert_eq!(proxy.until(|traffic| traffic.open == 3).await.connections, 3);
    drop(clients);
    proxy.until(|traffic| traffic.open == 0).await;
}

#[test]
fn a_cut_request_never_runs() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    proxy.on("counter", Fault::CutRequest);
    let mut client = Client::tcp(proxy.address()).unwrap();
    // Earlier commands get their replies, and later ones are lost as well.
    client.send_all(&[&["INCR", "before"], &["INCR", "counter"], &["INCR", "behind"]]).unwrap();
    assert_eq!(client.receive().unwrap(), Reply::Integer(1));
    assert!(hung_up(client.receive()));
    assert_eq!(server.redis_cli(&["MGET", "before", "counter", "behind"]), "1\n(nil)\n(nil)");
    assert_eq!(proxy.unused(), 0);
    assert_eq!(Client::tcp(proxy.address()).unwrap().call(&["INCR", "counter"]).unwrap(), Reply::Integer(1));
}

#[test]
fn a_command_with_a_cut_reply_runs() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    proxy.on("counter", Fault::CutReply);
    let mut client = Client::tcp(proxy.address()).unwrap();
    client.send_all(&[&["INCR", "before"], &["INCR", "counter"], &["INCR", "behind"]]).unwrap();
    assert_eq!(client.receive().unwrap(), Reply::Integer(1));
    assert!(hung_up(client.receive()));
    assert_eq!(server.redis_cli(&["MGET", "before", "counter", "behind"]), "1\n1\n(nil)");
}

#[test]
fn faults_can_be_set_by_command_name() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let connect = || Client::tcp(proxy.address()).unwrap();
    proxy.named("incr", Fault::CutRequest);
    // The name is matched, in upper and lower case, and arguments are not.
    assert!(hung_up(connect().call(&["INCR", "counter"])));
    assert!(hung_up(connect().call(&["incr", "counter"])));
    assert_eq!(connect().call(&["SET", "INCR", "INCR"]).unwrap(), ok());
    assert_eq!(connect().call(&["INCRBY", "counter", "2"]).unwrap(), Reply::Integer(2));
    // `once` takes precedence, and the fault for all commands comes last.
    proxy.once(Fault::Pass);
    assert_eq!(connect().call(&["INCR", "counter"]).unwrap(), Reply::Integer(3));
    proxy.named("PING", Fault::Pass);
    proxy.set(Fault::CutRequest);
    assert_eq!(connect().call(&["PING"]).unwrap(), Reply::Status("PONG".to_owned()));
    assert!(hung_up(connect().call(&["GET", "counter"])));
    // The last setting of a name wins.
    proxy.named("INCR", Fault::Pass);
    assert_eq!(connect().call(&["INCR", "counter"]).unwrap(), Reply::Integer(4));
}

#[test]
fn a_reply_is_truncated_at_the_exact_byte() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    server.redis_cli(&["SET", "key", "0123456789"]);
    proxy.on("key", Fault::TruncateReply(8));
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n").unwrap();
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"+PONG\r\n$10\r\n012");
}

#[test]
fn one_time_faults_apply_in_order() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    proxy.once(Fault::Pass);
    proxy.once(Fault::Delay(Duration::from_millis(50)));
    proxy.once(Fault::CutReply);
    let mut client = Client::tcp(proxy.address()).unwrap();
    assert_eq!(client.call(&["INCR", "counter"]).unwrap(), Reply::Integer(1));
    let started = Instant::now();
    assert_eq!(client.call(&["INCR", "counter"]).unwrap(), Reply::Integer(2));
    // Never earlier; how much later depends on the machine.
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(hung_up(client.call(&["INCR", "counter"])));
    assert_eq!(server.redis_cli(&["GET", "counter"]), "3");
}

/// Returns whether neither bytes nor the end arrive for a while.
fn silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = stream.read(&mut [0]).expect_err("nothing comes");
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[test]
fn a_black_hole_discards_bytes_and_stays_open() {
    let incr = b"*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n";
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    for (fault, count) in [(Fault::BlackHole, "(nil)"), (Fault::BlackHoleReply, "1")] {
        proxy.set(fault);
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(incr).unwrap();
        assert!(silent(&mut stream));
        proxy.set(Fault::Pass);
        // The connection stays silent, even when the server closes it.
        stream.write_all(incr).unwrap();
        assert!(silent(&mut stream));
        assert_eq!(server.redis_cli(&["GET", "counter"]), count);
    }
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    proxy.set(Fault::BlackHole);
    stream.write_all(incr).unwrap();
    assert!(silent(&mut stream));
    server.kill();
    assert!(silent(&mut stream));
    proxy.cut_all();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn refusing_new_connections_keeps_open_ones() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let mut client = Client::tcp(proxy.address()).unwrap();
    assert_eq!(client.call(&["SET", "key", "value"]).unwrap(), ok());
    for _ in 0..3 {
        proxy.refuse(true);
        proxy.refuse(true);
        assert!(refused(proxy.address()));
        assert_eq!(client.call(&["GET", "key"]).unwrap(), bytes("value"));
        proxy.refuse(false);
        let mut other = Client::tcp(proxy.address()).unwrap();
        assert_eq!(other.call(&["GET", "key"]).unwrap(), bytes("value"));
    }
    proxy.cut_all();
    assert!(hung_up(client.call(&["GET", "key"])));
    assert_eq!(proxy.traffic().connections, 4);
}

#[test]
fn a_proxy_before_a_dead_server_closes_at_once() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    server.kill();
    assert!(hung_up(Client::tcp(proxy.address()).unwrap().call(&["PING"])));
    server.restart();
    assert_eq!(
        Client::tcp(proxy.address()).unwrap().call(&["PING"]).unwrap(),
        Reply::Status("PONG".to_owned())
    );
}

#[test]
fn push_messages_are_not_counted_as_replies() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut read = BufReader::new(stream.try_clone().unwrap());
    let mut until = |last: &str| {
        let mut line = String::new();
        while line.trim_end() != last {
            line.clear();
            assert_ne!(read.read_line(&mut line).unwrap(), 0);
        }
    };
    stream.write_all(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n").unwrap();
    until(":1");
    server.redis_cli(&["PUBLISH", "news", "hello"]);
    until("hello");
    proxy.on("counter", Fault::CutReply);
    stream.write_all(b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n").unwrap();
    until("+PONG");
    assert_eq!(read.read_line(&mut String::new()).unwrap(), 0);
    assert_eq!(server.redis_cli(&["GET", "counter"]), "1");
}

#[test]
fn other_protocols_are_forwarded_unchanged() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    for message in [&b"\x16\x03\x01hello"[..], b"\x00\xff"] {
        client.write_all(message).unwrap();
        let mut seen = vec![0; message.len()];
        server.read_exact(&mut seen).unwrap();
        assert_eq!(seen, message);
        server.write_all(message).unwrap();
        client.read_exact(&mut seen).unwrap();
        assert_eq!(seen, message);
    }
    proxy.set(Fault::CutRequest);
    client.write_all(b"\x17").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn secrets_are_found_in_every_encoding() {
    let secret = "hunter2/\"x";
    secrets::assert_absent(secret, ["redis://:***@host", "hunter"]);
    let forms = [
        secret.to_owned(),
        format!("{secret:?}"),
        format!("{:?}", secret.as_bytes()),
        "hunter2%2F%22x".to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for form in forms {
        let panic =
            std::panic::catch_unwind(|| secrets::assert_absent(secret, ["clean", &form])).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("text 1") && message.contains("<secret>"), "{message}");
        assert!(!message.contains(&form));
    }
    for vacuous in [("", vec!["text"]), (secret, vec![])] {
        assert!(std::panic::catch_unwind(|| secrets::assert_absent(vacuous.0, vacuous.1.clone())).is_err());
    }
}
