//! The quickstart as a newcomer runs it: as a process, on nothing and on a real server.

use std::process::{Command, Output};

use redis_keyspace_tests::RealServer;

fn quickstart(variables: &[(&str, &str)]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["run", "--quiet", "--example", "quickstart"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for name in ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB", "REDIS_NAMESPACE"] {
        cargo.env_remove(name);
    }
    cargo.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn it_runs_with_nothing_installed_and_says_what_it_does() {
    let output = quickstart(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in ["embedded server", "cart:user:7", "lamp", "the loader ran 1 time(s)", "counts 3 views"] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
}

#[test]
fn on_a_real_server_it_leaves_exactly_what_the_readme_names() {
    let server = RealServer::start();
    let output = quickstart(&[("REDIS_URL", &server.url())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ask = |words: &[&str]| server.redis_cli(&[&["-n", "2"], words].concat());
    assert_eq!(ask(&["GET", "cart:user:7"]), r#"{"items":[{"sku":"lamp","quantity":1,"cents":1999}]}"#);
    let ttl: i64 = ask(&["TTL", "cart:user:7"]).parse().unwrap();
    assert!((1..=3600).contains(&ttl), "{ttl}");
    assert_eq!(ask(&["GET", "cart:user:7:views"]), "3");
    let ttl: i64 = ask(&["TTL", "cart:user:7:views"]).parse().unwrap();
    assert!((1..=30 * 24 * 3600).contains(&ttl), "{ttl}");
    assert_eq!(ask(&["GET", "cart:featured"]), r#"["lamp","chair"]"#);
    assert_eq!(ask(&["TTL", "cart:featured"]), "-1");
    assert_eq!(server.redis_cli(&["-n", "0", "DBSIZE"]), "0", "nothing but the declared database is touched");
}

#[test]
fn without_the_server_that_it_is_told_it_says_so_and_fails() {
    let output = quickstart(&[("REDIS_URL", "redis://127.0.0.1:1")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("127.0.0.1:1"), "{text}");
}
