//! The catalog: its output, its ACL rules, and the comparison with a file.

use std::time::{Duration, SystemTime};

use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{
    Counter, ErrorKind, Group, Json, Key, KeyArgument, Keyspace, Lock, RateLimit, Redis, Text, catalog,
    catalog_test,
};
use redis_keyspace_tests::{PATIENCE, RealServer, eventually_rises, within};

const MINUTE: Duration = Duration::from_secs(60);

/// Sessions of users.
///
/// A session ends after a day.
#[derive(Keyspace)]
#[keyspace(prefix = "session", db = 1, ttl = "1d")]
struct SessionKeys {
    /// The token of a device | browser.
    #[key("{user}:{device}", stale_for = "1h", negative_ttl = "1h")]
    token: fn(user: u64, device: &str) -> Text,
    #[key("seen on:{user}", ttl = none)]
    seen: fn(user: u64) -> Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Stage {
    Beta,
    Public,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Team(u16);

#[derive(Keyspace)]
#[keyspace(prefix = "feature", db = 1, server = "config", ttl = "90s")]
struct FeatureKeys {
    #[key("all", stale_for = "1h")]
    all: Json<Vec<String>>,
    of: fn(team: Team, stage: Stage, owner: std::num::NonZero<u8>) -> Json<bool>,
}

catalog!(CATALOG = [SessionKeys, FeatureKeys]);
catalog_test!(CATALOG, "keys.txt");
catalog!(SESSIONS = [SessionKeys]);
catalog_test!(the_sessions, SESSIONS, "sessions.txt");

#[test]
fn the_markdown_reference_lists_every_template() {
    let text = CATALOG.to_markdown();
    for line in [
        "## SessionKeys",
        "Sessions of users.\n\nA session ends after a day.",
        "Database: 1.",
        "Database: 1. Server: config.",
        "| `session:{user}:{device}` | `Text` | UTF-8 text | 1d | user: u64, device: &str | The token of a device \\| browser. |",
        "| `session:seen on:{user}` | `Counter` | a decimal integer | none | user: u64 |  |",
        "| `feature:all` | `Json<Vec<String>>` | JSON | 90s |  |  |",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
}

#[test]
fn the_json_reference_lists_every_template() {
    let catalog: serde_json::Value = serde_json::from_str(&CATALOG.to_json()).unwrap();
    assert_eq!(
        catalog["keyspaces"][0]["templates"][0],
        serde_json::json!({
            "field": "token",
            "template": "session:{user}:{device}",
            "arguments": [
                { "name": "user", "type": "u64", "class": "u64" },
                { "name": "device", "type": "&str", "class": "text" },
            ],
            "kind": "Text",
            "wire": "UTF-8 text",
            "redis_type": "string",
            "ttl_ms": 86_400_000_u64,
            "docs": "The token of a device | browser.",
        })
    );
    assert_eq!(catalog["keyspaces"][0]["templates"][1]["ttl_ms"], serde_json::Value::Null);
    assert_eq!(catalog["keyspaces"][1]["server"], "config");
    assert_eq!(catalog["keyspaces"][1]["db"], 1);
}

#[test]
fn acl_rules_of_one_server_cover_its_keys_only() {
    let keys = |rules: catalog::AclRules| {
        let rules = rules.to_string();
        rules.split(' ').filter(|rule| rule.starts_with('~')).map(str::to_owned).collect::<Vec<_>>()
    };
    let config = ["~feature:all", "~feature:all%*", "~feature:of:%swept:{}:{}:{}", "~feature:of:*:*:*"];
    assert_eq!(keys(CATALOG.acl_rules().server(Some("config"))), config);
    let others = keys(CATALOG.acl_rules().server(None));
    assert_eq!(others, ["~session:%swept:{}:{}", "~session:*:*", "~session:seen?on:*"]);
    assert_eq!(
        keys(CATALOG.acl_rules()),
        [&config[..], &others.iter().map(String::as_str).collect::<Vec<_>>()].concat()
    );
    assert_eq!(CATALOG.acl_rules().server(Some("none")).to_string().split(' ').nth(1), Some("-@all"));
}

/// Under the rules, every operation of the program works, and other keys are out of reach.
#[test]
fn acl_rules_are_sufficient_and_minimal() {
    within(PATIENCE, async {
        let server = RealServer::start();
        for namespace in [None, Some("shop")] {
            let rules = CATALOG.acl_rules().namespace(namespace.unwrap_or_default()).to_string();
            let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
            command.extend(rules.split(' '));
            server.redis_cli(&command);
            let builder =
                Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
            let builder = builder.client_name("app");
            let redis = match namespace {
                None => builder.build().unwrap(),
                Some(namespace) => builder.namespace(namespace).unwrap().build().unwrap(),
            };
            redis.scope(everything(&redis)).await;
            for key in ["other", "sessions:7:x", "session", "shop:other"] {
                let name = key.to_owned();
                let refused = redis
                    .for_keyspace::<SessionKeys>()
                    .unwrap()
                    .raw(|mut connection| async move {
                        redis::cmd("GET").arg(name).query_async::<()>(&mut connection).await
                    })
                    .await;
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied, "{key}");
            }
        }
    });
}

async fn everything(redis: &Redis) {
    redis.ping().await.unwrap();
    let (one, two) = (SessionKeys::token(7, "a"), SessionKeys::token(8, "*"));
    one.set("x").await.unwrap();
    one.set("x").keep_ttl().await.unwrap();
    one.set("x").only_if_present().await.unwrap();
    one.get_set("y").await.unwrap();
    one.get().await.unwrap();
    one.get_ex().await.unwrap();
    one.strlen().await.unwrap();
    one.exists().await.unwrap();
    one.ttl().await.unwrap();
    one.expire(MINUTE).await.unwrap();
    one.expire_at(SystemTime::now() + MINUTE).await.unwrap();
    one.persist().await.unwrap();
    one.rename(&two).await.unwrap();
    two.rename_if_absent(&one).await.unwrap();
    one.get_del().await.unwrap();
    one.get_or_set(|| async { "z".to_owned() }).await.unwrap();
    // Fills, including all keys that the library keeps next to a key.
    let fill = || one.get_or_set_optional(|| async { Some("z".to_owned()) });
    fill().refresh().stale_for(MINUTE).await.unwrap();
    fill().early_refresh(0.0).await.unwrap();
    one.del().await.unwrap();
    one.get_or_set_optional(|| async { None }).negative_ttl(MINUTE).across_processes().await.unwrap();
    let many = Key::get_or_set_many(
        [7, 8],
        |user| SessionKeys::token(user, "a"),
        |users| async move { users.into_iter().map(|user| (user, "z".to_owned())).collect::<Vec<_>>() },
    );
    many.await.unwrap();
    one.set("x").await.unwrap();
    one.update(|text| text.push('y')).await.unwrap();
    one.update_with(|_| redis_keyspace::update::Change::Delete).await.unwrap();
    SessionKeys::token(8, "a").expire(Duration::ZERO).await.unwrap();
    assert_eq!(SessionKeys::token_keys().user(9).delete().await.unwrap().affected, 0);
    Key::set_many([(one.clone(), "a"), (two.clone(), "b")]).await.unwrap();
    assert_eq!(Key::get_many([one.clone(), two.clone()]).await.unwrap().len(), 2);
    SessionKeys::seen(7).incr().await.unwrap();
    SessionKeys::seen(7).set(3).await.unwrap();
    redis.batch((one.get(), SessionKeys::seen(7).get())).await.unwrap();
    redis.transaction((one.get(), SessionKeys::seen(7).decr())).await.unwrap();
    assert_eq!(SessionKeys::token_keys().count().await.unwrap(), 2);
    assert_eq!(SessionKeys::token_keys().all().expire(MINUTE).await.unwrap().affected, 2);
    assert!(SessionKeys::token_keys().values().next().await.unwrap().is_ok());
    assert!(SessionKeys::token_keys().user(7).device("a").exists().await.unwrap());
    assert_eq!(SessionKeys::token_keys().all().delete().await.unwrap().affected, 2);
    one.del().await.unwrap();
    Key::del_many([one, two]).await.unwrap();
    FeatureKeys::all().set(&vec!["x".to_owned()]).await.unwrap();
    FeatureKeys::all().del().await.unwrap();
    FeatureKeys::all().get_or_set(|| async { vec![] }).stale_for(MINUTE).await.unwrap();
    FeatureKeys::delete_pattern("*").await.unwrap();
}

#[derive(Keyspace)]
#[keyspace(prefix = "work", ttl = "1h")]
struct WorkKeys {
    #[key("{job}:lock", ttl = "10s")]
    lock: fn(job: u32) -> Lock,
    #[key("{job}:calls", ttl = none)]
    calls: fn(job: u32) -> RateLimit,
    #[key("all")]
    all: Group,
    #[key("{job}:result")]
    result: fn(job: u32) -> Text,
}

catalog!(WORK = [WorkKeys]);

/// The rules include the keys that the library derives from declared keys.
#[test]
fn acl_rules_cover_locks_limits_and_groups() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let rules = WORK.acl_rules().to_string();
        for right in ["~work:*:lock", "~work:*:lock%fence*", "~work:*:result%g*", "+time"] {
            assert!(rules.split(' ').any(|rule| rule == right), "{right} in {rules}");
        }
        assert!(!rules.contains("calls%"), "{rules}");
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
        command.extend(rules.split(' '));
        server.redis_cli(&command);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let work = async {
            let guard = WorkKeys::lock(7).lock().ttl(Duration::from_secs(3)).await.unwrap();
            assert!(WorkKeys::lock(7).try_lock().await.unwrap().is_none());
            let left = async || server.redis_cli(&["PTTL", "work:7:lock"]).parse().unwrap();
            eventually_rises("the lock is renewed", left).await;
            guard.release().await.unwrap();
            WorkKeys::lock(7).with_lock(|_| async {}).await.unwrap();
            assert!(WorkKeys::calls(7).check(Rate::per_minute(10)).await.unwrap().allowed);
            assert!(WorkKeys::calls(7).peek(Rate::per_minute(10)).await.unwrap().allowed);
            let result = WorkKeys::all().member(&WorkKeys::result(7)).await.unwrap();
            result.set("x").await.unwrap();
            assert_eq!(result.get().await.unwrap().as_deref(), Some("x"));
            WorkKeys::all().invalidate().await.unwrap();
        };
        builder.build().unwrap().scope(work).await;
    });
}

