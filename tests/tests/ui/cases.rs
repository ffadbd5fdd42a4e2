//! The cases, and one run of cargo that checks them all.

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

/// The names of the files of one extension.
pub fn names(of: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory(of)).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("a directory can be read").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    paths.map(|path| path.file_stem().expect("a name").to_str().expect("in UTF-8").to_owned()).collect()
}

/// One line of what `cargo check --message-format=json` prints.
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

/// Checks all cases, as programs of one project, and returns what the compiler says about each.
pub fn check(names: &BTreeSet<String>) -> BTreeMap<String, Vec<Diagnostic>> {
    let project = generate(names);
    // That of cargo's which runs this test, so that what is built for it is built once. A program of a test is in its `deps`.
    let program = std::env::current_exe().expect("the path of this program is known");
    let target = program.ancestors().nth(3).expect("it is in a target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["check", "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
        .arg("--manifest-path")
        .arg(project.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    let output = cargo.output().expect("cargo runs");
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
            assert!(!diagnostic.is_error(), "what the cases need does not compile:\n{stderr}");
        }
    }
    assert!(finished, "cargo did not check the cases:\n{stderr}");
    diagnostics
}

/// Writes a project with a program for each case, outside of the workspace, whose checks would fail with it.
fn generate(names: &BTreeSet<String>) -> PathBuf {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let workspace = workspace();
    let library = workspace.join("redis-keyspace");
    let mut manifest = format!(
        "[package]\nname = \"redis-keyspace-ui-cases\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n\
         [workspace]\n\n\
         [dependencies]\nredis-keyspace = {{ path = {library:?}, features = [\"embedded\", \"uuid\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         # As in the workspace, so that cargo takes what it has built there.\n\
         [profile.dev.package.\"*\"]\nopt-level = 1\ndebug = false\n"
    );
    for name in names {
        let case = directory("fail").join(format!("{name}.rs"));
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {case:?}\n").expect("a string takes it");
    }
    std::fs::create_dir_all(&project).expect("a directory for the project");
    std::fs::write(project.join("Cargo.toml"), manifest).expect("its manifest");
    // The versions are those of the workspace, which are there, so that nothing is downloaded.
    std::fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock")).expect("its versions");
    project
}
