//! Logs a connection in: protocol, user, name and database, in one round trip if the server is new enough.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::facts::ServerInfo;
use super::stream::Stream;
use crate::config::{Protocol, Secret, Settings};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Decoder, Malformed, Reply, read};

/// The outcome of a login.
pub(crate) struct Login {
    /// Bytes after the last reply: none, unless the server pushes.
    pub(crate) unread: BytesMut,
    pub(crate) speaks_resp3: bool,
    pub(crate) server: ServerInfo,
}

/// Makes a new connection ready for commands.
pub(crate) async fn login(stream: &mut Stream, settings: &Settings) -> Result<Login, Error> {
    let mut conversation = Conversation { stream, decoder: Decoder::default(), input: BytesMut::new() };
    let (speaks_resp3, server) = if settings.protocol == Protocol::Resp2 {
        (false, conversation.resp2(settings).await?)
    } else {
        match conversation.resp3(settings).await {
            // Servers before version 6 know no HELLO, and a proxy may refuse the protocol.
            Err(error)
                if settings.protocol == Protocol::Auto
                    && error.kind() == ErrorKind::Server
                    && matches!(error.code(), Some("ERR" | "NOPROTO")) =>
            {
                (false, conversation.resp2(settings).await?)
            }
            outcome => (true, outcome?),
        }
    };
    Ok(Login { unread: conversation.input, speaks_resp3, server })
}

/// The error of a transaction on a server that rejects MULTI. Such a server would run the commands between MULTI and EXEC one
/// by one, so nothing may be sent.
pub(crate) fn without_transactions(refusal: &Error) -> Error {
    refusal
        .clone()
        .explained("transactions need MULTI; nothing was sent; permit it (`+@transaction`), and new connections will accept transactions")
}

/// Whether the reply to HELLO comes from a node of a cluster.
pub(crate) fn says_cluster(hello: &Reply) -> bool {
    let (Reply::Map(entries) | Reply::Array(entries)) = hello else { return false };
    let says = |reply: &Reply, what: &str| match reply {
        Reply::Bulk(bytes) => bytes == what.as_bytes(),
        Reply::Status(text) => text == what,
        _ => false,
    };
    entries
        .chunks_exact(2)
        .any(|entry| matches!(entry, [name, value] if says(name, "mode") && says(value, "cluster")))
}

/// What an error reply to a command of the login means.
#[derive(Clone, Copy)]
enum Answer {
    /// The login fails.
    Required,
    /// Nothing.
    Optional,
    /// There are no transactions on this connection.
    Transactions,
}

/// The server's rejection of a login. Some servers repeat the password that they were sent, in a spelling of their own; then
/// only the code of the error is passed on.
fn refused(said: &str, settings: &Settings) -> Error {
    let essence = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let repeats = settings.password.as_ref().is_some_and(|password| {
        let essence_of_password = essence(password.expose());
        said.contains(password.expose())
            || (!essence_of_password.is_empty() && essence(said).contains(&essence_of_password))
    });
    if repeats {
        let code = said.split(' ').next().unwrap_or_default();
        let code = if code.chars().all(|c| c.is_ascii_uppercase()) { code } else { "ERR" };
        Error::server(&format!("{code} (the rest is omitted, because it may repeat the password)"))
    } else {
        Error::server(said)
    }
}

/// A user without a password is accepted with any password.
fn credentials(settings: &Settings) -> Option<(Option<&str>, &str)> {
    let password = settings.password.as_ref().map(Secret::expose);
    let username = settings.username.as_deref();
    (username.is_some() || password.is_some()).then(|| (username, password.unwrap_or_default()))
}

struct Conversation<'s> {
    stream: &'s mut Stream,
    decoder: Decoder,
    input: BytesMut,
}

