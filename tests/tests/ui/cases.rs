//! Finds the cases and checks them all with one run of cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::diagnostic::Diagnostic;

pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are in the workspace").to_owned()
}

pub fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(name)
}

/// Returns the names of the files with an extension.
pub fn names(of: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory(of)).expect("read the directory of the cases");
    let paths = entries.map(|entry| entry.expect("read a directory entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    paths.map(|path| path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned()).collect()
}

/// One line of the output of `cargo check --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Checks all cases, as programs of one project, and returns the diagnostics of each.
pub fn check(names: &BTreeSet<String>) -> BTreeMap<String, Vec<Diagnostic>> {
    let project = generate(names);
    // Uses the target directory of the cargo that runs this test, so dependencies are built only
    // once. The program of a test is in its `deps` directory.
    let program = std::env::current_exe().expect("get the path of this program");
    let target = program.ancestors().nth(3).expect("this program is in a target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["check", "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
        .arg("--manifest-path")
        .arg(project.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    let output = cargo.output().expect("run cargo");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut diagnostics: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    let mut finished = false;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        finished |= message.reason == "build-finished";
        let (Some(target), Some(diagnostic)) = (message.target, message.message) else { continue };
        if target.kind.iter().any(|kind| kind == "bin") && names.contains(&target.name) {
            diagnostics.entry(target.name).or_default().push(diagnostic);
        } else {
            assert!(!diagnostic.is_error(), "a dependency of the cases does not compile:\n{stderr}");
        }
    }
    assert!(finished, "cargo did not check the cases:\n{stderr}");
    diagnostics
}

/// Writes a project with a program for each case. It is not part of the workspace, because the
/// checks of the workspace would fail.
fn generate(names: &BTreeSet<String>) -> PathBuf {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let workspace = workspace();
    let library = workspace.join("redis-keyspace");
    let mut manifest = format!(
        "[package]\nname = \"redis-keyspace-ui-cases\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n\
         [workspace]\n\n\
         [dependencies]\nredis-keyspace = {{ path = {library:?}, features = [\"embedded\", \"uuid\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         # As in the workspace, so cargo reuses its builds.\n\
         [profile.dev.package.\"*\"]\nopt-level = 1\ndebug = false\n"
    );
    for name in names {
        let case = directory("fail").join(format!("{name}.rs"));
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {case:?}\n").expect("write to a string");
    }
    std::fs::create_dir_all(&project).expect("create the directory of the project");
    std::fs::write(project.join("Cargo.toml"), manifest).expect("write the manifest");
    // Uses the dependency versions of the workspace, which are already downloaded.
    std::fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock")).expect("copy the lock file");
    project
}
