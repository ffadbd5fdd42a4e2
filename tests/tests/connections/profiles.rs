//! Configurations by name: from code, a file and the environment.

use redis_keyspace::config::Profiles;
use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, child_test, within};

#[derive(Keyspace)]
#[keyspace(prefix = "profiles", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
}

#[track_caller]
fn refused(outcome: redis_keyspace::Result<Profiles>, words: &[&str]) {
    let error = outcome.expect_err("unusable");
    assert!(error.is_configuration(), "{error}");
    let text = format!("{error} {error:?}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is missing in {text}"));
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn unknown_settings_are_named_in_the_error() {
    let read = |text: &str| Profiles::new().toml(text);
    refused(read("[production]\nhots = \"hunter2\""), &["[production]", "`hots`"]);
    refused(read("[production]\nport = \"hunter2\""), &["[production]", "`port` must be an integer"]);
    refused(read("[production]\nport = 70000"), &["`port`"]);
    refused(read("[production]\npassword = 5"), &["`password` must be a string in quotes"]);
    refused(read("[a]\ntimeout = 5"), &["`timeout` must be a duration in quotes"]);
    refused(read("[a]\ntimeout = \"5 hunter2\""), &["`timeout`", "\"800ms\""]);
    refused(read("[a]\nprotocol = \"hunter2\""), &["`protocol`", "\"resp3\""]);
    refused(read("[a]\nnamespace = \"a*b\""), &["`namespace`"]);
    refused(read("[a]\nurl = \"http://hunter2@h\""), &["`url`"]);
    refused(read("[a]\nurl = \"redis://h\"\nhost = \"g\""), &["`url` contradicts `host`"]);
    refused(
        read("[a]\npassword = \"hunter2\"\npassword_file = \"f\""),
        &["`password` contradicts `password_file`"],
    );
    refused(read("[a]\npassword_file = \"/no/such/hunter2\""), &["`password_file`", "can't be read"]);
    refused(read("[a]\nnamespace = \"hunter2*\""), &["`namespace`"]);
    refused(read("[a]\nurl = \"redis://h/2\"\ndb = 3"), &["`db` contradicts"]);
    refused(read("[a]\nurl = \"redis://u:hunter2@h\"\npassword = \"b\""), &["`password` contradicts"]);
    refused(read("[a]\nurl = \"redis://u@h\"\nusername = \"v\""), &["`username` contradicts"]);
    let _ = read("[a]\nurl = \"redis://u@h/2\"\nusername = \"u\"\ndb = 2\npassword = \"p\"").unwrap();
    refused(read("[a]\nurl = \"redis://h\"\nnodes = [\"g\"]"), &["`nodes` contradicts `url`"]);
    refused(read("[a]\nnodes = [\"g\"]\nport = 7000"), &["`nodes` contradicts `port`"]);
    refused(read("[a]\nnodes = \"hunter2\""), &["`nodes` must be a list of strings"]);
    refused(read("[a]\nnodes = [\"h\", 7000]"), &["`nodes` must be a list of strings"]);
    refused(read("[a]\nnodes = []"), &["`nodes` lists no address"]);
    refused(read("[a]\nnodes = [\"h:1\", \"hunter2:x\"]"), &["`nodes` is invalid", "address 2"]);
    refused(read("[a]\ncluster = \"true\""), &["`cluster` must be true or false"]);
    refused(read("[a]\nurl = \"redis://h?cluster=true\"\ncluster = false"), &["`cluster` contradicts"]);
    let watched = "[a]\nsentinels = [\"s1:26380\", \"s2\"]\nsentinel_master = \"mymaster\"\n";
    let more = "sentinel_username = \"u\"\nsentinel_password = \"hunter2\"\nusername = \"v\"\ndb = 2\n";
    let redis = read(&format!("{watched}{more}")).unwrap().select("a").unwrap().build().unwrap();
    assert!(format!("{redis:?}").contains("the master mymaster of the sentinels s1:26380,s2:26379"));
    assert!(!format!("{redis:?}").contains("hunter2"));
    let with = |more: &str| read(&format!("{watched}{more}"));
    refused(read("[a]\nsentinels = [\"h\"]"), &["`sentinel_master` is not; set both"]);
    refused(read("[a]\nsentinel_master = \"m\""), &["`sentinels` is not; set both"]);
    for name in ["url", "host", "port", "unix_socket", "nodes"] {
        refused(with(&format!("{name} = \"hunter2\"")), &[&format!("`sentinels` contradicts `{name}`")]);
    }
    refused(with("replicas = [\"hunter2\"]"), &["`replicas` contradicts `sentinels`"]);
    refused(
        with("sentinel_password = \"hunter2\"\nsentinel_password_file = \"f\""),
        &["`sentinel_password` contradicts `sentinel_password_file`"],
    );
    refused(with("sentinel_password_file = \"/no/such/hunter2\""), &["`sentinel_password_file`"]);
    refused(with("sentinel_tls = \"hunter2\""), &["`sentinel_tls` must be true or false"]);
    refused(
        read("[a]\nsentinels = [\"h\", \"hunter2:x\"]\nsentinel_master = \"m\""),
        &["`sentinels` is invalid", "address 2"],
    );
    refused(
        read("[a]\nsentinels = [\"h\"]\nsentinel_master = \"hunter2 x\""),
        &["`sentinel_master` must have 1 to 256 bytes"],
    );
    let url = |query: &str, more: &str| read(&format!("[a]\nurl = \"redis+sentinel://s/m{query}\"\n{more}"));
    let _ = url("?sentinel_user=u", "sentinel_username = \"u\"\nsentinel_password = \"p\"").unwrap();
    refused(url("", "sentinel_master = \"n\"\nsentinels = [\"t\"]"), &["`sentinels` contradicts `url`"]);
    refused(url("", "sentinel_master = \"n\""), &["`sentinel_master` contradicts `url`"]);
    refused(url("?sentinel_user=u", "sentinel_username = \"v\""), &["`sentinel_username` contradicts"]);
    refused(url("?sentinel_pass=hunter2", "sentinel_password = \"b\""), &["`sentinel_password` contradicts"]);
    refused(url("", "sentinel_tls = true"), &["`sentinel_tls` contradicts"]);
    let _ = read("[a]\nreplicas = [\"r1\", \"r2:7000\"]\nport = 7").unwrap();
    refused(read("[a]\nreplicas = [\"h\", \"hunter2:x\"]"), &["`replicas` is invalid", "address 2"]);
    refused(read("[a]\nreplicas = [\"hunter2\"]\nnodes = [\"g\"]"), &["`replicas` contradicts `nodes`"]);
    refused(read("host = \"h\""), &["`host` is not a section"]);
    refused(read("[a]\npassword = hunter2\n"), &["invalid TOML near line 2"]);
    refused(Profiles::new().file("/no/such/file.toml"), &["/no/such/file.toml"]);
    let profiles = Profiles::new().optional_file("/no/such/file.toml").unwrap();
    let unknown = profiles.select("prod").unwrap_err();
    assert!(unknown.to_string().contains("`development`, `production`, `test`"), "{unknown}");
}

