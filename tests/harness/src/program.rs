//! Finding the program of the server.

use std::path::{Path, PathBuf};

/// The environment variable that names the server to test against.
const VARIABLE: &str = "REDIS_KEYSPACE_SERVER_BIN";
/// The programs to look for on `PATH` if the variable is not set.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Returns the program of the server that the tests use.
///
/// # Panics
///
/// Panics if no server is installed, or if the variable names no program.
#[must_use]
pub fn server_program() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        if named.components().count() > 1 {
            assert!(named.is_file(), "{VARIABLE} names {}, but the file does not exist", named.display());
            return std::path::absolute(named).expect("the current directory is known");
        }
        return on_path(&named).unwrap_or_else(|| {
            panic!("{VARIABLE} names {}, and PATH has no such program", named.display());
        });
    }
    PROGRAMS.iter().find_map(|name| on_path(Path::new(name))).unwrap_or_else(|| {
        panic!(
            "these tests need a real server, and PATH has none of {PROGRAMS:?}: install one (`apt-get install \
             redis-server`, `brew install redis`, ..), or set {VARIABLE} to the path of one"
        )
    })
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}
