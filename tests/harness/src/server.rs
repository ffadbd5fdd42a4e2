use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Proxy;
use crate::resp::{Client, Reply};
use crate::secrets::percent_encode;
use crate::sync::lock;
use crate::wait::{PATIENCE, eventually_blocking};
use crate::watchdog::Watchdog;

/// The environment variable that names the server to test against.
const VARIABLE: &str = "REDIS_KEYSPACE_SERVER_BIN";
/// The programs to look for on `PATH` if the variable is not set.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Redis' default port. Tests never use it: another server may run there.
const STANDARD_PORT: u16 = 6379;
/// The highest usable port: a cluster node also listens 10,000 above its port.
const HIGHEST_PORT: u16 = u16::MAX - 10_000;

/// A private Redis or Valkey server on a loopback port and a unix socket. It persists nothing.
///
/// Its log, its socket (`s`) and its files are in its own directory. It ends when this is dropped,
/// and also when the test process ends in any other way.
#[derive(Debug)]
pub struct RealServer {
    program: PathBuf,
    password: Option<String>,
    arguments: Vec<OsString>,
    port: u16,
    tls: Option<Box<TlsFiles>>,
    tls_port: u16, // 0 without TLS
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
        self
    }

    /// Listens on a second port with TLS. Client certificates are not required, unless an argument
    /// sets `--tls-auth-clients`.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(Box::new(files));
        self
    }

    /// Adds an argument to the server's command line, where `--name` starts a setting. It overrides
    /// the settings of the harness.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the server and waits until it answers. Panics with the end of its log if it does not
    /// answer, and with advice if no server program is found.
    pub fn start(self) -> RealServer {
        let dir = tempfile::Builder::new().prefix("rk-").tempdir().expect("a temporary directory");
        let mut server = RealServer {
            program: find_program(),
            password: self.password,
            arguments: self.arguments,
            port: 0,
            tls: self.tls,
            tls_port: 0,
            shared: false,
            watchdog: Mutex::new(None),
            dir,
        };
        for _ in 0..10 {
            server.port = free_port();
            if server.tls.is_some() {
                server.tls_port = free_port();
            }
            match server.launch() {
                Ok(()) => return server,
                Err(Failure::PortTaken) => {} // taken since the check: try another one
                Err(Failure::Other(why)) => panic!("{why}"),
            }
        }
        panic!("ten ports in a row were taken before the server could bind them");
    }
}

enum Failure {
    PortTaken,
    Other(String),
}

impl RealServer {
    /// Starts a server without a password.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts a cluster of one node that owns all slots.
    pub fn start_node() -> Self {
        let server = Self::builder().arg("--cluster-enabled").arg("yes").start();
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
    /// database.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// Returns the same URL, but through a proxy.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        self.url_at(proxy.port())
    }