#[test]
fn profiles_from_code_and_file_are_merged() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("hunter2").start();
        let directory = tempfile::tempdir().unwrap();
        let (file, secret) = (directory.path().join("redis.toml"), directory.path().join("secret"));
        std::fs::write(&secret, "hunter2\n").unwrap();
        let text = format!(
            "[production]\nhost = \"127.0.0.1\"\nport = {}\npassword_file = {:?}\ndb = 4\nnamespace = \"app\"\n\
             timeout = \"2s\"\nconnect_timeout = \"900ms\"\nretry_delay = \"5ms\"\nretries = 1\nshared_connections = 1\nexclusive_connections = 2\n\
             client_name = \"shop\"\nprotocol = \"resp2\"\nmax_in_flight = 100\nmax_queued_bytes = 100000\n\
             max_value_bytes = 5000\nbreaker_failures = 2\nbreaker_pause = \"1m\"\nping_interval = \"off\"\n",
            server.port(),
            secret.to_str().unwrap(),
        );
        std::fs::write(&file, text).unwrap();
        let profiles = Profiles::new().file(&file).unwrap().with("production", |builder| builder.db(5));
        assert_eq!(profiles.names().collect::<Vec<_>>(), ["development", "production", "test"]);
        let redis = profiles.select("production").unwrap().build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        let read = server.redis_cli(&["-n", "5", "GET", "app:profiles:text:1"]);
        assert_eq!(read, "x");
        assert!(server.redis_cli(&["CLIENT", "LIST"]).contains("name=shop"));
        let long = Keys::text(1).set(&"x".repeat(5001)).on(&redis).await.unwrap_err();
        assert_eq!(long.kind(), redis_keyspace::ErrorKind::TooLarge);
        assert!(!format!("{profiles:?}").contains("hunter2"));
    });
}

