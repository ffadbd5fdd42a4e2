//! Logs a connection in: protocol, user, name and database, in one round trip if the server is new
//! enough.

use std::io;
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::credentials::IssuedCredentials;
use super::facts::ServerInfo;
use super::hello::{said_in_hello, software, text};
use super::stream::ByteStream;
#[cfg(feature = "tls")]
use super::tls::failure_of;
use crate::config::{LoginMode, Protocol, Secret, Settings};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Decoder, Malformed, Packet, Reply, WireBuffer, read, script_probe};

/// The outcome of a login.
pub(super) struct Login {
    /// The bytes after the last reply. Empty unless the server sends pushes.
    pub(super) unread: BytesMut,
    pub(super) speaks_resp3: bool,
    pub(super) server: ServerInfo,
    /// The credentials that a provider returned for it. The caller sets them.
    pub(super) issued: Option<Arc<IssuedCredentials>>,
}

/// Why a login failed.
pub(super) enum LoginFailure {
    /// The connection was closed instead of a reply, or after the rejection of a command that a
    /// plain login does not need.
    Closed(Error),
    Failed(Error),
}

impl LoginFailure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Closed(error) | Self::Failed(error) => error,
        }
    }
}

/// Prepares a new connection for commands, and requests facts about the server.
pub(super) async fn login(stream: &mut ByteStream, settings: &Settings) -> Result<Login, LoginFailure> {
    let mut conversation = Conversation::new(stream, settings);
    let (speaks_resp3, mut server) = if settings.protocol == Protocol::Resp2 {
        (false, conversation.resp2().await?)
    } else {
        match conversation.resp3().await {
            // Servers before version 6 do not know HELLO, and a proxy may reject the protocol.
            Err(LoginFailure::Failed(error)) if settings.protocol == Protocol::Auto && is_unknown(&error) => {
                (false, conversation.resp2().await?)
            }
            outcome => (true, outcome?),
        }
    };
    if server.atomicity.no_multi.is_some() {
        match conversation.probe(&[script_probe()]).await? {
            // A server that runs nothing now does not say whether it has scripts.
            Some(error) if error.is_not_run() => return Err(LoginFailure::Failed(error)),
            refusal => server.atomicity.no_scripts = refusal,
        }
    }
    Ok(Login { unread: conversation.input, speaks_resp3, server, issued: None })
}

/// Logs a connection to a sentinel in, with RESP3 if possible. Returns the reply to HELLO if the
/// sentinel knows it, and the bytes after the last reply.
pub(super) async fn greet(
    stream: &mut ByteStream,
    settings: &Settings,
) -> Result<(Option<Reply>, BytesMut), LoginFailure> {
    let mut conversation = Conversation::new(stream, settings);
    let mut hello = vec!["HELLO", "3"];
    if let Some((username, password)) = credentials(settings) {
        hello.extend(["AUTH", username.unwrap_or("default"), password]);
    }
    let mut out = Vec::new();
    write_command(&mut out, &hello);
    let name = default_name();
    if let Some(name) = name {
        write_command(&mut out, &["CLIENT", "SETNAME", name]);
    }
    conversation.send(&out).await?;
    let hello = conversation.reply().await?;
    if name.is_some() {
        // Some users may not run CLIENT. That is no reason to fail.
        conversation.reply().await?;
    }
    let Reply::Error(said) = hello else { return Ok((Some(hello), conversation.input)) };
    let rejection = refused(&said, "HELLO", settings).about("HELLO", None, None);
    if !is_unknown(&rejection) {
        return Err(LoginFailure::Failed(rejection));
    }
    let (name, greeting) = auth(settings).map_or(("PING", vec!["PING"]), |auth| ("AUTH", auth));
    let mut out = Vec::new();
    write_command(&mut out, &greeting);
    conversation.send(&out).await?;
    match conversation.reply().await? {
        Reply::Error(said) if !is_greeted(name, &said) => {
            Err(LoginFailure::Failed(refused(&said, name, settings).about(name, None, None)))
        }
        _ => Ok((None, conversation.input)),
    }
}

