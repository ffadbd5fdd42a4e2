//! What a server receives, and what it can do.

use redis_keyspace::Redis;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{PATIENCE, RealServer, within};

use crate::resp::{Client, Reply};

/// The commands that a server received. A real server does not report commands that it does not
/// know, or that the user may not run.
#[derive(Debug)]
pub struct CommandLog(Source);

#[derive(Debug)]
enum Source {
    Embedded { server: Server, seen: usize },
    Real { monitor: Client, other: Client, marks: u64 },
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl CommandLog {
    /// Starts with the first command that an embedded server logged.
    pub fn of_embedded(server: Server) -> Self {
        Self(Source::Embedded { server, seen: 0 })
    }

    /// Starts with the next command.
    pub fn of_real(server: &RealServer) -> Self {
        let mut monitor = server.client();
        assert_eq!(monitor.call(&["MONITOR"]).unwrap(), Reply::Status("OK".to_owned()));
        Self(Source::Real { monitor, other: server.client(), marks: 0 })
    }

    /// Runs a test in the scope of a handle with one connection to an embedded server.
    pub fn on_embedded<F: Future<Output = ()>>(body: impl FnOnce(Self) -> F) {
        within(PATIENCE, async {
            let server = Server::builder().log_commands(10_000).build();
            let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
            redis.scope(body(Self::of_embedded(server))).await;
        });
    }

    /// Runs a test in the scope of a handle with one connection to a real server.
    pub fn on_real<F: Future<Output = ()>>(body: impl FnOnce(Self) -> F) {
        within(PATIENCE, async {
            let server = RealServer::start();
            let redis = Redis::builder().url(&server.url()).unwrap().shared_connections(1).build().unwrap();
            redis.scope(body(Self::of_real(&server))).await;
        });
    }

    /// Returns the commands since the last call, without those that set up connections.
    pub fn take(&mut self) -> Vec<String> {
        let commands = match &mut self.0 {
            Source::Embedded { server, seen } => {
                let log = server.command_log();
                let new = log[std::mem::replace(seen, log.len())..].iter();
                new.map(|logged| logged.arguments.iter().map(|argument| text(argument)).collect()).collect()
            }
            Source::Real { monitor, other, marks } => {
                *marks += 1;
                let mark = format!("mark {marks}");
                other.call(&["ECHO", &mark]).unwrap();
                let mut commands = Vec::new();
                loop {
                    let line = monitor.receive().unwrap().to_string();
                    if line.ends_with(&format!("\"{mark}\"")) {
                        break commands;
                    }
                    let (from, command) = line.split_once("] \"").unwrap();
                    // Commands inside of scripts are not sent.
                    if !from.ends_with(" lua") {
                        let command = command.trim_end_matches('"').split("\" \"");
                        commands.push(command.map(str::to_owned).collect::<Vec<_>>());
                    }
                }
            }
        };
        let sent = |mut command: Vec<String>| {
            command[0].make_ascii_uppercase();
            let is_setup = matches!(&*command[0], "HELLO" | "AUTH" | "CLIENT" | "INFO" | "PING" | "SELECT");
            if command[0] == "EVALSHA" {
                command[1] = "..".to_owned();
            }
            (!is_setup).then(|| command.join(" "))
        };
        commands.into_iter().filter_map(sent).collect()
    }
}

/// Which commands that replace scripts a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerAbilities {
    /// Whether SET has the option IFEQ.
    pub set_if_equal: bool,
    /// Whether SET accepts NX and GET together.
    pub set_nx_get: bool,
    /// The command that deletes a key if it has a value.
    pub delete_if_equal: Option<&'static str>,
}

impl ServerAbilities {
    /// Asks the server of a handle, on a connection that the handle does not use for commands.
    pub async fn of(redis: &Redis) -> Self {
        let answers = redis
            .raw(async |mut connection| {
                let mut commands = redis::pipe();
                commands.cmd("SET").arg("absent").arg("").arg("IFEQ").arg("x");
                commands.cmd("SET").arg("asked").arg("").arg("NX").arg("GET");
                commands.cmd("DEL").arg("asked");
                commands.cmd("DELEX").arg("absent").arg("IFEQ").arg("x");
                commands.cmd("DELIFEQ").arg("absent").arg("x");
                commands.ignore_errors();
                commands.query_async::<Vec<redis::RedisResult<redis::Value>>>(&mut connection).await
            })
            .await
            .expect("the server answers");
        let accepts = |nth: usize| answers[nth].is_ok();
        let deletes = [(3, "DELEX"), (4, "DELIFEQ")];
        Self {
            set_if_equal: accepts(0),
            set_nx_get: accepts(1),
            delete_if_equal: deletes.into_iter().find_map(|(nth, name)| accepts(nth).then_some(name)),
        }
    }

    /// Asks a server.
    pub async fn of_real(server: &RealServer) -> Self {
        Self::of(&Redis::open(&server.url()).expect("the harness returns valid URLs")).await
    }
}
