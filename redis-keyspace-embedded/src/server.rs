//! The server and the handles to it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use sha1_smol::Sha1;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

use crate::builder::ServerBuilder;
use crate::clock::Clock;
use crate::command::scripts::ScriptContext;
use crate::fault::{Fault, FaultGuard, Faults};
use crate::listener::Listener;
use crate::reply::Reply;
use crate::session;
use crate::state::State;
use crate::sync::lock;
use crate::value::Value;

/// How much an in-memory connection holds in each direction before a writer has to wait.
const IN_MEMORY_BUFFER: usize = 64 * 1024;

/// An in-process server that speaks the Redis protocol.
///
/// A cheap handle: all clones share the data, and the data lives as long as a handle or a connection does.
///
/// ```
/// use redis_keyspace_embedded::Server;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::new();
/// let mut connection = server.connect()?;
/// connection.write_all(b"SET greeting hello\r\n").await?;
/// let mut reply = [0; 5];
/// connection.read_exact(&mut reply).await?;
/// assert_eq!(&reply, b"+OK\r\n");
/// assert_eq!(server.get(0, b"greeting").as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What the handles and the connections of one server share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) users: HashMap<String, Option<String>>,
    pub(crate) is_cluster: bool,
    /// As INFO tells it: another one for each server.
    pub(crate) run_id: String,
    pub(crate) faults: Arc<Faults>,
    pub(crate) round_trips: AtomicU64,
    state: Mutex<State>,
    refusing: AtomicBool,
    log: Mutex<VecDeque<LoggedCommand>>,
    log_limit: usize,
}

/// A command that a connection sent, from [`Server::command_log`].
///
/// ```
/// use redis_keyspace_embedded::{LoggedCommand, Server};
///
/// let server = Server::builder().log_commands(100).build();
/// let log: Vec<LoggedCommand> = server.command_log();
/// assert!(log.iter().all(|command| command.arguments[0] != "FLUSHALL"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCommand {
    /// The connection, by the number that CLIENT ID answers.
    pub connection: u64,
    /// The command's name and its arguments, as they were sent, but for user and password.
    pub arguments: Vec<Bytes>,
}