impl Conversation<'_> {
    async fn resp3(&mut self, settings: &Settings) -> Result<ServerInfo, Error> {
        let mut hello = vec!["HELLO", "3"];
        if let Some((username, password)) = credentials(settings) {
            hello.extend(["AUTH", username.unwrap_or("default"), password]);
        }
        self.ask("HELLO", &hello, settings).await
    }

    async fn resp2(&mut self, settings: &Settings) -> Result<ServerInfo, Error> {
        let Some((username, password)) = credentials(settings) else {
            return self.ask("PING", &["PING"], settings).await;
        };
        let mut auth = vec!["AUTH"];
        auth.extend(username);
        auth.push(password);
        self.ask("AUTH", &auth, settings).await
    }

    /// Sends the greeting and everything after it at once, and reads all replies.
    async fn ask(
        &mut self,
        name: &'static str,
        greeting: &[&str],
        settings: &Settings,
    ) -> Result<ServerInfo, Error> {
        let mut out = Vec::new();
        write_command(&mut out, greeting);
        let mut expected = vec![(name, Answer::Required)];
        if name != "HELLO" {
            // Only for the facts in the reply; servers too old for it return an error.
            write_command(&mut out, &["HELLO", "2"]);
            expected.push(("HELLO", Answer::Optional));
        }
        let db = settings.db.to_string();
        if settings.db != 0 {
            write_command(&mut out, &["SELECT", &db]);
            expected.push(("SELECT", Answer::Required));
        }
        // Old servers have no SETINFO, and some users may not call CLIENT; neither is a reason to fail.
        if let Some(name) = &settings.client_name {
            write_command(&mut out, &["CLIENT", "SETNAME", name]);
            expected.push(("CLIENT SETNAME", Answer::Optional));
        }
        write_command(&mut out, &["CLIENT", "SETINFO", "LIB-NAME", "redis-keyspace"]);
        write_command(&mut out, &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")]);
        expected.extend([("CLIENT SETINFO", Answer::Optional), ("CLIENT SETINFO", Answer::Optional)]);
        write_command(&mut out, &["INFO", "server"]);
        expected.push(("INFO", Answer::Optional));
        write_command(&mut out, &["MULTI"]);
        write_command(&mut out, &["EXEC"]);
        expected.extend([("MULTI", Answer::Transactions), ("EXEC", Answer::Transactions)]);

        let endpoint = settings.endpoint.to_string();
        self.stream.write_all(&out).await.map_err(|error| Error::io(&endpoint, error))?;
        let (mut failure, mut server) = (None::<Error>, ServerInfo::default());
        for (command, answer) in expected {
            let said = match self.reply(&endpoint).await {
                Ok(Reply::Error(said)) => said,
                Ok(reply) => {
                    match command {
                        "HELLO" => server.is_cluster |= says_cluster(&reply),
                        "INFO" => server.run_id = read::info_line(&reply, "run_id").map(str::to_owned),
                        _ => {}
                    }
                    continue;
                }
                // A server without room for the connection says so and closes it.
                Err(error) => return Err(failure.map_or(error, Error::unavailable)),
            };
            match answer {
                Answer::Required => {
                    failure.get_or_insert_with(|| refused(&said, settings).about(command, None, None));
                }
                Answer::Optional => {}
                // After a MULTI that can't be ended, every command would stay queued forever.
                Answer::Transactions if command == "EXEC" && server.no_transactions.is_none() => {
                    failure.get_or_insert_with(|| refused(&said, settings).about(command, None, None));
                }
                Answer::Transactions => {
                    let why = || without_transactions(&refused(&said, settings));
                    server.no_transactions.get_or_insert_with(why);
                }
            }
        }
        failure.map_or(Ok(server), Err)
    }

    async fn reply(&mut self, endpoint: &str) -> Result<Reply, Error> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(Reply::Push(_))) => {}
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {
                    let read = self.stream.read_buf(&mut self.input).await;
                    if read.map_err(|error| Error::io(endpoint, error))? == 0 {
                        return Err(Error::new(
                            ErrorKind::Unavailable,
                            format!("{endpoint} closed the connection while logging in"),
                        ));
                    }
                }
                Err(Malformed(problem)) => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        format!("{endpoint} does not speak the Redis protocol: it sent {problem}"),
                    ));
                }
            }
        }
    }
}

fn write_command(out: &mut Vec<u8>, arguments: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
}
