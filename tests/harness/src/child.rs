//! A test that runs in a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A command that runs one test of this binary in another process: for what concerns a whole process, or several.
///
/// Make it with [`child_test!`](crate::child_test). The test learns from a variable of its environment that it is the child.
#[derive(Debug)]
#[must_use = "nothing runs before `spawn` or `run`"]
pub struct ChildTest {
    name: String,
    command: Command,
}

/// A [`ChildTest`] for the test of this name in the module of the caller.
#[macro_export]
macro_rules! child_test {
    ($name:expr) => {
        $crate::ChildTest::new(module_path!(), $name)
    };
}

impl ChildTest {
    /// The test of this name in a module of this binary, as `module_path!` prints it.
    pub fn new(module: &str, name: &str) -> Self {
        // The test runner leaves out the name of the crate.
        let name = match module.split_once("::") {
            Some((_, module)) => format!("{module}::{name}"),
            None => name.to_owned(),
        };
        let program = std::env::current_exe().expect("the path of this program is known");
        let mut command = Command::new(program);
        command.args(["--exact", &name, "--nocapture"]);
        Self { name, command }
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it in a directory.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts it, with a pipe for what it prints.
    pub fn spawn(mut self) -> RunningTest {
        let child = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = child.expect("this program starts again");
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        RunningTest { name: self.name, process, output }
    }

    /// Runs it to its end, and returns what it printed, errors last; panics when it did not pass.
    pub fn run(mut self) -> String {
        let output = self.command.stdin(Stdio::null()).output().expect("this program starts again");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_passed(&self.name, output.status, &text);
        text
    }
}

#[track_caller]
fn assert_passed(name: &str, status: ExitStatus, output: &str) {
    // A name that fits no test would end well, too.
    assert!(status.success() && output.contains("1 passed"), "{name} ended with {status}:\n{output}");
}

/// A [`ChildTest`] that runs. It is killed when this is dropped, even if it stands still.
#[derive(Debug)]
pub struct RunningTest {
    name: String,
    process: Child,
    output: BufReader<ChildStdout>,
}

impl RunningTest {
    /// Waits until it prints a line that starts with `prefix`, and returns the rest of the line.
    pub fn line(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).expect("its output is text");
            assert_ne!(read, 0, "{} ended without printing {prefix:?}", self.name);
            // The test runner may have begun the line.
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Waits for its end, and returns what it printed; panics when it did not pass.
    pub fn passes(mut self) -> String {
        let mut output = String::new();
        self.output.read_to_string(&mut output).expect("its output is text");
        let status = self.process.wait().expect("it is ours to wait for");
        assert_passed(&self.name, status, &output);
        output
    }

    /// Ends it at once (SIGKILL), and waits until it has ended.
    pub fn kill(mut self) {
        self.end();
    }

    /// Freezes it (SIGSTOP).
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`stop`](Self::stop) (SIGCONT).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(status.expect("`kill` runs").success(), "{} takes no {signal}", self.name);
    }

    fn end(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RunningTest {
    fn drop(&mut self) {
        self.end();
    }
}
