//! Runs the examples as processes, without a server and on a real one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use redis_keyspace_tests::{PATIENCE, RealServer, eventually_blocking};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Returns the program of an example. Builds with the same options as `scripts/test`, so the build
/// is usually finished already.
fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--profile", "test", "--examples"]);
        cargo.args(["--workspace", "--exclude", "redis-keyspace-benches"]);
        // Cargo sets these for tests. Some build scripts depend on them, so that their packages,
        // and all that use them, would be compiled again here and once more by the next build.
        let of_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        std::env::vars().map(|(name, _)| name).filter(|name| of_test(name)).for_each(|name| {
            cargo.env_remove(name);
        });
        let status = cargo.arg("--all-features").current_dir(WORKSPACE).status();
        assert!(status.unwrap().success(), "the examples do not compile");
    });
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().join("examples").join(name)
}

fn example(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut example = Command::new(program(name));
    example.current_dir(WORKSPACE);
    for name in [
        "REDIS_URL",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_PASSWORD",
        "REDIS_DB",
        "REDIS_NAMESPACE",
        "REDIS_TLS",
        "REDIS_NODES",
        "REDIS_CLUSTER",
    ] {
        example.env_remove(name);
    }
    example.envs(variables.iter().copied()).output().unwrap()
}

/// Checks that the example succeeded and printed these strings.
#[track_caller]
fn says(output: &Output, expected: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
}

#[test]
fn the_shop_runs_without_a_server_and_prints_its_steps() {
    let output = example("quickstart", &[]);
    says(&output, &["embedded server", "cart:user:7", "lamp", "the loader ran 1 time(s)", "counts 3 views"]);
}