/// Prepares a new connection for commands, using only commands that every proxy accepts. The server
/// reports nothing about itself.
pub(super) async fn plain_login(stream: &mut ByteStream, settings: &Settings) -> Result<Login, LoginFailure> {
    let mut conversation = Conversation::new(stream, settings);
    let db = settings.db.to_string();
    let auth = auth(settings);
    let mut commands = Vec::new();
    if let Some(auth) = &auth {
        commands.push(("AUTH", auth.as_slice()));
    }
    let select = ["SELECT", db.as_str()];
    if settings.db != 0 {
        commands.push(("SELECT", &select));
    }
    if settings.reads_replica {
        commands.push(("READONLY", &["READONLY"]));
    }
    if commands.is_empty() {
        commands.push(("PING", &["PING"]));
    }
    let mut out = Vec::new();
    commands.iter().for_each(|(_, command)| write_command(&mut out, command));
    conversation.send(&out).await?;
    let mut failure = None;
    for (name, _) in commands {
        match conversation.reply().await {
            Ok(Reply::Error(said)) if is_greeted(name, &said) => {}
            Ok(Reply::Error(said)) => {
                failure.get_or_insert_with(|| refused(&said, name, settings).about(name, None, None));
            }
            Ok(_) => {}
            Err(other) => {
                return Err(failure.map_or(other, |error| LoginFailure::Failed(error.unavailable())));
            }
        }
    }
    let server = ServerInfo { is_plain: true, ..ServerInfo::default() };
    let login = Login { unread: conversation.input, speaks_resp3: false, server, issued: None };
    failure.map_or(Ok(login), |error| Err(LoginFailure::Failed(error)))
}

/// Sends commands on a connection that is logged in, and returns the first error reply.
pub(super) async fn probe(
    stream: &mut ByteStream,
    settings: &Settings,
    packets: &[Packet],
) -> Result<Option<Error>, LoginFailure> {
    Conversation::new(stream, settings).probe(packets).await
}

/// Asks a server that is logged in for its role. Returns `None` if the user may not ask.
pub(super) async fn ask_role(
    stream: &mut ByteStream,
    settings: &Settings,
) -> Result<Option<String>, LoginFailure> {
    let mut conversation = Conversation::new(stream, settings);
    let mut out = Vec::new();
    write_command(&mut out, &["ROLE"]);
    conversation.send(&out).await?;
    Ok(match conversation.reply().await? {
        Reply::Array(parts) => parts.first().and_then(text).map(str::to_owned),
        _ => None,
    })
}

/// Whether an error reply to the greeting shows that the login is complete: the server runs other
/// commands. A server that can't save its data rejects PING like a write, and some users may not
/// run it.
fn is_greeted(command: &str, said: &str) -> bool {
    let error = Error::server(said);
    command == "PING" && (error.rejects_writes() || error.kind() == ErrorKind::PermissionDenied)
}

/// Whether an error reply means that the server does not know a command.
fn is_unknown(error: &Error) -> bool {
    error.kind() == ErrorKind::Server && matches!(error.code(), Some("ERR" | "NOPROTO"))
}

/// The effect of an error reply to a command of the login.
#[derive(Clone, Copy)]
enum Answer {
    /// The login fails.
    Required,
    /// The error is ignored.
    Optional,
    /// The connection has no transactions.
    Transactions,
}

/// Returns the error for a login that the server rejected. Some servers repeat the password in
/// another spelling. In that case the error contains only the code.
fn refused(said: &str, command: &str, settings: &Settings) -> Error {
    let essence = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    // Every text contains an empty one.
    let password = settings.password.as_ref().filter(|password| !password.expose().is_empty());
    let repeats = password.is_some_and(|password| {
        let essence_of_password = essence(password.expose());
        said.contains(password.expose())
            || (!essence_of_password.is_empty() && essence(said).contains(&essence_of_password))
    });
    let cause = cause_of(said, command, settings);
    if repeats {
        let code = said.split(' ').next().unwrap_or_default();
        let code = if code.chars().all(|c| c.is_ascii_uppercase()) { code } else { "ERR" };
        let said = format!("{code} (the rest is omitted, because it may repeat the password)");
        Error::server_with_hint(&said, cause.as_deref())
    } else {
        Error::server_with_hint(said, cause.as_deref())
    }
}

/// Returns what was rejected: the user, or the database.
fn cause_of(said: &str, command: &str, settings: &Settings) -> Option<String> {
    let endpoint = &settings.endpoint;
    if said.starts_with("WRONGPASS") {
        let user = settings.username.as_deref().unwrap_or("default");
        return Some(format!("{endpoint} rejected the user `{user}` or its password"));
    }
    // Databases are not permitted on a cluster, or it was started with too few of them.
    if command == "SELECT" && said.contains("cluster mode") {
        return Some(format!(
            "{endpoint} is a cluster, which has only database 0, but this connection needs database {}: map the keyspace \
             to database 0 with `.keyspace::<S>(|options| options.db(0))` on the builder of the handle",
            settings.db
        ));
    }
    (command == "SELECT" && said.contains("out of range")).then(|| {
        format!(
            "database {} does not exist on {endpoint}: set another `db` for the keyspace or the handle, raise `databases` in the \
             configuration of the server (`cluster-databases` on a cluster), or map the keyspace to database 0 with \
             `.keyspace::<S>(|options| options.db(0))` on the builder of the handle",
            settings.db
        )
    })
}