impl Server {
    /// An empty server with 16 databases and no password. It needs no runtime until something connects.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// let server = Server::new();
    /// assert!(server.keys(0).is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        ServerBuilder::new().build()
    }

    /// A server with other options.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// let server = Server::builder().databases(2).password("secret").build();
    /// # drop(server);
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn from_builder(builder: ServerBuilder) -> Self {
        let shared = Shared {
            clock: Clock::new(),
            users: builder.users,
            faults: Arc::default(),
            round_trips: AtomicU64::new(0),
            state: Mutex::new(State::new(if builder.cluster { 1 } else { builder.databases })),
            refusing: AtomicBool::new(false),
            log: Mutex::default(),
            log_limit: builder.logged_commands,
            is_cluster: builder.cluster,
            // A hasher's keys are random, and there is no need for more than being different.
            run_id: Sha1::from(RandomState::new().build_hasher().finish().to_be_bytes()).digest().to_string(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A new in-memory connection, served by a task on the current tokio runtime.
    ///
    /// Fails outside of a runtime and while connections are [refused](Self::refuse_connections).
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let connection = server.connect()?;
    /// assert_eq!(server.connection_count(), 1);
    /// # drop(connection);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self) -> io::Result<DuplexStream> {
        if self.shared.refusing.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "the embedded server was told to refuse connections",
            ));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            io::Error::other("the embedded server can be connected to only from within a tokio runtime")
        })?;
        let (near, far) = tokio::io::duplex(IN_MEMORY_BUFFER);
        runtime.spawn(self.session(far, "embedded:0".into()));
        Ok(near)
    }

    /// Serves one connection over any stream until either side closes it.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = Server::new();
    /// let (client, stream) = tokio::io::duplex(4096);
    /// let serving = tokio::spawn(server.serve(stream));
    /// drop(client);
    /// serving.await.expect("the session ends with the connection");
    /// # }
    /// ```
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        async move { server.session(stream, "stream:0".into()).await }
    }

    /// A connection that counts as one from now on, and is served by the future.
    pub(crate) fn session<S>(&self, stream: S, address: String) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let refused = self.shared.refusing.load(Ordering::Relaxed);
        let connection = (!refused).then(|| session::Connection::new(self.shared.clone(), address));
        async move {
            if let Some(connection) = connection {
                session::run(connection, stream).await;
            }
        }
    }

    /// Listens on a free port of 127.0.0.1, for clients that need an address.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = Server::new().listen().await?;
    /// println!("redis-cli -u {}", listener.url());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn listen(&self) -> io::Result<Listener> {
        self.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens on this address, which must be a loopback one: the server has no defences against a network.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let listener = server.listen_tcp(([127, 0, 0, 1], 0).into()).await?;
    /// # drop(listener);
    /// assert!(server.listen_tcp(([0, 0, 0, 0], 0).into()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn listen_tcp(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::tcp(self.clone(), address).await
    }

    /// Listens on a unix socket at this path, which must not exist yet.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("redis.sock");
    /// let listener = Server::new().listen_unix(&path).await?;
    /// assert!(listener.url().starts_with("redis+unix:///"));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub async fn listen_unix(&self, path: impl AsRef<std::path::Path>) -> io::Result<Listener> {
        Listener::unix(self.clone(), path.as_ref()).await
    }

    /// How many connections are open.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().connection_count(), 0);
    /// ```
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.state().clients.len()
    }

    /// How many commands were sent to the server so far, those that failed included.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().commands(), 0);
    /// ```
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.shared.state().commands_processed
    }

    /// How many times commands arrived: those of a pipeline that arrive together count once.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let mut connection = server.connect()?;
    /// connection.write_all(b"PING\r\nPING\r\nPING\r\n").await?;
    /// connection.read_exact(&mut [0; 21]).await?;
    /// assert_eq!((server.commands(), server.round_trips()), (3, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// The last commands that were sent, oldest first; empty unless
    /// [`log_commands`](ServerBuilder::log_commands) asked for a log.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().log_commands(100).build();
    /// assert!(server.command_log().is_empty());
    /// ```
    #[must_use]
    pub fn command_log(&self) -> Vec<LoggedCommand> {
        self.shared.log().iter().cloned().collect()
    }

    /// Cuts every open connection at once, without a word to the clients.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # use tokio::io::AsyncReadExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let mut connection = server.connect()?;
    /// server.disconnect_all();
    /// assert_eq!(connection.read(&mut [0; 16]).await?, 0); // end of stream
    /// # Ok(())
    /// # }
    /// ```
    pub fn disconnect_all(&self) {
        self.shared.state().clients.values().for_each(|peer| peer.cut.notify_one());
    }

    /// Refuses new connections, or accepts them again. Open ones stay as they are.
    ///
    /// [`connect`](Self::connect) then fails; a listener closes what it accepts.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::new();
    /// server.refuse_connections(true);
    /// assert!(server.connect().is_err());
    /// ```
    pub fn refuse_connections(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::Relaxed);
    }

    /// Injects a fault, which lasts until the guard is dropped or its [`times`](Fault::times) are used up.
    ///
    /// A command meets the first fault that fits, in the order in which they were injected.
    ///
    /// ```
    /// use redis_keyspace_embedded::{Fault, Server};
    ///
    /// let server = Server::new();
    /// let lost_reply = server.inject(Fault::close_after().on("INCR").times(1));
    /// # drop(lost_reply);
    /// ```
    pub fn inject(&self, fault: Fault) -> FaultGuard {
        self.shared.faults.add(fault)
    }

    /// Registers what this server does in place of the Lua script with exactly this text.
    ///
    /// The script becomes known to EVALSHA as on a real server: once EVAL or SCRIPT LOAD has seen its text.
    /// It runs under the server's lock, so nothing comes between its commands, and it must not use handles
    /// of the server.
    ///
    /// ```
    /// use redis_keyspace_embedded::{Reply, Server};
    ///
    /// let server = Server::new();
    /// server.register_script("return redis.call('GET', KEYS[1])", |script, keys, _arguments| {
    ///     script.call(&[&b"GET"[..], &keys[0]])
    /// });
    /// # let _ = Reply::Nil;
    /// ```
    pub fn register_script<F>(&self, text: impl AsRef<[u8]>, script: F)
    where
        F: Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Reply + Send + Sync + 'static,
    {
        self.shared.state().scripts.register(text.as_ref(), Arc::new(script));
    }

    /// The string at a key; `None` if there is none, or something else than a string.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().get(0, b"absent"), None);
    /// ```
    #[must_use]
    pub fn get(&self, db: usize, key: &[u8]) -> Option<Bytes> {
        let now = self.shared.clock.now_ms();
        match &self.shared.state().dbs.get(db)?.entry_at(key, now)?.value {
            Value::String(data) => Some(data.clone()),
            _ => None,
        }
    }

    /// All keys of a database, sorted.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert!(Server::new().keys(0).is_empty());
    /// ```
    #[must_use]
    pub fn keys(&self, db: usize) -> Vec<Bytes> {
        let now = self.shared.clock.now_ms();
        let state = self.shared.state();
        let Some(db) = state.dbs.get(db) else { return Vec::new() };
        let keys = db.iter().map(|(key, _)| key).filter(|key| db.entry_at(key, now).is_some());
        let mut keys: Vec<Bytes> = keys.cloned().collect();
        keys.sort();
        keys
    }

    /// How long a key will live on; `None` if it is absent or lives for ever.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().ttl(0, b"absent"), None);
    /// ```
    #[must_use]
    pub fn ttl(&self, db: usize, key: &[u8]) -> Option<Duration> {
        let now = self.shared.clock.now_ms();
        let left = self.shared.state().dbs.get(db)?.entry_at(key, now)?.expires?.saturating_sub(now);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    pub(crate) fn mode(&self) -> &'static str {
        if self.is_cluster { "cluster" } else { "standalone" }
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn record(&self, connection: u64, arguments: &[Bytes]) {
        if self.log_limit == 0 {
            return;
        }
        let mut log = self.log();
        if log.len() >= self.log_limit {
            log.pop_front();
        }
        log.push_back(LoggedCommand { connection, arguments: without_passwords(arguments) });
    }

    fn log(&self) -> MutexGuard<'_, VecDeque<LoggedCommand>> {
        lock(&self.log)
    }
}

/// The arguments as they may be shown.
fn without_passwords(arguments: &[Bytes]) -> Vec<Bytes> {
    const REDACTED: Bytes = Bytes::from_static(b"(redacted)");
    let is = |argument: Option<&Bytes>, word: &[u8]| {
        argument.is_some_and(|argument| argument.eq_ignore_ascii_case(word))
    };
    let secret_from = if is(arguments.first(), b"AUTH") {
        Some(1)
    } else if is(arguments.first(), b"HELLO") {
        arguments.iter().position(|argument| is(Some(argument), b"AUTH")).map(|auth| auth + 1)
    } else {
        None
    };
    let shown = |(index, argument): (usize, &Bytes)| match secret_from {
        Some(from) if index >= from => REDACTED,
        _ => argument.clone(),
    };
    arguments.iter().enumerate().map(shown).collect()
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither data nor passwords, and no waiting for a lock.
        f.debug_struct("Shared").field("clock", &self.clock).finish_non_exhaustive()
    }
}