#[test]
fn on_a_real_server_the_shop_leaves_exactly_the_documented_keys() {
    let server = RealServer::start();
    let output = example("quickstart", &[("REDIS_URL", &server.url())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ask = |words: &[&str]| server.redis_cli(words);
    assert_eq!(ask(&["GET", "cart:user:7"]), r#"{"items":[{"sku":"lamp","quantity":1,"cents":1999}]}"#);
    let ttl: i64 = ask(&["TTL", "cart:user:7"]).parse().unwrap();
    assert!((1..=3600).contains(&ttl), "{ttl}");
    assert_eq!(ask(&["GET", "cart:user:7:views"]), "3");
    let ttl: i64 = ask(&["TTL", "cart:user:7:views"]).parse().unwrap();
    assert!((1..=30 * 24 * 3600).contains(&ttl), "{ttl}");
    assert_eq!(ask(&["GET", "cart:featured"]), r#"["lamp","chair"]"#);
    assert_eq!(ask(&["TTL", "cart:featured"]), "-1");
    let keys = ask(&["KEYS", "*"]);
    // The names of the library's own keys contain a `%`.
    let mut keys: Vec<_> = keys.lines().filter(|key| !key.contains('%')).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["cart:featured", "cart:user:7", "cart:user:7:views", "cart:user:8"]);
}

#[test]
fn with_an_unavailable_server_the_shop_reports_it_and_fails() {
    let output = example("quickstart", &[("REDIS_URL", "redis://127.0.0.1:1")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

#[test]
fn mutual_tls_works_without_a_server_and_the_error_of_a_stranger_is_shown() {
    let output = example("tls", &[]);
    says(&output, &["Some(ClientCertificateRequired)", "REDIS_TLS_CERT", "tls-example:visits:home is 1"]);
}

#[test]
fn connections_log_in_with_each_new_token() {
    let output = example("credentials", &[]);
    says(&output, &["token 1 is issued", "token 2 is issued", "visit 4, on 2 connections"]);
}

#[test]
fn a_sweep_deletes_one_user_and_keeps_foreign_keys() {
    let server = RealServer::start();
    for variables in [&[][..], &[("REDIS_URL", server.url().as_str())]] {
        let output = example("sweep", variables);
        says(
            &output,
            &[
                "would delete 20000 keys",
                "deleted 20000 keys of `*`",
                "*: 0 sessions",
                "ada: 20000 sessions",
                "deleted all 40000 sessions; kept 4 other keys that match the glob",
                "100 %",
            ],
        );
    }
    let left = server.redis_cli(&["KEYS", "*"]);
    assert!(left.lines().all(|key| key.contains("%swept:")), "other keys are left: {left}");
}

#[test]
fn templates_that_overlap_do_not_compile() {
    let output = example("overlap", &[]);
    says(&output, &["does not compile:", "for example `user:me`", "compiles."]);
}

#[test]
fn a_catalog_prints_the_reference_and_the_acl_rules() {
    let output = example("catalog", &[]);
    says(&output, &["| `cart:user:{id}` | `Json<Cart>` |", "~cart:user:*", "+unlink", "ttl: 30d"]);
}

/// Runs on the embedded server and on a real one. On the real one, it leaves only the short-lived
/// keys that the library keeps next to keys.
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
fn the_shop_works_without_redis() {
    let expected = [
        "with Redis:\nproduct:7: product 7 (Filled)\n  stored\n",
        "without Redis:\nproduct:7: product 7 (Degraded)\n",
        "not stored: Unavailable",
        "reads without Redis so far: 1",
    ];
    says_on_both("degrade", &expected);
}

#[test]
fn a_cache_queries_the_database_once_and_returns_stale_values() {
    let expected = [
        "1000 callers: 1 query",
        "3 callers of a missing product: 1 query",
        "3 of 3 products: 1 query",
        "the database is down: Some(\"product 7\"), Stale",
        "product 50: not cached, and the database is down",
        "deleted: no stale copy left",
    ];
    says_on_both("cache", &expected);
}

#[test]
fn a_stream_worker_repeats_jobs_and_buries_those_that_keep_failing() {
    says_on_both(
        "stream_worker",
        &[
            "a worker died with the mail to ann",
            "sent to ann",
            "failed, trying again: the handler panicked: the connection broke",
            "sent to flaky",
            "given up after 3 attempts: no such address",
            "succeeded: 3, dead: 1",
            "dead: mail to no-one, 3 attempts: no such address",
        ],
    );
}

#[test]
fn sessions_live_as_long_as_their_tokens() {
    let expected = [
        "before the first use: 1 minute",
        "Some([\"buyer\"]), for 60 minutes",
        "our token: 15 minutes",
        "token of 7: 4 minutes",
        "after logging out: None",
    ];
    says_on_both("session", &expected);
}

#[test]
fn an_index_knows_the_sessions_of_a_user() {
    let expected = [
        "sessions of 7: [\"s1\", \"s2\"]",
        "3 sessions are online, the first two are [\"s1\", \"s2\"]",
        "they are kept for 10 seconds",
        "ended 2 sessions of 7",
        "the index of 7 exists: false",
        "s3 is still Some(Session { user: 8, device: \"tablet\" })",
    ];
    says_on_both("session_index", &expected);
}

#[test]
fn a_leaderboard_shows_the_best_and_the_neighbours() {
    let expected = [
        "1. ann 55",
        "cyd has place 3:\n2. bob 50\n3. cyd 10\n4. dan 5",
        "the first page shows 2 of 4 players",
        "rounds of ann: Some(2)",
    ];
    says_on_both("leaderboard", &expected);
}

#[test]
fn an_updated_user_is_written_and_kept() {
    let expected = [
        "cached:  ada@old.example",
        "changed: ada@new.example",
        "the slow reader got \"Ada\"",
        "a later reader gets \"Ada Lovelace\"",
        "loads not stored because the key was deleted: 1",
        "updated in place: Some(\"ADA@NEW.EXAMPLE\")",
    ];
    says_on_both("user", &expected);
}

#[test]
fn a_cart_loses_no_update() {
    let expected =
        ["additions lost", "update: 10 products, 50 pieces", "all removed: the cart exists: false"];
    says_on_both("cart", &expected);
}

#[test]
fn a_stock_never_falls_below_zero() {
    says_on_both("stock", &["customers served: 3", "left: 1, reserved by 3 customers, orders: 3"]);
}

#[test]
fn a_display_shows_the_prices_that_change() {
    let expected = [
        "display: article 2 costs 250\n",
        "display: article 1 costs 90\n",
        "stored: Some(Price { cents: 90 })",
    ];
    says_on_both("event_channel", &expected);
}

#[test]
fn taxis_are_found_and_taken() {
    let expected = [
        "taxi 4 is 1051 m away\ntaxi 1 is 1294 m away\ntaxi 2 is 1952 m away\n",
        "taxi 4 is taken: true",
        "2 taxis are around taxi 2",
    ];
    says_on_both("geo_search", &expected);
}

#[test]
fn active_users_are_counted() {
    let expected =
        ["online: [7, 8, 9]", "active on Monday: 2, on Tuesday: 2", "first active user on Tuesday: Some(7)"];
    says_on_both("presence", &expected);
}

#[test]
fn a_profile_is_read_and_changed_in_parts() {
    let expected =
        ["before: None", "Some(\"Ann, visit 3, German in dark\")", "has an address: true", "visits: 3"];
    says_on_both("profile", &expected);
}

#[test]
fn workers_share_a_rate_limit() {
    says_on_both("rate_limited_worker", &["queued: 15", "sent 15 mails"]);
}

#[test]
fn clearing_a_user_deletes_only_that_user() {
    let expected = [
        "\"*\": deleted 4 keys\n  \"ada\": 2 sessions, cart: true\n  \"*\": 0 sessions, cart: false\n  \"ada:admin\": 2 sessions",
        "\"ada\": deleted 4 keys",
        "  \"ada:admin\": 2 sessions, cart: true\nthe shared product cache is untouched: Some(\"a lamp\")",
    ];
    says_on_both("clear_user", &expected);
}

/// A running example service, stopped when this is dropped.
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

    /// Returns the status and the body of a response.
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
fn a_service_reports_the_health_of_redis() {
    let server = RealServer::start();
    let service = Service::start(&[("REDIS_URL", &server.url())]);
    let (status, body) = service.get("/health");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"healthy\":true") && body.contains("\"role\":\"master\""), "{body}");
    assert_eq!(service.get("/page/7"), (200, "page 7, expensive to render".to_owned()));
    assert_eq!(server.redis_cli(&["GET", "page:7"]), "page 7, expensive to render");

    server.kill();
    let (status, body) = service.get("/health");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"healthy\":false") && body.contains("\"error\":\""), "{body}");
    assert_eq!(service.get("/page/7"), (200, "page 7, expensive to render".to_owned()), "without Redis");
    let (status, body) = service.get("/stats");
    assert!(status == 200 && body.contains("\"degraded\":1") && body.contains("\"breaker\":"), "{body}");
    let (status, body) = service.get("/metrics");
    assert!(status == 200 && body.contains("redis_keyspace_degraded_total{keyspace=\"PageKeys\""), "{body}");

    server.restart();
    eventually_blocking("the service is healthy again", || service.get("/health").0 == 200);
}

#[test]
fn the_cluster_example_runs_without_a_server_and_on_a_cluster() {
    let output = example("cluster", &[]);
    says(&output, &["64 titles on 1 nodes", "masters: ", "64 counters deleted"]);
    let cluster = redis_keyspace_tests::RealCluster::builder().replicas(0).start();
    let nodes = cluster.seeds_url();
    let output = example("cluster", &[("REDIS_NODES", nodes.trim_start_matches("redis://"))]);
    says(&output, &["64 titles on 3 nodes", " 0 failed", "64 counters deleted"]);
}
