//! A private server and its life.

mod launch;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::launch::Failure;
use crate::Proxy;
use crate::ports::NodePort;
use crate::program::server_program;
use crate::resp::{Client, Reply};
use crate::secrets::percent_encode;
use crate::sync::lock;
use crate::wait::{PATIENCE, eventually_blocking};
use crate::watchdog::Watchdog;

/// A private Redis or Valkey server on a loopback port and a unix socket. It persists nothing.
///
/// Its log, its socket (`s`) and its files are in its own directory. It ends when this is dropped,
/// and also when the test process ends in any other way.
#[derive(Debug)]
pub struct RealServer {
    program: PathBuf,
    password: Option<String>,
    arguments: Vec<OsString>,
    port: AtomicU16,
    reserved: Mutex<Vec<NodePort>>, // empty unless `keeps_ports`
    keeps_ports: bool,
    settings: Settings,
    tls: Option<Box<TlsFiles>>,
    tls_port: AtomicU16, // 0 without TLS
    tls_only: bool,
    shared: bool,
    watchdog: Mutex<Option<Watchdog>>, // `None` after `kill`
    dir: TempDir,                      // dropped last: the server writes into it until it ends
}

/// The options of a [`RealServer`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct RealServerBuilder {
    password: Option<String>,
    arguments: Vec<OsString>,
    tls: Option<Box<TlsFiles>>,
    tls_only: bool,
    keeps_ports: bool,
    settings: Settings,
    shared: bool,
}

/// Where a server reads its settings from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Settings {
    #[default]
    CommandLine,
    /// A file, which the server rewrites when sentinels change its role. A restart reads it again.
    File,
    /// The same, and the server is a sentinel.
    SentinelFile,
}

/// The PEM files of a server that also listens with TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate that the server presents.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of the client certificates.
    pub ca: PathBuf,
}

impl RealServerBuilder {
    /// Sets the password of the default user (`requirepass`).
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        // Some servers can't take quotes and backslashes from the command line.
        if self.settings == Settings::CommandLine {
            self.settings = Settings::File;
        }
        self
    }

    /// Listens on a second port with TLS. Client certificates are not required, unless an argument
    /// sets `--tls-auth-clients`.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(Box::new(files));
        self
    }

    /// Listens with TLS only, also for other servers.
    pub(crate) fn tls_only(mut self, files: TlsFiles) -> Self {
        self.tls_only = true;
        self.tls(files).arg("--tls-cluster").arg("yes").arg("--tls-replication").arg("yes")
    }

    /// Adds an argument to the server's command line, where `--name` starts a setting. It overrides
    /// the settings of the harness.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    pub(crate) fn args(mut self, arguments: &[OsString]) -> Self {
        self.arguments.extend_from_slice(arguments);
        self
    }

    /// Makes the server a node of a cluster, which has no slots yet and knows no other node.
    pub(crate) fn node(mut self) -> Self {
        self.keeps_ports = true;
        self.arg("--cluster-enabled").arg("yes")
    }

    /// Makes the server one that sentinels can reconfigure. It keeps its role when it restarts.
    pub(crate) fn watched(mut self) -> Self {
        self.keeps_ports = true;
        self.settings = Settings::File;
        self
    }

    /// Makes the server a sentinel. It keeps what it knows when it restarts.
    pub(crate) fn sentinel(mut self) -> Self {
        self.keeps_ports = true;
        self.settings = Settings::SentinelFile;
        self
    }

    /// Forbids killing, pausing and restarting the server.
    pub(crate) fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Starts the server and waits until it answers. Panics with the end of its log if it does not
    /// answer, and with advice if no server program is found.
    pub fn start(self) -> RealServer {
        let dir = tempfile::Builder::new().prefix("rk-").tempdir().expect("a temporary directory");
        let server = RealServer {
            program: server_program(),
            password: self.password,
            arguments: self.arguments,
            port: AtomicU16::new(0),
            reserved: Mutex::default(),
            keeps_ports: self.keeps_ports,
            settings: self.settings,
            tls: self.tls,
            tls_port: AtomicU16::new(0),
            tls_only: self.tls_only,
            shared: self.shared,
            watchdog: Mutex::new(None),
            dir,
        };
        drop(server.launch_on_free_port());
        server
    }
}

impl RealServer {
    /// Starts a server without a password.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts a cluster of one node that owns all slots.
    pub fn start_node() -> Self {
        let server = Self::builder().node().start();
        let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
        let words: Vec<&str> =
            ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
        assert_eq!(server.redis_cli(&words), "OK");
        // A new node reports the cluster as down for two seconds.
        eventually_blocking("the cluster comes up", || {
            server.redis_cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        });
        server
    }

    /// Returns a builder, to set options before the start.
    pub fn builder() -> RealServerBuilder {
        RealServerBuilder::default()
    }

