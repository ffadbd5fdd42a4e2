//! Notifications about changes of keys.

use std::time::Duration;

use redis_keyspace::channel::{Event, Notifications};
use redis_keyspace::kind::Kind;
use redis_keyspace::{ErrorKind, Keyspace, List, Redis, Text, catalog};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealCluster, RealServer, raw, require_value, unique_namespace, within,
};

#[derive(Keyspace)]
#[keyspace(prefix = "watched", db = 3, ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Watched {
    #[key("user:{id}:{name}")]
    user: fn(id: u64, name: &str) -> Text,
    #[key("queue:{id}")]
    queue: fn(id: u64) -> List<Text>,
}

async fn next<S: Keyspace, V: Kind>(changes: &mut Notifications<S, V>) -> (S::Parsed, String) {
    let Event::Message(change) = changes.next().await.unwrap().unwrap() else { panic!("a gap") };
    (change.arguments(), change.event().to_owned())
}

/// Runs a test on an embedded server and a real one, with this setting.
fn on_both(setting: &str, test: impl AsyncFn(Redis)) {
    let real = RealServer::builder().arg("--databases").arg("16").start();
    for builder in [Redis::builder().embedded(Server::new()), Redis::builder().url(&real.url()).unwrap()] {
        let redis = builder.namespace("tests").unwrap().timeout(PATIENCE).build().unwrap();
        within(
            PATIENCE,
            redis.scope(async {
                raw::<String>(&redis, &["CONFIG", "SET", "notify-keyspace-events", setting]).await;
                test(redis.clone()).await;
            }),
        );
    }
}

#[test]
fn changes_come_with_typed_keys_and_names() {
    on_both("KA", async |redis| {
        let mut of_seven = Watched::user_keys().id(7).notifications().await.unwrap();
        let mut queues = Watched::queue_keys().all().notifications().await.unwrap();
        Watched::user(7, "*").set("a").await.unwrap();
        Watched::user(8, "b").set("a").await.unwrap();
        Watched::user(7, "*").del().await.unwrap();
        let arguments = ParsedWatched::User { id: 7, name: "*".to_owned() };
        for event in ["set", "expire", "del"] {
            assert_eq!(next(&mut of_seven).await, (arguments.clone(), event.to_owned()));
        }
        Watched::queue(1).rpush("x").await.unwrap();
        Watched::queue(1).lpop().await.unwrap();
        for event in ["rpush", "expire", "lpop", "del"] {
            assert_eq!(next(&mut queues).await, (ParsedWatched::Queue { id: 1 }, event.to_owned()));
        }
        // Another database, another namespace, and keys that the template does not make.
        let other = redis.for_keyspace::<Watched>().unwrap();
        for key in ["tests:watched:user:7:%zz", "other:watched:user:7:a", "tests:watched:user:7"] {
            raw::<String>(&other, &["SET", key, "x"]).await;
        }
        raw::<String>(&redis, &["SET", "tests:watched:user:7:a", "x"]).await;
        Watched::user(7, "end").set("a").await.unwrap();
        assert_eq!(next(&mut of_seven).await.0, ParsedWatched::User { id: 7, name: "end".to_owned() });
        assert_eq!(of_seven.skipped(), 1);
    });
}

#[test]
fn expiry_is_told() {
    on_both("Kx", async |_| {
        let mut changes = Watched::user_keys().notifications().await.unwrap();
        Watched::user(7, "a").set("a").ttl(Duration::from_millis(1)).await.unwrap();
        let arguments = ParsedWatched::User { id: 7, name: "a".to_owned() };
        assert_eq!(next(&mut changes).await, (arguments, "expired".to_owned()));
    });
}

#[test]
fn a_server_that_sends_none_is_an_error_that_says_so() {
    for setting in ["", "K", "EA", "KE"] {
        on_both(setting, async |_| {
            let error = Watched::user_keys().notifications().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains("`notify-keyspace-events` is"), "{error}");
        });
    }
}

/// These classes are not part of `A`.
#[test]
fn new_keys_and_reads_of_missing_keys_are_told() {
    if !require_value(&RealServer::start(), "notify-keyspace-events", "Kn") {
        return;
    }
    for (setting, event) in [("Kn", "new"), ("Km", "keymiss"), ("KEmn", "new")] {
        on_both(setting, async |_| {
            let mut changes = Watched::user_keys().notifications().await.unwrap();
            if event == "keymiss" {
                assert_eq!(Watched::user(7, "a").get().await.unwrap(), None);
            } else {
                Watched::user(7, "a").set("x").await.unwrap();
            }
            let arguments = ParsedWatched::User { id: 7, name: "a".to_owned() };
            assert_eq!(next(&mut changes).await, (arguments, event.to_owned()));
        });
    }
}