/// Returns the user name and password to send. An empty password is sent for a user without one:
/// the server accepts any.
fn credentials(settings: &Settings) -> Option<(Option<&str>, &str)> {
    let password = settings.password.as_ref().map(Secret::expose);
    let username = settings.username.as_deref();
    (username.is_some() || password.is_some()).then(|| (username, password.unwrap_or_default()))
}

fn auth(settings: &Settings) -> Option<Vec<&str>> {
    let (username, password) = credentials(settings)?;
    Some(["AUTH"].into_iter().chain(username).chain([password]).collect())
}

/// Returns the default name of connections: the name of the executable.
fn default_name() -> Option<&'static str> {
    static NAME: LazyLock<Option<String>> = LazyLock::new(|| {
        let path = std::env::current_exe().ok()?;
        let name = path.file_stem()?.to_str()?;
        let printable = |c: char| if c.is_ascii_graphic() { c } else { '-' };
        Some(name.chars().map(printable).collect()).filter(|name: &String| !name.is_empty())
    });
    NAME.as_deref()
}

struct Conversation<'s> {
    stream: &'s mut ByteStream,
    settings: &'s Settings,
    decoder: Decoder,
    input: BytesMut,
    /// Whether the server has sent anything.
    heard: bool,
}

impl<'s> Conversation<'s> {
    fn new(stream: &'s mut ByteStream, settings: &'s Settings) -> Self {
        Self { stream, settings, decoder: Decoder::default(), input: BytesMut::new(), heard: false }
    }

    async fn resp3(&mut self) -> Result<ServerInfo, LoginFailure> {
        let mut hello = vec!["HELLO", "3"];
        if let Some((username, password)) = credentials(self.settings) {
            hello.extend(["AUTH", username.unwrap_or("default"), password]);
        }
        self.ask("HELLO", &hello).await
    }

    async fn resp2(&mut self) -> Result<ServerInfo, LoginFailure> {
        match auth(self.settings) {
            Some(auth) => self.ask("AUTH", &auth).await,
            None => self.ask("PING", &["PING"]).await,
        }
    }

