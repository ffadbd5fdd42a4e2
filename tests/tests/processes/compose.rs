//! Tests `docker-compose.yml` as far as possible without containers: runs its commands with a local
//! server.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis_keyspace::Redis;
use redis_keyspace_tests::{PATIENCE, eventually, server_program, within};
use yaml_rust2::{Yaml, YamlLoader};

/// A process and its children, killed when this is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Returns the words of a command as a container receives them, with the local path of the secret.
fn words(list: &Yaml, secret: &Path) -> Vec<String> {
    let word = |word: &Yaml| {
        let text = word.as_str().expect("a text").replace("$$", "$");
        text.replace("/run/secrets/redis_password", secret.to_str().expect("a path in UTF-8"))
    };
    list.as_vec().expect("a list").iter().map(word).collect()
}

#[test]
fn the_server_starts_with_the_password_and_reports_its_health() {
    let text = include_str!("../../../docker-compose.yml");
    let file = &YamlLoader::load_from_str(text).unwrap()[0];
    let redis = &file["services"]["redis"];
    assert_eq!(redis["image"].as_str(), Some("redis:8.0"));
    assert_eq!(redis["ports"][0].as_str(), Some("127.0.0.1:6379:6379"));
    assert_eq!(redis["volumes"][0].as_str(), Some("redis-data:/data"));
    assert!(!file["volumes"]["redis-data"].is_badvalue(), "the volume is not declared");
    assert_eq!(redis["secrets"][0].as_str(), Some("redis_password"));
    let ignored = include_str!("../../../.gitignore");
    let secret_file = file["secrets"]["redis_password"]["file"].as_str().unwrap();
    assert!(
        ignored.lines().any(|line| line == secret_file.trim_start_matches('.')),
        "{secret_file} is not ignored"
    );

    let directory = tempfile::Builder::new().prefix("rk-").tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "a \"pass\\word\", 'quoted'\n").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let quoted = |path: &Path| format!("'{}'", path.to_str().unwrap().replace('\'', r"'\''"));

    let command = words(&redis["command"], &secret);
    let started = command[2].replace(
        "docker-entrypoint.sh redis-server -",
        &format!(
            "{} - --port {port} --bind 127.0.0.1 --dir {}",
            quoted(&server_program()),
            quoted(directory.path())
        ),
    );
    assert_ne!(started, command[2], "the command does not start the server as expected: {}", command[2]);
    let mut sh = Command::new(&command[0]);
    sh.arg(&command[1]).arg(started).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let _server = Group(sh.current_dir(directory.path()).spawn().unwrap());

    let health = words(&redis["healthcheck"]["test"], &secret);
    assert_eq!(health[0], "CMD-SHELL");
    let is_healthy = |check: &str| {
        let check = check.replace("redis-cli", &format!("redis-cli -p {port}"));
        Command::new("sh").args(["-c", &check]).stderr(Stdio::null()).status().unwrap().success()
    };
    let has_cli = Command::new("redis-cli").arg("--version").stdout(Stdio::null()).status().is_ok();
    let url_of =
        |password: &str| Redis::builder().host("127.0.0.1").port(port).password(password).build().unwrap();
    within(PATIENCE, async {
        let right = url_of("a \"pass\\word\", 'quoted'");
        eventually("the server is up", async || right.ping().await.is_ok()).await;
        let wrong = url_of("another").ping().await.unwrap_err();
        assert_eq!(wrong.code(), Some("WRONGPASS"));
        // Programs use this variable with the same file.
        let path = secret.to_str().unwrap().to_owned();
        let variables = [
            ("REDIS_HOST".to_owned(), "127.0.0.1".to_owned()),
            ("REDIS_PORT".to_owned(), port.to_string()),
            ("REDIS_PASSWORD_FILE".to_owned(), path),
        ];
        let redis = Redis::builder().variables(variables).unwrap().build().unwrap();
        assert!(redis.health().with_write_probe().await.healthy);
    });
    if has_cli {
        assert!(is_healthy(&health[1]), "{}", health[1]);
        std::fs::write(&secret, "another").unwrap();
        assert!(!is_healthy(&health[1]), "the health check passes with a wrong password");
    }
}

#[test]
fn the_file_of_a_cluster_joins_the_nodes_that_it_starts() {
    let text = include_str!("../../../compose.cluster.yml");
    let file = &YamlLoader::load_from_str(text).unwrap()[0];
    let node = file["x-node"]["command"][2].as_str().unwrap();
    for option in ["--cluster-enabled yes", "--bind 127.0.0.1", "--port \"$$PORT\""] {
        assert!(node.contains(option), "{option} is missing in {node}");
    }
    let join = &file["services"]["join"];
    let joins = join["command"][2].as_str().unwrap();
    for nth in 0..6 {
        let name = format!("node-{nth}");
        let port = file["services"][name.as_str()]["environment"]["PORT"].as_i64();
        assert_eq!(port, Some(7000 + nth), "{name}");
        assert!(joins.contains(&format!("127.0.0.1:{}", 7000 + nth)), "{name} does not join");
        assert_eq!(join["depends_on"][name.as_str()]["condition"].as_str(), Some("service_healthy"));
    }
}

#[test]
fn the_file_of_sentinels_watches_the_servers_that_it_starts() {
    let text = include_str!("../../../compose.sentinel.yml");
    let file = &YamlLoader::load_from_str(text).unwrap()[0];
    let environment = |name: &str| &file["services"][name]["environment"];
    let master = environment("node-0")["PORT"].as_i64().unwrap();
    for replica in ["node-1", "node-2"] {
        let of = environment(replica)["REPLICA_OF"].as_str();
        assert_eq!(of, Some(format!("--replicaof 127.0.0.1 {master}").as_str()), "{replica}");
    }
    let sentinel = file["x-sentinel"]["command"][2].as_str().unwrap();
    assert!(sentinel.contains(&format!("sentinel monitor mymaster 127.0.0.1 {master} 2")), "{sentinel}");
    for nth in 0..3 {
        assert_eq!(environment(&format!("sentinel-{nth}"))["PORT"].as_i64(), Some(26379 + nth));
        let node = format!("node-{nth}");
        let condition = &file["x-sentinel"]["depends_on"][node.as_str()]["condition"];
        assert_eq!(condition.as_str(), Some("service_healthy"));
    }
}
