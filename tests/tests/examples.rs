//! The examples as a newcomer runs them: as processes, on nothing and on a real server.

use std::process::{Command, Output};

use redis_keyspace_tests::RealServer;

fn example(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", name]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for name in ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB", "REDIS_NAMESPACE"] {
        cargo.env_remove(name);
    }
    cargo.envs(variables.iter().copied()).output().unwrap()
}

/// The example has succeeded, and these were among its words.
#[track_caller]
fn says(output: &Output, expected: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
}

#[test]
fn it_runs_with_nothing_installed_and_says_what_it_does() {
    let output = example("quickstart", &[]);
    says(&output, &["embedded server", "cart:user:7", "lamp", "the loader ran 1 time(s)", "counts 3 views"]);
}

#[test]
fn on_a_real_server_it_leaves_exactly_what_the_readme_names() {
    let server = RealServer::start();
    let output = example("quickstart", &[("REDIS_URL", &server.url())]);
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
    let output = example("quickstart", &[("REDIS_URL", "redis://127.0.0.1:1")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

#[test]
fn a_sweep_reaches_one_user_and_leaves_what_is_foreign_alone() {
    let server = RealServer::start();
    for variables in [&[][..], &[("REDIS_URL", server.url().as_str())]] {
        let output = example("sweep", variables);
        says(
            &output,
            &[
                "would reach 20000 keys",
                "deleted 20000 keys of `*`",
                "*: 0 sessions",
                "ada: 20000 sessions",
                "deleted all 40000 sessions; 4 other keys matched the glob and survive",
                "100 %",
            ],
        );
    }
    assert_eq!(server.redis_cli(&["DBSIZE"]), "0", "it leaves nothing");
}

#[test]
fn templates_that_overlap_do_not_compile() {
    let output = example("overlap", &[]);
    says(&output, &["does not compile:", "for example `user:me`", "compiles."]);
}

#[test]
fn a_catalog_prints_the_reference_and_the_rights() {
    let output = example("catalog", &[]);
    says(&output, &["| `cart:user:{id}` | `Json<Cart>` |", "~cart:user:*", "+unlink", "ttl: 30d"]);
}
