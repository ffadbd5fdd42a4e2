//! Injected faults do what they say, to the commands they name, as often as asked.

use std::time::Duration;

use redis_keyspace_embedded::{Fault, Server};

use crate::raw::Raw;

#[tokio::test]
async fn errors_by_name_and_number() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let fault =
        server.inject(Fault::error("LOADING Redis is loading the dataset in memory").on("get").times(2));
    assert_eq!(connection.line("SET k v").await, "+OK\r\n");
    for _ in 0..2 {
        assert_eq!(connection.line("GET k").await, "-LOADING Redis is loading the dataset in memory\r\n");
    }
    assert_eq!(connection.line("GET k").await, "$1\r\nv\r\n");
    assert_eq!(fault.hits(), 2);
}

#[tokio::test]
async fn an_error_by_name_also_applies_to_commands_of_scripts() {
    const TEXT: &str = "return redis.pcall('INCR', KEYS[1])";
    let server = Server::new();
    server.register_script(TEXT, |script, keys, _| script.call(&[&b"INCR"[..], &keys[0]]));
    let mut connection = Raw::embedded(&server);
    let others = [Fault::delay(Duration::from_secs(3600)), Fault::stall(), Fault::close_before()];
    let others =
        others.into_iter().chain([Fault::close_after()]).map(|fault| server.inject(fault.on("INCR")));
    let others: Vec<_> = others.collect();
    let full = server.inject(Fault::error("OOM command not allowed").on("incr").times(1));
    let mut call = async || {
        let reply = connection.call(&["EVAL", TEXT, "1", "n"]).await.unwrap();
        String::from_utf8(reply).unwrap()
    };
    assert_eq!(call().await, "-OOM command not allowed\r\n");
    assert_eq!(server.get(0, b"n"), None);
    assert_eq!(call().await, ":1\r\n");
    assert_eq!(full.hits(), 1);
    assert!(others.iter().all(|fault| fault.hits() == 0));
}

#[tokio::test]
async fn a_guard_ends_its_fault_unless_kept() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let guard = server.inject(Fault::error("ERR any command"));
    assert_eq!(connection.line("PING").await, "-ERR any command\r\n");
    drop(guard);
    assert_eq!(connection.line("PING").await, "+PONG\r\n");
    server.inject(Fault::error("ERR kept").on("PING").times(1)).keep();
    assert_eq!(connection.line("PING").await, "-ERR kept\r\n");
    assert_eq!(connection.line("PING").await, "+PONG\r\n");
}

#[tokio::test]
async fn an_error_within_multi_aborts_the_transaction() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let _oom =
        server.inject(Fault::error("OOM command not allowed when used memory > 'maxmemory'.").on("SET"));
    connection.line("MULTI").await;
    assert!(connection.line("SET k v").await.starts_with("-OOM"));
    assert!(connection.line("EXEC").await.starts_with("-EXECABORT"));
}

/// As a real server has it: the connection is usable afterwards.
#[tokio::test]
async fn a_refused_exec_ends_the_transaction() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let _loading = server.inject(Fault::error("LOADING Redis is loading").on("EXEC").times(1));
    connection.line("MULTI").await;
    connection.line("SET k v").await;
    let refused = "-EXECABORT Transaction discarded because of: LOADING Redis is loading\r\n";
    assert_eq!(connection.line("EXEC").await, refused);
    assert_eq!(connection.line("GET k").await, "$-1\r\n");
}

/// What a timeout leaves behind on a slow server: the client is gone, and the commands are
/// executed.
#[tokio::test(start_paused = true)]
async fn a_delayed_command_is_executed_for_a_client_that_has_gone() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let delay = server.inject(Fault::delay(Duration::from_secs(5)).on("SET"));
    connection.send_bytes(b"SET k v\r\nINCR n\r\nSET l v\r\nINCR n\r\n").await;
    while delay.hits() == 0 {
        tokio::task::yield_now().await;
    }
    drop(connection);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((server.get(0, b"k"), server.connection_count()), (None, 1));
    while server.connection_count() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(server.get(0, b"l").as_deref(), Some(&b"v"[..]));
    assert_eq!(server.get(0, b"n").as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn the_log_shows_no_password() {
    let server = Server::builder().password("hunter2").log_commands(10).build();
    let mut connection = Raw::embedded(&server);
    for line in [
        "AUTH hunter2",
        "AUTH default hunter2",
        "HELLO 3 AUTH default hunter2",
        "hello 2 auth default hunter2",
    ] {
        assert!(!connection.line(line).await.starts_with('-'), "{line}");
    }
    let log = server.command_log();
    assert_eq!(log.len(), 4);
    assert_eq!(log[0].arguments, ["AUTH", "(redacted)"]);
    assert!(!format!("{log:?}").contains("hunter2"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_one_connection_only() {
    let server = Server::new();
    let (mut slow, mut fast) = (Raw::embedded(&server), Raw::embedded(&server));
    let _delay = server.inject(Fault::delay(Duration::from_secs(5)).on("SET"));
    let before = tokio::time::Instant::now();
    slow.send_bytes(b"SET k v\r\nGET k\r\n").await;
    assert_eq!(fast.line("GET k").await, "$-1\r\n");
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(slow.receive().await.unwrap(), b"+OK\r\n");
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(slow.receive().await.unwrap(), b"$1\r\nv\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_stall_never_answers_and_still_notices_the_close() {
    let server = Server::new();
    let mut connection = Raw::embedded(&server);
    let stall = server.inject(Fault::stall().on("GET"));
    connection.send_bytes(b"PING\r\nGET k\r\nSET k v\r\n").await;
    assert_eq!(connection.receive().await.unwrap(), b"+PONG\r\n");
    let silence = tokio::time::timeout(Duration::from_secs(10), connection.receive());
    assert!(silence.await.is_err());
    assert_eq!(server.get(0, b"k"), None);
    assert_eq!(stall.hits(), 1);
    drop(connection);
    while server.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn closing_before_and_after_executing() {
    let server = Server::new();
    for (fault, executed) in [(Fault::close_before(), false), (Fault::close_after(), true)] {
        let mut connection = Raw::embedded(&server);
        let _close = server.inject(fault.on("SET").times(1));
        connection.send_bytes(b"DEL k\r\nPING\r\nSET k v\r\nPING\r\n").await;
        let replies = connection.drain().await;
        assert!(replies.ends_with(b"\r\n+PONG\r\n"), "{}", replies.escape_ascii());
        assert_eq!(server.get(0, b"k").is_some(), executed);
    }
}

#[tokio::test]
async fn connections_can_be_refused_and_cut() {
    let server = Server::new();
    let listener = server.listen().await.unwrap();
    let mut open = Raw::embedded(&server);
    assert_eq!(open.line("PING").await, "+PONG\r\n");
    server.refuse_connections(true);
    assert_eq!(server.connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    let mut socket = tokio::net::TcpStream::connect(listener.addr().unwrap()).await.unwrap();
    let closed = tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 8]).await;
    assert_eq!(closed.unwrap_or(0), 0);
    assert_eq!(open.line("PING").await, "+PONG\r\n");
    server.refuse_connections(false);
    let mut another = Raw::embedded(&server);
    assert_eq!(another.line("PING").await, "+PONG\r\n");
    server.disconnect_all();
    assert_eq!(open.receive().await, None);
    assert_eq!(another.receive().await, None);
    while server.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Raw::embedded(&server).line("PING").await, "+PONG\r\n");
}