    /// Returns `redis://127.0.0.1:port`, with the password if one is set. Append `/n` to select a
    /// database. The URL of a server that listens with TLS only starts with `rediss`.
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// Returns the same URL, but through a proxy.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        self.url_at(proxy.port())
    }

    fn url_at(&self, port: u16) -> String {
        let mut url = String::from(if self.tls_only { "rediss://" } else { "redis://" });
        if let Some(password) = &self.password {
            let _ = write!(url, ":{}@", percent_encode(password));
        }
        let _ = write!(url, "127.0.0.1:{port}");
        url
    }

    /// Returns `unix:///path/of/the/socket`, with `?pass=` if a password is set.
    pub fn unix_url(&self) -> String {
        let mut url = format!("unix://{}", self.socket().display());
        if let Some(password) = &self.password {
            let _ = write!(url, "?pass={}", percent_encode(password));
        }
        url
    }

    /// Returns the TCP port on 127.0.0.1, the one with TLS if the server has no other. It stays the
    /// same after a restart. Only
    /// [`RealCluster::restart_all_elsewhere`](crate::RealCluster::restart_all_elsewhere) changes
    /// it.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Returns the TCP port with TLS. Panics if the server has none.
    pub fn tls_port(&self) -> u16 {
        assert!(self.tls.is_some(), "the server was started without TLS");
        self.tls_port.load(Ordering::Relaxed)
    }

    /// Returns the TCP address with TLS. Panics if the server has none.
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.tls_port()).into()
    }

    /// Returns the TCP address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Returns the path of the unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// Returns the directory of the server's files, including `server.log`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the process id of the server. Panics if the server is not running.
    pub fn pid(&self) -> u32 {
        self.lock().as_ref().expect("the server was ended").pid()
    }

    /// Returns whether the server was started and is neither ended nor paused.
    pub fn is_running(&self) -> bool {
        self.lock().as_ref().is_some_and(|watchdog| !watchdog.is_stopped())
    }

    /// Kills the server, as in a crash (SIGKILL). Connections are reset, and new ones refused.
    pub fn kill(&self) {
        self.take().kill();
    }

    /// Shuts the server down (SIGTERM), and waits until it ended.
    pub fn terminate(&self) {
        self.take().terminate();
    }

    /// Freezes the server (SIGSTOP). The system still accepts connections, but nothing is answered.
    pub fn pause(&self) {
        self.refuse_if_shared();
        self.lock().as_mut().expect("the server was ended").stop();
    }

    /// Resumes a frozen server (SIGCONT).
    pub fn resume(&self) {
        self.lock().as_mut().expect("the server was ended").resume();
    }

    /// Restarts the server, empty, on the same port and socket. Kills it first if it runs. A server
    /// of [`RealSentinels`](crate::RealSentinels) keeps its role, and a sentinel what it knows.
    pub fn restart(&self) {
        self.refuse_if_shared();
        if self.has_process() {
            self.kill();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.launch() {
                Ok(()) => return,
                // An outgoing connection took the port while it was free. It will end.
                Err(Failure::PortTaken) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(Failure::PortTaken) => panic!("port {} was taken while the server was down", self.port()),
                Err(Failure::Other(why)) => panic!("{why}"),
            }
        }
    }

    /// Starts an ended server again, in the same directory but on another port. The old port stays
    /// reserved until the result is dropped.
    pub(crate) fn start_elsewhere(&self) -> Vec<NodePort> {
        self.refuse_if_shared();
        assert!(!self.has_process(), "the server still runs");
        self.launch_on_free_port()
    }

    /// Returns whether the server was not ended. It may be paused.
    pub(crate) fn has_process(&self) -> bool {
        self.lock().is_some()
    }

    /// Runs one command and returns its reply in the `Display` format of [`Reply`]. A leading
    /// `-n 2` selects a database. Panics if the server replies with an error or not at all.
    pub fn redis_cli<A: AsRef<[u8]>>(&self, arguments: &[A]) -> String {
        let (database, command) = match arguments {
            [flag, database, command @ ..] if flag.as_ref() == b"-n" => (Some(database.as_ref()), command),
            command => (None, command),
        };
        let name = String::from_utf8_lossy(command.first().expect("a command").as_ref()).into_owned();
        let mut client = self.client();
        if let Some(database) = database {
            let selected = client.call(&[b"SELECT", database]).expect("the server answers SELECT");
            assert_eq!(selected, Reply::Status("OK".to_owned()));
        }
        match client.call(command) {
            Ok(Reply::Error(error)) => panic!("{name}: {error}"),
            Ok(reply) => reply.to_string(),
            Err(error) => panic!("{name} was not answered: {error}"),
        }
    }

    /// Opens a blocking TCP connection and authenticates. If the server listens with TLS only, the
    /// connection uses its unix socket.
    pub fn client(&self) -> Client {
        if self.tls_only {
            return self.control().expect("the server accepts connections and the password");
        }
        let mut client = Client::tcp(self.address()).expect("the server accepts connections");
        self.authenticate(&mut client).expect("the server accepts the password");
        client
    }

    /// Opens a blocking connection to the unix socket, which leaves no closed TCP ports behind.
    pub(crate) fn control(&self) -> std::io::Result<Client> {
        let mut client = Client::unix(&self.socket())?;
        self.authenticate(&mut client)?;
        Ok(client)
    }

    /// Returns whether this server supports a command, since versions differ.
    pub fn supports(&self, command: &str) -> bool {
        match self.client().call(&["COMMAND", "INFO", command]).expect("the server answers COMMAND") {
            Reply::Array(infos) => infos.iter().any(|info| *info != Reply::Nil),
            other => panic!("COMMAND INFO answered {other}"),
        }
    }

    pub(crate) fn authenticate(&self, client: &mut Client) -> std::io::Result<()> {
        if let Some(password) = &self.password
            && let Reply::Error(error) = client.call(&["AUTH", password])?
        {
            return Err(std::io::Error::other(error));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watchdog>> {
        lock(&self.watchdog)
    }

    fn take(&self) -> Watchdog {
        self.refuse_if_shared();
        self.lock().take().expect("the server was ended already")
    }

    fn refuse_if_shared(&self) {
        assert!(!self.shared, "the shared server must not be disturbed: start a private one");
    }
}

/// Returns the shared server of this test process, which is started on first use. Tests isolate
/// themselves with [`unique_namespace`](crate::unique_namespace). It cannot be killed, paused or
/// restarted.
pub fn shared_server() -> &'static RealServer {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::builder().shared().start())
}