    fn url_at(&self, port: u16) -> String {
        let mut url = String::from("redis://");
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

    /// Returns the TCP port on 127.0.0.1. It stays the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the TCP port with TLS. Panics if the server has none.
    pub fn tls_port(&self) -> u16 {
        assert!(self.tls.is_some(), "the server was started without TLS");
        self.tls_port
    }

    /// Returns the TCP address with TLS. Panics if the server has none.
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.tls_port()).into()
    }

    /// Returns the TCP address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
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

    /// Restarts the server, empty, on the same port and socket. Kills it first if it runs.
    pub fn restart(&self) {
        self.refuse_if_shared();
        if self.lock().is_some() {
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
                Err(Failure::PortTaken) => panic!("port {} was taken while the server was down", self.port),
                Err(Failure::Other(why)) => panic!("{why}"),
            }
        }
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

    /// Opens a blocking TCP connection and authenticates.
    pub fn client(&self) -> Client {
        let mut client = Client::tcp(self.address()).expect("the server accepts connections");
        self.authenticate(&mut client).expect("the server accepts the password");
        client
    }

    /// Returns whether this server supports a command, since versions differ.
    pub fn supports(&self, command: &str) -> bool {
        match self.client().call(&["COMMAND", "INFO", command]).expect("the server answers COMMAND") {
            Reply::Array(infos) => infos.iter().any(|info| *info != Reply::Nil),
            other => panic!("COMMAND INFO answered {other}"),
        }
    }

    fn authenticate(&self, client: &mut Client) -> std::io::Result<()> {
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

    fn launch(&self) -> Result<(), Failure> {
        // A killed server leaves its socket and logs behind. They do not describe the new one.
        for leftover in ["s", "server.log", "server.out"] {
            let _ = std::fs::remove_file(self.dir.path().join(leftover));
        }
        let watchdog = Watchdog::start(self.dir.path(), &self.program, self.command_line());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.answers() {
                break;
            }
            let log = self.log();
            let reason = if log.contains("Address already in use") {
                watchdog.kill();
                return Err(Failure::PortTaken);
            } else if watchdog.has_ended() {
                "ended at once"
            } else if Instant::now() > deadline {
                "did not answer PING in minutes"
            } else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            watchdog.kill();
            let program = self.program.display();
            return Err(Failure::Other(format!("{program} {reason}; the end of its log:\n{}", tail(&log))));
        }
        if let Some(answering) = self.process_id()
            && answering != watchdog.pid()
        {
            let program = self.program.display();
            return Err(Failure::Other(format!(
                "{program} is not the server but starts it; a script must `exec` it, to be signalled as it is"
            )));
        }
        *self.lock() = Some(watchdog);
        Ok(())
    }

    fn command_line(&self) -> Vec<OsString> {
        let dir = self.dir.path();
        let mut line: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: OsString| line.extend([OsString::from(format!("--{name}")), value]);
        set("port", self.port.to_string().into());
        set("bind", "127.0.0.1".into());
        set("unixsocket", self.socket().into());
        set("dir", dir.into());
        set("logfile", dir.join("server.log").into());
        set("pidfile", dir.join("server.pid").into());
        set("save", "".into());
        set("appendonly", "no".into());
        set("daemonize", "no".into());
        set("databases", "64".into());
        if let Some(password) = &self.password {
            set("requirepass", password.into());
        }
        if let Some(TlsFiles { certificate, key, ca }) = self.tls.as_deref() {
            set("tls-port", self.tls_port.to_string().into());
            set("tls-cert-file", certificate.into());
            set("tls-key-file", key.into());
            set("tls-ca-cert-file", ca.into());
            set("tls-auth-clients", "no".into());
        }
        line.extend(self.arguments.iter().cloned());
        line
    }

    /// Returns whether the server answers on its unix socket, which no other server can own. On the
    /// port, another server could answer PING. The server binds its port first.
    fn answers(&self) -> bool {
        let ping = || -> std::io::Result<Reply> {
            let mut client = Client::unix(&self.socket())?;
            self.authenticate(&mut client)?;
            client.call(&["PING"])
        };
        match ping() {
            Ok(Reply::Status(_)) => true,
            // The test's arguments may disable the default user. The server is up anyway.
            Ok(Reply::Error(error)) => error.starts_with("NOAUTH") || error.starts_with("NOPERM"),
            _ => false,
        }
    }

    /// Returns the process id that the server reports, or `None` if the test's arguments forbid
    /// INFO.
    fn process_id(&self) -> Option<u32> {
        let mut client = Client::unix(&self.socket()).ok()?;
        self.authenticate(&mut client).ok()?;
        let info = client.call(&["INFO", "server"]).ok()?.to_string();
        info.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read(self.dir.path().join(name)).unwrap_or_default();
        let log = [read("server.out"), read("server.log")].concat();
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// Returns the shared server of this test process, which is started on first use. Tests isolate
/// themselves with [`unique_namespace`](crate::unique_namespace). It cannot be killed, paused or
/// restarted.
pub fn shared_server() -> &'static RealServer {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut server = RealServer::start();
        server.shared = true;
        server
    })
}

fn find_program() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        if named.components().count() > 1 {
            assert!(named.is_file(), "{VARIABLE} names {}, but the file does not exist", named.display());
            return std::path::absolute(named).expect("the current directory is known");
        }
        return on_path(&named).unwrap_or_else(|| {
            panic!("{VARIABLE} names {}, and PATH has no such program", named.display());
        });
    }
    PROGRAMS.iter().find_map(|name| on_path(Path::new(name))).unwrap_or_else(|| {
        panic!(
            "these tests need a real server, and PATH has none of {PROGRAMS:?}: install one (`apt-get install \
             redis-server`, `brew install redis`, ..), or set {VARIABLE} to the path of one"
        )
    })
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}

fn free_port() -> u16 {
    // Unsuitable ports stay bound until one fits, so the system offers another.
    let mut refused = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        if port != STANDARD_PORT && port <= HIGHEST_PORT {
            return port;
        }
        refused.push(listener);
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