    /// Sends the greeting and all other commands at once, and reads all replies.
    async fn ask(&mut self, name: &'static str, greeting: &[&str]) -> Result<ServerInfo, LoginFailure> {
        let settings = self.settings;
        let mut out = Vec::new();
        write_command(&mut out, greeting);
        let mut expected = vec![(name, Answer::Required)];
        if name != "HELLO" {
            // Sent only for the facts in its reply. Servers that do not know it return an error.
            write_command(&mut out, &["HELLO", "2"]);
            expected.push(("HELLO", Answer::Optional));
        }
        let db = settings.db.to_string();
        if settings.db != 0 {
            write_command(&mut out, &["SELECT", &db]);
            expected.push(("SELECT", Answer::Required));
        }
        if settings.reads_replica {
            write_command(&mut out, &["READONLY"]);
            expected.push(("READONLY", Answer::Required));
        }
        // Old servers have no SETINFO, and some users may not run CLIENT. Neither is a reason to
        // fail.
        let reports = settings.login != LoginMode::Minimal;
        if let Some(name) = settings.client_name.as_deref().or(default_name().filter(|_| reports)) {
            write_command(&mut out, &["CLIENT", "SETNAME", name]);
            expected.push(("CLIENT SETNAME", Answer::Optional));
        }
        if reports {
            write_command(&mut out, &["CLIENT", "SETINFO", "LIB-NAME", "redis-keyspace"]);
            write_command(&mut out, &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")]);
            expected.extend([("CLIENT SETINFO", Answer::Optional), ("CLIENT SETINFO", Answer::Optional)]);
            write_command(&mut out, &["INFO", "server"]);
            expected.push(("INFO", Answer::Optional));
        }
        write_command(&mut out, &["MULTI"]);
        write_command(&mut out, &["EXEC"]);
        expected.extend([("MULTI", Answer::Transactions), ("EXEC", Answer::Transactions)]);

        self.send(&out).await?;
        let (mut failure, mut server) = (None::<Error>, ServerInfo::default());
        let mut has_room = true;
        for (command, answer) in expected {
            let said = match self.reply().await {
                Ok(Reply::Error(said)) => said,
                Ok(reply) => {
                    match command {
                        "HELLO" => {
                            server.note_mode(said_in_hello(&reply, "mode"));
                            server.role = said_in_hello(&reply, "role").map(str::to_owned);
                            server.software = software(&reply);
                        }
                        "INFO" => {
                            server.run_id = read::info_line(&reply, "run_id").map(str::to_owned);
                            server.note_mode(read::info_line(&reply, "redis_mode"));
                        }
                        _ => {}
                    }
                    continue;
                }
                Err(other) => return Err(closed_after(failure, has_room, other)),
            };
            has_room &= !said.contains("max number of clients");
            match answer {
                Answer::Required if is_greeted(command, &said) => {}
                Answer::Required => {
                    failure
                        .get_or_insert_with(|| refused(&said, command, settings).about(command, None, None));
                }
                Answer::Optional => {}
                Answer::Transactions => {
                    let error = refused(&said, command, settings);
                    // After a MULTI that can't be ended, every command would stay queued forever. A
                    // server that runs nothing now does not say whether it has transactions.
                    let is_stuck = command == "EXEC" && server.atomicity.no_multi.is_none();
                    if is_stuck || error.is_not_run() {
                        failure.get_or_insert(error.about(command, None, None));
                    } else {
                        server.atomicity.no_multi.get_or_insert(error);
                    }
                }
            }
        }
        failure.map_or(Ok(server), |error| Err(LoginFailure::Failed(error)))
    }

    async fn probe(&mut self, packets: &[Packet]) -> Result<Option<Error>, LoginFailure> {
        let mut out = WireBuffer::default();
        packets.iter().for_each(|packet| packet.encode("", &mut out));
        self.send(out.chunk()).await?;
        let mut refusal = None;
        for packet in packets {
            if let Reply::Error(said) = self.reply().await? {
                refusal.get_or_insert_with(|| refused(&said, packet.name, self.settings));
            }
        }
        Ok(refusal)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), LoginFailure> {
        let written = async {
            self.stream.write_all(bytes).await?;
            // A TLS session may hold records back.
            self.stream.flush().await
        };
        written.await.map_err(|error| self.broken(error))
    }

    async fn reply(&mut self) -> Result<Reply, LoginFailure> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(Reply::Push(_))) => {}
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {
                    let read = self.stream.read_buf(&mut self.input).await;
                    if read.map_err(|error| self.broken(error))? == 0 {
                        return Err(LoginFailure::Closed(self.with_likely_cause(Error::new(
                            ErrorKind::Unavailable,
                            format!("{} closed the connection while logging in", self.settings.endpoint),
                        ))));
                    }
                    self.heard = true;
                }
                Err(Malformed(problem)) => {
                    let endpoint = &self.settings.endpoint;
                    return Err(LoginFailure::Failed(Error::new(
                        ErrorKind::Unavailable,
                        format!("{endpoint} does not speak the Redis protocol: it sent {problem}"),
                    )));
                }
            }
        }
    }

    fn broken(&self, error: io::Error) -> LoginFailure {
        let endpoint = self.settings.endpoint.to_string();
        #[cfg(feature = "tls")]
        if let Some(failure) = self.settings.tls.as_ref().and_then(|tls| failure_of(&endpoint, &error, tls)) {
            return LoginFailure::Failed(failure);
        }
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        let closed = matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
        );
        let error = Error::io(&endpoint, error);
        if closed { LoginFailure::Closed(self.with_likely_cause(error)) } else { LoginFailure::Failed(error) }
    }

    /// Adds the likely cause to the error of a connection that was closed before the server sent
    /// anything.
    fn with_likely_cause(&self, error: Error) -> Error {
        match self.stream {
            _ if self.heard => error,
            ByteStream::Tcp(_) => error.explained(
                "if this is a TLS port, use a rediss:// URL or set REDIS_TLS=true (feature `tls`)",
            ),
            #[cfg(feature = "tls")]
            ByteStream::Tls(_) if self.settings.tls.as_ref().is_some_and(|tls| tls.client.is_none()) => {
                error.explained("if it requires a client certificate, set one")
            }
            _ => error,
        }
    }
}

/// Returns the failure of a login whose connection broke after an error reply. A server without
/// room for the connection sends an error and closes it. Some proxies do the same after an unknown
/// command. The text of the error does not show which it was if the password was omitted from it.
fn closed_after(rejection: Option<Error>, has_room: bool, broken: LoginFailure) -> LoginFailure {
    let Some(error) = rejection else { return broken };
    let is_about_command = is_unknown(&error) && error.command() == Some("HELLO");
    if is_about_command && has_room {
        LoginFailure::Closed(error.unavailable())
    } else {
        LoginFailure::Failed(error.unavailable())
    }
}

fn write_command(out: &mut Vec<u8>, arguments: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_password(password: &str) -> Settings {
        Settings { password: Some(Secret::new(password)), ..Settings::default() }
    }

    #[test]
    fn only_a_password_is_omitted_from_an_error() {
        let shown = |password| refused("ERR the disk is full", "HELLO", &with_password(password)).to_string();
        assert!(shown("").contains("the disk is full") && shown("hunter2").contains("the disk is full"));
        for password in ["disk", "is full", "dis-k", "f"] {
            assert!(!shown(password).contains("full"), "{password}");
        }
    }
}