/// Each of the two steps takes more than half of the timeout.
#[test]
fn the_setting_and_the_subscription_have_one_deadline() {
    const TIMEOUT: Duration = Duration::from_millis(1600);
    const DELAY: Duration = Duration::from_millis(1000);
    let real =
        RealServer::builder().arg("--notify-keyspace-events").arg("KA").arg("--databases").arg("16").start();
    let proxy = Proxy::start(real.address());
    let embedded = Server::new();
    let builders =
        [Redis::builder().host("127.0.0.1").port(proxy.port()), Redis::builder().embedded(embedded.clone())];
    for builder in builders {
        let redis = builder.timeout(PATIENCE).build().unwrap();
        within(
            PATIENCE,
            redis.scope(async {
                raw::<String>(&redis, &["CONFIG", "SET", "notify-keyspace-events", "KA"]).await;
                // The shared connections are open.
                drop(Watched::user_keys().notifications().await.unwrap());
                for command in ["notify-keyspace-events", "PSUBSCRIBE"] {
                    proxy.on(command, Fault::Delay(DELAY));
                }
                let _faults = ["CONFIG", "PSUBSCRIBE"]
                    .map(|command| embedded.inject(redis_keyspace_embedded::Fault::delay(DELAY).on(command)));
                let error = Watched::user_keys().notifications().timeout(TIMEOUT).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            }),
        );
    }
}

#[test]
fn a_user_who_may_not_ask_for_the_setting_subscribes_anyway() {
    catalog!(CATALOG = [Watched]);
    let server = RealServer::builder().arg("--notify-keyspace-events").arg("KA").start();
    let namespace = unique_namespace();
    let rules = CATALOG.acl_rules().namespace(&namespace).notifications(3).to_string();
    for rules in [rules.clone(), rules.replace(" +config|get", "")] {
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
        command.extend(rules.split(' '));
        assert_eq!(server.redis_cli(&command), "OK");
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let redis = builder.namespace(&namespace).unwrap().timeout(PATIENCE).build().unwrap();
        within(
            PATIENCE,
            redis.scope(async {
                let mut changes = Watched::user_keys().notifications().await.unwrap();
                Watched::user(7, "a").set("a").await.unwrap();
                assert_eq!(next(&mut changes).await.1, "set");
            }),
        );
    }
}

/// Each master tells only about its own keys.
#[test]
fn all_masters_of_a_cluster_are_watched() {
    #[derive(Keyspace)]
    #[keyspace(prefix = "spread", ttl = "1h")]
    struct Spread {
        #[key("{id}")]
        text: fn(id: u64) -> Text,
    }
    let cluster = RealCluster::builder().replicas(0).start();
    let redis = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE).build().unwrap();
    within(PATIENCE, redis.scope(async {
        let error = Spread::text_keys().notifications().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        for node in cluster.members() {
            cluster.node(node).redis_cli(&["CONFIG", "SET", "notify-keyspace-events", "K$"]);
        }
        let mut changes = Spread::text_keys().all().notifications().await.unwrap();
        let mut expected = std::collections::BTreeSet::new();
        for id in 0..60 {
            Spread::text(id).set("x").await.unwrap();
            expected.insert(id);
        }
        while !expected.is_empty() {
            let (ParsedSpread::Text { id }, event) = next(&mut changes).await;
            assert_eq!(event, "set");
            assert!(expected.remove(&id), "{id} twice");
        }
        // A master that joins is watched, too.
        let added = tokio::task::block_in_place(|| cluster.add_master());
        cluster.node(added).redis_cli(&["CONFIG", "SET", "notify-keyspace-events", "K$"]);
        let slot = Spread::text(1).slot();
        tokio::task::block_in_place(|| cluster.move_slot(slot, added));
        // The command finds out that the slot has moved.
        Spread::text(1).set("noticed").await.unwrap();
        while !matches!(changes.next().await.unwrap().unwrap(), Event::Resubscribed) {}
        Spread::text(1).set("y").await.unwrap();
        while !matches!(changes.next().await.unwrap().unwrap(), Event::Message(change) if change.key() == &Spread::text(1)) {}
    }));
}
