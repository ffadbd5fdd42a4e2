//! Starting the process of a server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{RealServer, Settings, TlsFiles};
use crate::ports::{NodePort, free_port};
use crate::resp::Reply;
use crate::sync::lock;
use crate::wait::PATIENCE;
use crate::watchdog::Watchdog;

/// The number of ports to try if other programs keep taking them.
const ATTEMPTS: usize = 10;

pub(super) enum Failure {
    PortTaken,
    Other(String),
}

impl RealServer {
    /// Returns the previous reservations.
    pub(super) fn launch_on_free_port(&self) -> Vec<NodePort> {
        let mut previous = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut reserved = Vec::new();
            let mut free = || {
                if !self.keeps_ports {
                    return free_port();
                }
                let port = NodePort::free();
                let number = port.number();
                reserved.push(port);
                number
            };
            self.port.store(free(), Ordering::Relaxed);
            if self.tls.is_some() {
                let port = if self.tls_only { self.port() } else { free() };
                self.tls_port.store(port, Ordering::Relaxed);
            }
            previous.append(&mut std::mem::replace(&mut *lock(&self.reserved), reserved));
            // It names the previous ports.
            let _ = std::fs::remove_file(self.settings_file());
            match self.launch() {
                Ok(()) => return previous,
                Err(Failure::PortTaken) => {} // taken since the check: try another one
                Err(Failure::Other(why)) => panic!("{why}"),
            }
        }
        panic!("{ATTEMPTS} ports in a row were taken before the server could bind them");
    }

    pub(super) fn launch(&self) -> Result<(), Failure> {
        // A killed server leaves its socket and logs behind. They do not describe the new one.
        for leftover in ["s", "server.log", "server.out"] {
            let _ = std::fs::remove_file(self.dir.path().join(leftover));
        }
        let watchdog = Watchdog::start(self.dir.path(), &self.program, self.process_arguments());
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

    fn settings_file(&self) -> PathBuf {
        self.dir.path().join("server.conf")
    }

    /// Returns the arguments of the process. Writes the file that they name, unless it exists: the
    /// server may have changed it.
    fn process_arguments(&self) -> Vec<OsString> {
        let settings = self.command_line();
        if self.settings == Settings::CommandLine {
            return settings;
        }
        let file = self.settings_file();
        if !file.exists() {
            std::fs::write(&file, as_file(&settings)).expect("the directory of the server is writable");
        }
        let mut arguments = vec![file.into_os_string()];
        if self.settings == Settings::SentinelFile {
            arguments.push("--sentinel".into());
        }
        arguments
    }

    fn command_line(&self) -> Vec<OsString> {
        let dir = self.dir.path();
        let mut line: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: OsString| line.extend([OsString::from(format!("--{name}")), value]);
        set("port", if self.tls_only { 0 } else { self.port() }.to_string().into());
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
            set("tls-port", self.tls_port().to_string().into());
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
        match self.control().and_then(|mut client| client.call(&["PING"])) {
            Ok(Reply::Status(_)) => true,
            // The test's arguments may disable the default user. The server is up anyway.
            Ok(Reply::Error(error)) => error.starts_with("NOAUTH") || error.starts_with("NOPERM"),
            _ => false,
        }
    }

    /// Returns the process id that the server reports, or `None` if the test's arguments forbid
    /// INFO.
    fn process_id(&self) -> Option<u32> {
        let mut client = self.control().ok()?;
        let info = client.call(&["INFO", "server"]).ok()?.to_string();
        info.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read(self.dir.path().join(name)).unwrap_or_default();
        let log = [read("server.out"), read("server.log")].concat();
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// Formats the settings of a command line as a file: a line for each `--name value ..`.
fn as_file(command_line: &[OsString]) -> String {
    let mut file = String::new();
    for word in command_line {
        let word = word.to_string_lossy();
        match word.strip_prefix("--") {
            Some(name) => {
                file.push('\n');
                file.push_str(name);
            }
            None => {
                let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
                file.push_str(" \"");
                file.push_str(&escaped);
                file.push('"');
            }
        }
    }
    file.push('\n');
    file
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
