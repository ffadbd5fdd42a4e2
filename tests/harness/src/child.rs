//! Tests that run in a process of their own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A command that runs one test of this binary in another process, for tests of whole processes.
///
/// Create it with [`child_test!`](crate::child_test). An environment variable tells the test that
/// it is the child.
#[derive(Debug)]
#[must_use = "nothing runs before `spawn` or `run`"]
pub struct ChildTest {
    name: String,
    command: Command,
}

/// Creates a [`ChildTest`] for the test with this name in the module of the caller.
#[macro_export]
macro_rules! child_test {
    ($name:expr) => {
        $crate::ChildTest::new(module_path!(), $name)
    };
}

impl ChildTest {
    /// Creates a command for the test with this name. `module` is the output of `module_path!`.
    pub fn new(module: &str, name: &str) -> Self {
        // The test runner omits the name of the crate.
        let name = match module.split_once("::") {
            Some((_, module)) => format!("{module}::{name}"),
            None => name.to_owned(),
        };
        let program = std::env::current_exe().expect("the path of this program is known");
        let mut command = Command::new(program);
        command.args(["--exact", &name, "--nocapture"]);
        Self { name, command }
    }

    /// Sets an environment variable of the child.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable of the child.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working directory of the child.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts the child and captures its output.
    pub fn spawn(mut self) -> RunningTest {
        let child = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = child.expect("this program starts again");
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        RunningTest { name: self.name, process, output }
    }

    /// Runs the child to its end and returns its output, stderr last. Panics if the test failed.
    pub fn run(mut self) -> String {
        let output = self.command.stdin(Stdio::null()).output().expect("this program starts again");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_passed(&self.name, output.status, &text);
        text
    }
}

#[track_caller]
fn assert_passed(name: &str, status: ExitStatus, output: &str) {
    // A name that matches no test exits with success, too.
    assert!(status.success() && output.contains("1 passed"), "{name} ended with {status}:\n{output}");
}

/// A running [`ChildTest`]. Dropping it kills the process, even if it is frozen.
#[derive(Debug)]
pub struct RunningTest {
    name: String,
    process: Child,
    output: BufReader<ChildStdout>,
}

impl RunningTest {
    /// Waits for a line of output that contains `prefix`, and returns the rest of the line.
    pub fn line(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).expect("its output is text");
            assert_ne!(read, 0, "{} ended without printing {prefix:?}", self.name);
            // The test runner may have printed the start of the line.
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Waits for the child to end and returns its output. Panics if the test failed.
    pub fn passes(mut self) -> String {
        let mut output = String::new();
        self.output.read_to_string(&mut output).expect("its output is text");
        let status = self.process.wait().expect("the child can be waited for");
        assert_passed(&self.name, status, &output);
        output
    }

    /// Kills the child (SIGKILL) and waits until it ended.
    pub fn kill(mut self) {
        self.end();
    }

    /// Freezes the child (SIGSTOP).
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Resumes the child after [`stop`](Self::stop) (SIGCONT).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(status.expect("`kill` runs").success(), "{} takes no {signal}", self.name);
    }

    fn end(&mut self) {
        // Both fail only if the process ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RunningTest {
    fn drop(&mut self) {
        self.end();
    }
}