/// A server rejects rules with a command that it does not know.
#[test]
fn acl_rules_for_two_servers_contain_what_both_have() {
    let rules = |redis: Option<(u16, u16)>, valkey: Option<(u16, u16)>| {
        let rules = WORK.acl_rules();
        let rules = redis.into_iter().fold(rules, |rules, (major, minor)| rules.redis_version(major, minor));
        valkey.into_iter().fold(rules, |rules, (major, minor)| rules.valkey_version(major, minor)).to_string()
    };
    let has = |rules: &str, command: &str| rules.split(' ').any(|rule| rule == format!("+{command}"));
    assert!(has(&rules(Some((8, 4)), None), "delex") && has(&rules(None, Some((9, 0))), "delifeq"));
    let both = rules(Some((8, 4)), Some((9, 0)));
    assert!(!has(&both, "delex") && !has(&both, "delifeq"), "{both}");
    assert!(has(&both, "pexpiretime") && has(&both, "copy"), "{both}");
    assert!(!has(&rules(Some((6, 2)), Some((9, 0))), "pexpiretime"));
    let oldest = rules(Some((6, 0)), Some((9, 0)));
    assert!(!has(&oldest, "copy") && has(&oldest, "get"), "{oldest}");
}

#[test]
fn a_changed_catalog_fails_and_names_the_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.txt");
    let check = |text: Option<String>| {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let outcome = std::panic::catch_unwind(|| {
            redis_keyspace::__private::assert_snapshot(&CATALOG, path.to_str().unwrap());
        });
        outcome.map_err(|panic| panic.downcast_ref::<String>().unwrap().clone())
    };
    let absent = check(None).unwrap_err();
    assert!(
        absent.contains("can't be read") && absent.contains("REDIS_KEYSPACE_SNAPSHOT=update"),
        "{absent}"
    );
    let now = CATALOG.to_snapshot();
    check(Some(now.clone())).unwrap();
    check(Some(now.replace('\n', "\r\n"))).unwrap();
    for (from, to) in [
        ("ttl: 1d", "ttl: 2d"),
        ("Text (UTF-8", "Json<String> (UTF-8"),
        ("user: u64", "user: u32"),
        ("db: 1", "db: 2"),
    ] {
        assert!(now.contains(from), "{from} in\n{now}");
        let changed = check(Some(now.replace(from, to))).unwrap_err();
        assert!(
            changed.contains("does not match") && changed.contains(from) && changed.contains(to),
            "{changed}"
        );
        assert!(
            changed.lines().any(|line| line.starts_with('-'))
                && changed.lines().any(|line| line.starts_with('+'))
        );
    }
}
