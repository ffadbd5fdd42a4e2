//! What a server executes.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::RealServer;
use crate::resp::{Client, Reply};
use crate::sync::lock;

/// A command that a server executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// When it was executed, by the server's clock.
    pub at: SystemTime,
    /// The address of the client, or `lua` for a command of a script.
    pub client: String,
    /// The words of the command, with escapes such as `\x00`.
    pub words: Vec<String>,
}

/// A connection that records what a server executes (MONITOR), until the server closes it or this
/// is dropped.
#[derive(Debug)]
pub struct Monitor {
    executed: Arc<Mutex<Vec<Executed>>>,
    socket: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Starts to record the commands for which `matters` returns `true`. Fails if the server is
    /// down.
    pub fn start(
        server: &RealServer,
        matters: impl Fn(&Executed) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let socket = TcpStream::connect(server.address())?;
        let mut client = Client::over(socket.try_clone()?)?;
        server.authenticate(&mut client)?;
        let started = client.call(&["MONITOR"])?;
        if started != Reply::Status("OK".to_owned()) {
            return Err(std::io::Error::other(started.to_string()));
        }
        let executed: Arc<Mutex<Vec<Executed>>> = Arc::default();
        let thread = {
            let executed = Arc::clone(&executed);
            thread::spawn(move || {
                while let Ok(line) = client.receive() {
                    if let Some(command) = parse(&line.to_string()).filter(&matters) {
                        lock(&executed).push(command);
                    }
                }
            })
        };
        Ok(Self { executed, socket, thread: Some(thread) })
    }

    /// Returns what was recorded so far.
    pub fn executed(&self) -> Vec<Executed> {
        lock(&self.executed).clone()
    }

    /// Returns whether the connection ended, as when the server became a replica.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Fails only if the connection ended already.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Parses `1700000000.000001 [0 127.0.0.1:50000] "SET" "key" "value"`.
fn parse(line: &str) -> Option<Executed> {
    let (time, rest) = line.split_once(" [")?;
    let (source, command) = rest.split_once("] ")?;
    let (seconds, micros) = time.split_once('.')?;
    let since = Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?);
    let words = command.strip_prefix('"')?.strip_suffix('"')?.split("\" \"");
    Some(Executed {
        at: UNIX_EPOCH + since,
        client: source.split_once(' ')?.1.to_owned(),
        words: words.map(str::to_owned).collect(),
    })
}
