//! A server process that can't outlive the test.
//!
//! A static's `Drop` never runs and a killed process runs nothing, so the server is the child of a small
//! shell that waits on a pipe of ours. Commands go down the pipe; its end, however the test ended, is the order
//! to kill the server and remove its directory. The shell alone signals the server and doesn't reap it before
//! it is done with it, so a signal never meets a stranger that was given the same process id.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wait::{PATIENCE, eventually_blocking};

/// Signals are ignored because the shell must live as long as the server does, and so is a closed stdout, which
/// would kill it in `echo`.
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
}

impl Watchdog {
    /// Starts `program` and answers for its end. What it prints goes to `server.out` in `dir`.
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
            // Ctrl-C and a runner that kills the test's group must leave the shell alive to clean up.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let orders = shell.stdin.take();
        let mut answers = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("the watchdog says which process it started");
        let pid = line.trim().parse().expect("a process id");
        Self { shell, orders, answers, pid }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Freezes the process; returns when it stands still.
    pub(crate) fn stop(&mut self) {
        self.signal("STOP");
        eventually_blocking("the server stops on SIGSTOP", || {
            matches!(state(self.pid), None | Some('T' | 'Z'))
        });
    }

    pub(crate) fn resume(&mut self) {
        self.signal("CONT");
    }

    /// Ends the process at once and reaps it.
    pub(crate) fn kill(mut self) {
        self.signal("KILL");
        self.shell.wait().expect("the watchdog ends");
    }

    /// Asks the process to end, and waits until it did.
    pub(crate) fn terminate(mut self) {
        self.resume(); // a stopped process hears SIGTERM only afterwards
        self.order("TERM");
        let deadline = Instant::now() + PATIENCE;
        while self.shell.try_wait().expect("the watchdog is ours to wait for").is_none() {
            if Instant::now() >= deadline {
                // The shell hears nothing while it waits. Unreaped, the process id is still the server's.
                let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
                panic!("the server did not end on SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether the process is known to have ended by itself. Where the system doesn't say, it is not known.
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

/// The state letter of a process, where the system has `/proc`.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold any character: what follows the last counts.
    stat.rsplit_once(") ")?.1.chars().next()
}
