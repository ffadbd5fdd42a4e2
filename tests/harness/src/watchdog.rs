//! A server process that ends with the test.
//!
//! The `Drop` of a static never runs, and a killed process runs nothing. So the server is the child
//! of a small shell that reads commands from a pipe. When the pipe closes, however the test ended,
//! the shell kills the server and removes its directory. Only the shell signals the server, and it
//! reaps the server last, so a signal never reaches another process that got the same id.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wait::{PATIENCE, eventually_blocking};

/// The shell must outlive the server. So it ignores signals, and also a closed stdout, which would
/// kill it in `echo`.
const SCRIPT: &str = r#"
trap '' HUP INT TERM PIPE
dir=$1
shift
"$@" </dev/null >>"$dir/server.out" 2>&1 &
pid=$!
echo "$pid"
while read -r signal; do
    kill -s "$signal" "$pid"
    case $signal in
        KILL | TERM)
            wait "$pid"
            echo sent
            exit 0
            ;;
    esac
    echo sent
done
kill -s KILL "$pid"
wait "$pid"
rm -rf "$dir"
"#;

#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
    stopped: bool,
}

impl Watchdog {
    /// Starts `program` and guarantees that it ends. Its output goes to `server.out` in `dir`.
    pub(crate) fn start<A: AsRef<OsStr>>(
        dir: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(dir)
            .arg(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C and a runner that kills the test's group must leave the shell alive to clean
            // up.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let orders = shell.stdin.take();
        let mut answers = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("the watchdog says which process it started");
        let pid = line.trim().parse().expect("a process id");
        Self { shell, orders, answers, pid, stopped: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Freezes the process, and returns when it is stopped.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.signal("STOP");
        eventually_blocking("the server stops on SIGSTOP", || {
            matches!(state(self.pid), None | Some('T' | 'Z'))
        });
    }

    pub(crate) fn resume(&mut self) {
        self.signal("CONT");
        self.stopped = false;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Kills the process and reaps it.
    pub(crate) fn kill(mut self) {
        self.signal("KILL");
        self.shell.wait().expect("the watchdog ends");
    }

    /// Asks the process to end, and waits until it ended.
    pub(crate) fn terminate(mut self) {
        self.resume(); // a stopped process receives SIGTERM only when it resumes
        self.order("TERM");
        let deadline = Instant::now() + PATIENCE;
        while self.shell.try_wait().expect("the watchdog can be waited for").is_none() {
            if Instant::now() >= deadline {
                // The shell reads no orders while it waits. The server is not reaped yet, so the id
                // is still its own.
                let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
                panic!("the server did not end on SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns whether the process is known to have ended by itself. Without `/proc`, it is not
    /// known.
    pub(crate) fn has_ended(&self) -> bool {
        state(self.pid) == Some('Z')
    }

    fn signal(&mut self, name: &str) {
        self.order(name);
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the watchdog answers");
        assert_eq!(answer, "sent\n", "the watchdog answers");
    }

    fn order(&mut self, name: &str) {
        let orders = self.orders.as_mut().expect("the watchdog takes orders until it is dropped");
        writeln!(orders, "{name}").expect("the watchdog takes orders");
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// Returns the state letter of a process, if the system has `/proc`.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program name is in parentheses and can contain any character, so split at the last one.
    stat.rsplit_once(") ")?.1.chars().next()
}
