//! A real server in a separate process, on a separate core.
//!
//! The tests have another harness: it pins nothing, and the benchmarks do not depend on the crates
//! of the tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;

const VARIABLE: &str = "REDIS_KEYSPACE_SERVER_BIN";
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// How long a server may take to answer its first PING.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the server, prints its process id, and stops it when standard input closes. That happens
/// when the benchmark ends, even if it is killed.
const WATCH: &str = r#""$@" </dev/null >/dev/null 2>&1 & echo $!; read -r _; kill $! 2>/dev/null; wait"#;

/// A server that persists nothing and stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    watch: Child,
    pid: u32,
    port: u16,
    core: Option<usize>,
    version: String,
    #[cfg(feature = "tls")]
    tls: Tls,
    dir: TempDir, // the last field: the server uses it until it has stopped
}

/// The second port of a server, and the certificate to trust.
#[cfg(feature = "tls")]
#[derive(Debug)]
struct Tls {
    port: u16,
    ca: String,
}

#[cfg(feature = "tls")]
impl Tls {
    /// Makes a certificate, and adds the options of a server that presents it.
    fn prepare(dir: &Path, command: &mut Command) -> Result<Self, Error> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key, ca) = (dir.join("server.crt"), dir.join("server.key"), made.cert.pem());
        std::fs::write(&certificate, &ca)?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let port = free_port()?;
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(&certificate).arg("--tls-key-file").arg(&key);
        command.arg("--tls-ca-cert-file").arg(&certificate);
        Ok(Self { port, ca })
    }
}

/// Returns a free port. Ten thousand above it is a port too, for the nodes of a cluster.
fn free_port() -> std::io::Result<u16> {
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if port < u16::MAX - 10_000 {
            return Ok(port);
        }
    }
}

impl Server {
    /// Starts a server on a free loopback port, pinned to `core` if given.
    pub fn start(core: Option<usize>) -> Result<Self, Error> {
        Self::start_with(core, &[])
    }

    /// The same, with further arguments.
    pub(crate) fn start_with(core: Option<usize>, arguments: &[&str]) -> Result<Self, Error> {
        let program = find_program()?;
        let dir = tempfile::Builder::new().prefix("rk-bench-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]);
        if let Some(core) = core {
            command.args(["taskset", "-c", &core.to_string()]);
        }
        command.arg(&program).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(arguments);
        command.args(["--appendonly", "no", "--daemonize", "no"]).arg("--dir").arg(dir.path());
        command.arg("--unixsocket").arg(dir.path().join("s"));
        #[cfg(feature = "tls")]
        let tls = Tls::prepare(dir.path(), &mut command)?;
        let mut watch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = watch.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let mut server = Self {
            watch,
            pid: line.trim().parse()?,
            port,
            core,
            version: String::new(),
            #[cfg(feature = "tls")]
            tls,
            dir,
        };
        server.version = server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Returns the core that the server is pinned to.
    pub fn core(&self) -> Option<usize> {
        self.core
    }

    /// Returns the URL, without a database.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the TCP port with TLS.
    #[cfg(feature = "tls")]
    pub fn tls_port(&self) -> u16 {
        self.tls.port
    }

    /// Returns the certificate to trust, as PEM text.
    #[cfg(feature = "tls")]
    pub fn ca(&self) -> &str {
        &self.tls.ca
    }

    /// Returns the TCP port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of the unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// Returns the name and version that the server reports.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the CPU time that the server's threads have used, if the system reports it.
    pub fn cpu(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
        let nanoseconds = threads.map_while(Result::ok).filter_map(|thread| {
            let statistics = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            statistics.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }

    fn wait_until_it_answers(&self) -> Result<String, Error> {
        let started = Instant::now();
        loop {
            if let Ok(info) = self.info()
                && let Some(version) = field(&info, "redis_version:")
            {
                // Another server may have bound the port after it was found to be free.
                if field(&info, "process_id:") != Some(&self.pid.to_string()) {
                    return Err("another server is listening on the chosen port; try again".into());
                }
                return Ok(match field(&info, "valkey_version:") {
                    Some(version) => format!("Valkey {version}"),
                    None => format!("Redis {version}"),
                });
            }
            if started.elapsed() > PATIENCE {
                return Err("the server did not answer in time".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn info(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"INFO server\r\nQUIT\r\n")?;
        let mut info = String::new();
        stream.read_to_string(&mut info)?;
        Ok(info)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn find_program() -> Result<PathBuf, Error> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    PROGRAMS.iter().find_map(|name| on_path(name.as_ref())).ok_or_else(|| {
        format!("found none of {PROGRAMS:?} on PATH: install one, or set {VARIABLE} to its path").into()
    })
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir: PathBuf| dir.join(Path::new(name))).find(|file| file.is_file())
}

/// Pins this process to a core, including threads that it starts later. Returns `false` if that is
/// not possible.
pub fn pin_process(core: usize) -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
        && Command::new("taskset")
            .args(["-a", "-p", "-c", &core.to_string(), &std::process::id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}