#[test]
fn production_needs_an_explicit_server() {
    let production = || Profiles::new().select("production").unwrap();
    let error = production().build().unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("`production` has no server"), "{error}");
    production().port(6380).build().unwrap_err();
    production().host("h").build().unwrap();
    production().url("redis://h").unwrap().build().unwrap();
    production().nodes(["h:7000", "i"]).unwrap().build().unwrap();
    production().sentinel("mymaster", ["s"]).unwrap().build().unwrap();
    production().replicas(["r"]).unwrap().build().unwrap_err();
    production().unix_socket("/run/redis.sock").build().unwrap();
    production().embedded(Server::new()).build().unwrap();
    let variables = [("REDIS_HOST".to_owned(), "h".to_owned())];
    production().variables(variables).unwrap().build().unwrap();
    Profiles::default().select("development").unwrap().build().unwrap();
    Profiles::default().select("test").unwrap().build().unwrap();
}

/// Not a test by itself: the child process of the next test, with its own environment variables.
#[test]
fn profile_from_the_environment_child() {
    if std::env::var_os("PROFILES_CHILD").is_none() {
        return;
    }
    match Redis::from_profile() {
        Ok(redis) => println!("RESULT {redis:?}"),
        Err(error) => println!("RESULT {error}"),
    }
}

#[test]
fn a_profile_is_selected_by_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut child = child_test!("profile_from_the_environment_child")
            .current_dir(directory.path())
            .env("PROFILES_CHILD", "1");
        for name in [
            "REDIS_URL",
            "REDIS_HOST",
            "REDIS_PORT",
            "REDIS_NODES",
            "REDIS_SENTINELS",
            "REDIS_SENTINEL_MASTER",
            "REDIS_REPLICAS",
            "REDIS_PASSWORD",
            "REDIS_DB",
            "REDIS_NAMESPACE",
        ] {
            child = child.env_remove(name);
        }
        for (name, value) in variables {
            child = child.env(name, value);
        }
        let text = child.run();
        text.lines().find_map(|line| line.split_once("RESULT ")).expect("a result").1.to_owned()
    };
    assert!(run(&[]).contains("localhost:6379"), "{}", run(&[]));
    assert!(run(&[("REDIS_PROFILE", "")]).contains("localhost:6379"));
    assert!(run(&[("REDIS_PROFILE", "production")]).contains("has no server"));
    let unknown = run(&[("REDIS_PROFILE", "live")]);
    assert!(unknown.contains("REDIS_PROFILE") && !unknown.contains("`live`"), "{unknown}");
    std::fs::write(directory.path().join("redis.toml"), "[live]\nhost = \"10.1.2.3\"\n").unwrap();
    assert!(run(&[("REDIS_PROFILE", "live")]).contains("10.1.2.3:6379"));
    let variable = run(&[("REDIS_PROFILE", "live"), ("REDIS_HOST", "10.9.9.9"), ("REDIS_PORT", "7000")]);
    assert!(variable.contains("10.9.9.9:7000"), "{variable}");
    let nodes = "[live]\nnodes = [\"10.1.2.3:7000\", \"10.1.2.4\"]\ncluster = true\n";
    std::fs::write(directory.path().join("redis.toml"), nodes).unwrap();
    assert!(run(&[("REDIS_PROFILE", "live")]).contains("10.1.2.3:7000"));
    let variable = run(&[("REDIS_PROFILE", "live"), ("REDIS_NODES", "10.1.2.5:7001,10.1.2.6")]);
    assert!(variable.contains("10.1.2.5:7001"), "{variable}");
    let sentinels =
        "[live]\nsentinels = [\"10.1.2.3\"]\nsentinel_master = \"m\"\nsentinel_password = \"p\"\n";
    std::fs::write(directory.path().join("redis.toml"), sentinels).unwrap();
    let profile = run(&[("REDIS_PROFILE", "live")]);
    assert!(profile.contains("the master m of the sentinels 10.1.2.3:26379"), "{profile}");
    let other = [("REDIS_SENTINELS", "10.1.2.5,[::1]:7"), ("REDIS_SENTINEL_MASTER", "n")];
    let variable = run(&[&[("REDIS_PROFILE", "live")], &other[..]].concat());
    assert!(variable.contains("the master n of the sentinels 10.1.2.5:26379,[::1]:7"), "{variable}");
    assert!(run(&[("REDIS_PROFILE", "live"), ("REDIS_HOST", "10.9.9.9")]).contains("10.9.9.9:6379"));
    std::fs::write(directory.path().join("redis.toml"), "[live]\nhsot = 1\n").unwrap();
    assert!(run(&[]).contains("redis.toml: [live] sets `hsot`"), "{}", run(&[]));
}
