//! What a test needs from the server, if not every server has it. A test that must be skipped says
//! so: it is printed, and recorded for the results in the guide.

use std::io::Write as _;

use crate::resp::Reply;
use crate::server::{RealServer, shared_server};

/// The environment variable that names the file of the skipped tests. Each line is the suite, the
/// test, and after a tab the reason.
const VARIABLE: &str = "REDIS_KEYSPACE_SKIPS";

/// Returns whether the server has a command. If not, records that the running test is skipped: it
/// must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_command(server: &RealServer, command: &str) -> bool {
    server.supports(command) || skip(&format!("the server has no {command}, according to COMMAND INFO"))
}

/// Returns whether the server accepts a command with an option. If not, records that the running
/// test is skipped: it must return then. The command runs. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_accepted(server: &RealServer, command: &[&str]) -> bool {
    let reply = server.client().call(command).expect("the server answers");
    !matches!(reply, Reply::Error(_)) || skip(&format!("the server rejects {}", command.join(" ")))
}

/// Returns whether the server lacks a command, for tests of what happens then. If not, records that
/// the running test is skipped: it must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_no_command(server: &RealServer, command: &str) -> bool {
    !server.supports(command) || skip(&format!("the server has {command}, according to COMMAND INFO"))
}

/// Returns whether scripts have a function, such as `redis.sha1hex`. If not, records that the
/// running test is skipped: it must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_in_scripts(server: &RealServer, function: &str) -> bool {
    server.redis_cli(&["EVAL", &format!("return redis.{function} and 1 or 0"), "0"]) == "1"
        || skip(&format!("scripts have no redis.{function}, according to EVAL"))
}

/// Returns whether SCRIPT DEBUG affects only the scripts of its own connection. If not, records
/// that the running test is skipped: it must return then. Call it on the thread of the test, with a
/// private server, which may crash later.
#[must_use = "a test without what it needs must return"]
pub fn require_private_script_debug(server: &RealServer) -> bool {
    server.redis_cli(&["SCRIPT", "DEBUG", "YES"]);
    let other = server.client().call(&["EVAL", "return 1", "0"]).expect("the server answers");
    other == Reply::Integer(1)
        || skip("scripts of other connections are debugged, too, according to SCRIPT DEBUG YES and EVAL")
}

/// Returns whether a claim of a deleted entry of a stream ends that it is pending. If not, records
/// that the running test is skipped: it must return then. Call it on the thread of the test, with a
/// private server.
#[must_use = "a test without what it needs must return"]
pub fn require_forgotten_entries(server: &RealServer) -> bool {
    let mut client = server.client();
    let mut call = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        client.call(&words).expect("the server answers")
    };
    call("XGROUP CREATE s g $ MKSTREAM");
    call("XADD s 1-1 f v");
    call("XREADGROUP GROUP g one STREAMS s >");
    call("XDEL s 1-1");
    call("XCLAIM s g two 0 1-1");
    let Reply::Array(pending) = call("XPENDING s g") else { panic!("XPENDING returns an array") };
    pending.first() == Some(&Reply::Integer(0))
        || skip("a deleted entry stays pending when it is claimed, according to XCLAIM and XPENDING")
}

/// Returns whether the machine has IPv6. If not, records that the running test is skipped: it must
/// return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_ipv6() -> bool {
    match std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => true,
        Err(error) => skip(&format!("the machine can't listen on ::1: {error}")),
    }
}

/// Returns whether the server replies to a rejected AUTH behind other commands. If not, records
/// that the running test is skipped: it must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_reply_to_auth(server: &RealServer) -> bool {
    let mut client = server.client();
    let pong = |reply: Reply| reply == Reply::Status("PONG".to_owned());
    // In one write, so that the reply to PING waits to be sent.
    client.send_all(&[&["PING"][..], &["AUTH", "no-such-user", "x"], &["PING"]]).expect("the server reads");
    let replies = [client.receive(), client.receive()].map(|reply| reply.expect("the server answers"));
    !replies.map(pong)[1]
        || skip(
            "the server does not reply to a rejected AUTH behind other commands, according to PING, AUTH, PING",
        )
}

/// Returns whether the servers that the harness starts can use TLS. If not, records that the
/// running test is skipped: it must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_tls() -> bool {
    has_setting("tls-port") || skip("the server was built without TLS, according to CONFIG GET tls-port")
}

/// Returns whether the servers that the harness starts have a setting. If not, records that the
/// running test is skipped: it must return then. Call it on the thread of the test.
#[must_use = "a test without what it needs must return"]
pub fn require_setting(name: &str) -> bool {
    has_setting(name) || skip(&format!("the server has no setting {name}, according to CONFIG GET"))
}

/// Returns whether a server accepts a value of a setting, and leaves it set. If not, records that
/// the running test is skipped: it must return then. Call it on the thread of the test, with a
/// private server.
#[must_use = "a test without what it needs must return"]
pub fn require_value(server: &RealServer, setting: &str, value: &str) -> bool {
    let reply = server.client().call(&["CONFIG", "SET", setting, value]).expect("the server answers");
    !matches!(reply, Reply::Error(_))
        || skip(&format!("the server refuses the value {value} of {setting}, according to CONFIG SET"))
}

fn has_setting(name: &str) -> bool {
    let known = shared_server().client().call(&["CONFIG", "GET", name]).expect("the server answers");
    matches!(&known, Reply::Array(pair) if !pair.is_empty())
}

/// Records the reason for which the running test is skipped. Returns `false`.
fn skip(reason: &str) -> bool {
    let program = std::env::current_exe().expect("the program of the test is known");
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let suite = name.rsplit_once('-').map_or(&*name, |(suite, _)| suite); // without the hash of cargo
    let thread = std::thread::current();
    let test = thread.name().expect("it is called on the thread of the test");
    eprintln!("skipped: {suite} {test}: {reason}");
    if let Some(file) = std::env::var_os(VARIABLE) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        // One call, so that lines of several processes do not mix.
        let line = format!("{suite} {test}\t{reason}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the skipped test can be recorded");
    }
    false
}
