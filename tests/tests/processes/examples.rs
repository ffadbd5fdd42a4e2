//! The examples as a newcomer runs them: as processes, on nothing and on a real server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use redis_keyspace_tests::{PATIENCE, RealServer, eventually_blocking};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The program of an example. Building is asked for in the way of `scripts/test`, where it has been done by then.
fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--workspace", "--exclude", "redis-keyspace-benches"]);
        let status = cargo.arg("--all-features").current_dir(WORKSPACE).status();
        assert!(status.unwrap().success(), "the examples do not compile");
    });
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().join("examples").join(name)
}

fn example(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut example = Command::new(program(name));
    example.current_dir(WORKSPACE);
    for name in ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB", "REDIS_NAMESPACE"] {
        example.env_remove(name);
    }
    example.envs(variables.iter().copied()).output().unwrap()
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
    let left = server.redis_cli(&["KEYS", "*"]);
    assert!(left.lines().all(|key| key.contains("%swept:")), "it leaves the marks of sweeps, and {left}");
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

/// On the embedded server and on a real one, on which it leaves nothing but what the library keeps beside keys for a while.
#[track_caller]
fn says_on_both(name: &str, expected: &[&str]) {
    let server = RealServer::start();
    for variables in [&[][..], &[("REDIS_URL", server.url().as_str())]] {
        says(&example(name, variables), expected);
    }
    for db in ["0", "1"] {
        let left = server.redis_cli(&["-n", db, "KEYS", "*"]);
        assert!(left.lines().all(|key| key.contains('%')), "{left}");
    }
}

#[test]
fn without_redis_the_shop_goes_on() {
    let expected = [
        "with Redis:\nproduct:7: product 7 (Filled)\n  stored\n",
        "without Redis:\nproduct:7: product 7 (Degraded)\n",
        "not stored: Unavailable",
        "reads answered without Redis so far: 1",
    ];
    says_on_both("degrade", &expected);
}

#[test]
fn a_cache_asks_the_database_once_and_gives_what_is_stale() {
    let expected = [
        "1000 callers: 1 query",
        "3 callers of what does not exist: 1 query",
        "3 of 3 products: 1 query",
        "the database is down: Some(\"product 7\"), Stale",
        "of product 50 nothing is known",
        "deleted: nothing stale is left",
    ];
    says_on_both("cache", &expected);
}

#[test]
fn sessions_live_as_long_as_their_tokens() {
    let expected = [
        "before it is used: 1 minute",
        "Some([\"buyer\"]), for 60 minutes",
        "our token: 15 minutes",
        "token of 7: 4 minutes",
        "after logging out: None",
    ];
    says_on_both("session", &expected);
}

#[test]
fn a_change_of_a_user_is_written_and_stays() {
    let expected = [
        "cached:  ada@old.example",
        "changed: ada@new.example",
        "the slow reader was given \"Ada\"",
        "who comes after reads \"Ada Lovelace\"",
        "not stored because the key was written: 1",
        "in place: Some(\"ADA@NEW.EXAMPLE\")",
    ];
    says_on_both("user", &expected);
}

#[test]
fn a_cart_loses_nothing() {
    let expected =
        ["additions lost", "update: 10 products, 50 pieces", "all taken out: the cart is there: false"];
    says_on_both("cart", &expected);
}

#[test]
fn clearing_a_user_reaches_that_user() {
    let expected = [
        "\"*\": 4 keys are gone\n  \"ada\" has 2 sessions, a cart: true\n  \"*\" has 0 sessions, a cart: false\n  \"ada:admin\" has 2 sessions",
        "\"ada\": 4 keys are gone",
        "  \"ada:admin\" has 2 sessions, a cart: true\nthe product cache is for all: Some(\"a lamp\")",
    ];
    says_on_both("clear_user", &expected);
}

/// A running example of a service, ended with this.
struct Service {
    process: std::process::Child,
    address: String,
}

impl Service {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program("health"));
        command.arg("127.0.0.1:0").env_remove("REDIS_URL").envs(variables.iter().copied());
        let mut process = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        assert!(line.starts_with("listening on"), "{line}");
        Self { process, address }
    }

    /// The status and the body.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_service_tells_operators_how_redis_is() {
    let server = RealServer::start();
    let service = Service::start(&[("REDIS_URL", &server.url())]);
    let (status, body) = service.get("/health");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"healthy\":true") && body.contains("\"role\":\"master\""), "{body}");
    assert_eq!(service.get("/page/7"), (200, "page 7, made with much work".to_owned()));
    assert_eq!(server.redis_cli(&["GET", "page:7"]), "page 7, made with much work");

    server.kill();
    let (status, body) = service.get("/health");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"healthy\":false") && body.contains("\"error\":\""), "{body}");
    assert_eq!(service.get("/page/7"), (200, "page 7, made with much work".to_owned()), "without Redis");
    let (status, body) = service.get("/stats");
    assert!(status == 200 && body.contains("\"degraded\":1") && body.contains("\"breaker\":"), "{body}");
    let (status, body) = service.get("/metrics");
    assert!(status == 200 && body.contains("redis_keyspace_degraded_total{keyspace=\"PageKeys\""), "{body}");

    server.restart();
    eventually_blocking("it is found back", || service.get("/health").0 == 200);
}
