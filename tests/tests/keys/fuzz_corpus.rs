//! Replays the corpus of the fuzzer through the fuzz targets.

use std::path::Path;

/// Runs a target on each file of its corpus.
#[track_caller]
fn replay(name: &str, target: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut files = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| target(&data)).is_err() {
            panic!("{name} fails on {}: {}", path.display(), data.escape_ascii());
        }
        files += 1;
    }
    assert!(files > 100, "only {files} files in {}", dir.display());
}

#[test]
fn keys() {
    replay("keys", redis_keyspace_fuzz::keys);
}

#[test]
fn parse() {
    replay("parse", redis_keyspace_fuzz::parse);
}

#[test]
fn patterns() {
    replay("patterns", redis_keyspace_fuzz::patterns);
}

#[test]
fn requests() {
    replay("requests", redis_keyspace_fuzz::requests);
}
