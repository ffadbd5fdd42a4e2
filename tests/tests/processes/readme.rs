//! Follows the README like a newcomer: the install lines and the program, in an empty directory.

use std::path::{Path, PathBuf};
use std::process::Command;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn readme() -> String {
    std::fs::read_to_string(Path::new(WORKSPACE).join("README.md")).unwrap()
}

/// Returns the first code block in a language.
fn block<'r>(readme: &'r str, language: &str) -> &'r str {
    let start = format!("\n```{language}\n");
    let (_, rest) = readme.split_once(&start).unwrap_or_else(|| panic!("no block of {language}"));
    rest.split_once("```\n").expect("a block ends").0
}

#[test]
fn the_program_equals_the_example() {
    let example = std::fs::read_to_string(Path::new(WORKSPACE).join("examples/first.rs")).unwrap();
    assert_eq!(block(&readme(), "rust"), example);
}

#[test]
fn no_doctest_lines_are_hidden() {
    let readme = readme();
    let mut in_rust = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            in_rust = line.starts_with("```rust");
        }
        assert!(!in_rust || !(line == "#" || line.starts_with("# ")), "{line}");
    }
}

/// Runs the install lines, but `cargo add` takes this crate from the workspace instead of the
/// registry. All other crates have the versions of this workspace, which are already downloaded.
#[test]
fn the_install_lines_and_the_program_work_in_an_empty_directory() {
    let empty = tempfile::tempdir().unwrap();
    let readme = readme();
    let mut directory = empty.path().to_owned();
    // The program of a test is in `target/debug/deps`. This build needs its own target directory,
    // because cargo locks a target directory.
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap().join("readme");
    let cargo = |directory: &Path, arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(directory).args(arguments).env("CARGO_TARGET_DIR", &target);
        cargo.env("CARGO_NET_OFFLINE", "true").env_remove("RUSTFLAGS");
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false"); // a shorter build
        let output = cargo.output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "cargo {arguments:?}:\n{stdout}{stderr}");
        stdout.into_owned()
    };
    let crate_path = Path::new(WORKSPACE).join("redis-keyspace").canonicalize().unwrap();
    for line in block(&readme, "sh").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["cd", to] => directory.push(to),
            ["cargo", "add", "redis-keyspace", ref options @ ..] => {
                let path = crate_path.to_str().unwrap();
                cargo(&directory, &[&["add", "redis-keyspace", "--path", path], options].concat());
            }
            ["cargo", ref arguments @ ..] => {
                cargo(&directory, arguments);
            }
            _ => panic!("unknown install line: {line}"),
        }
        if line.starts_with("cargo new") {
            let created: PathBuf = directory.join(words[2]);
            std::fs::copy(Path::new(WORKSPACE).join("Cargo.lock"), created.join("Cargo.lock")).unwrap();
        }
    }
    std::fs::write(directory.join("src/main.rs"), block(&readme, "rust")).unwrap();
    assert_eq!(cargo(&directory, &["run", "--quiet"]), block(&readme, "text"));
}
