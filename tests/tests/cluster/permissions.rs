//! ACL users with exactly the rules of a catalog, on one server, behind sentinels and on a cluster,
//! with all telemetry and with health checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use redis_keyspace::catalog::AclRules;
use redis_keyspace::config::{Credentials, LoginMode, Protocol};
use redis_keyspace::health::ServerRole;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{
    Counter, ErrorKind, Group, Json, Key, Keyspace, Lock, Once, RateLimit, Redis, RedisBuilder, Text, catalog,
};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealSentinels, RealServer, eventually, shared_cluster, unique_namespace, within,
};

use crate::LIMIT;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: u64) -> Json<Vec<u64>>,
    #[key("user:{id}:views", hash_tag = id)]
    views: fn(id: u64) -> Counter,
    #[key("user:{id}:name:{kind}", hash_tag = id)]
    name: fn(id: u64, kind: &str) -> Text,
    #[key("user:{id}:all", hash_tag = id)]
    all: fn(id: u64) -> Group,
    #[key("user:{id}:lock", hash_tag = id, ttl = "10s")]
    lock: fn(id: u64) -> Lock,
    #[key("user:{id}:calls", hash_tag = id, ttl = none)]
    calls: fn(id: u64) -> RateLimit,
    #[key("user:{id}:order", hash_tag = id)]
    order: fn(id: u64) -> Once<Text>,
    page: fn(id: u64) -> Text,
    #[key("kept:{id}", stale_for = "1m", negative_ttl = "10s")]
    kept: fn(id: u64) -> Text,
    #[key("near:{id}", reads = "prefer_replica")]
    near: fn(id: u64) -> Text,
}

catalog!(SHOP = [ShopKeys]);

/// Where the rules must be enough.
enum Place {
    Single(Box<RealServer>),
    Sentinels(Box<RealSentinels>),
    Cluster(&'static RealCluster),
}

impl Place {
    fn servers(&self) -> Vec<&RealServer> {
        match self {
            Self::Single(server) => vec![server],
            Self::Sentinels(servers) => {
                servers.live_nodes().into_iter().map(|node| servers.node(node)).collect()
            }
            Self::Cluster(cluster) => cluster.members().into_iter().map(|node| cluster.node(node)).collect(),
        }
    }

    fn each(&self, command: &[&str]) {
        for server in self.servers() {
            server.redis_cli(command);
        }
    }

    /// Makes a user with exactly these rules. Each user has its own name on the shared cluster.
    fn user(&self, name: &str, password: &str, rules: &AclRules) {
        let (password, rules) = (format!(">{password}"), self.rules(rules));
        let mut command = vec!["ACL", "SETUSER", name, "reset", "on", &password];
        command.extend(rules.split(' '));
        self.each(&command);
    }

    fn rules(&self, rules: &AclRules) -> String {
        match self {
            Self::Single(_) => rules.to_string(),
            Self::Sentinels(_) => rules.clone().sentinel().to_string(),
            Self::Cluster(_) => rules.clone().cluster().to_string(),
        }
    }

    fn builder(&self) -> RedisBuilder {
        let builder = match self {
            Self::Single(server) => Redis::builder().url(&server.url()).unwrap(),
            Self::Sentinels(servers) => {
                let sentinels = servers.sentinel_addresses().into_iter().map(|address| address.to_string());
                Redis::builder().sentinel(RealSentinels::MASTER, sentinels).unwrap()
            }
            Self::Cluster(cluster) => Redis::builder().url(&cluster.url()).unwrap(),
        };
        let builder = builder.timeout(LIMIT);
        // Whatever is observed must need no permission.
        builder.slow_command(Duration::from_nanos(1)).large_value(1)
    }

    fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    fn has_replicas(&self) -> bool {
        !matches!(self, Self::Single(_))
    }
}

fn on_each(test: impl AsyncFn(Place)) {
    let sentinels = Place::Sentinels(Box::new(RealSentinels::start()));
    for place in [Place::Single(Box::new(RealServer::start())), sentinels, Place::Cluster(shared_cluster())] {
        within(PATIENCE, test(place));
    }
}

/// Does everything that the library can do with the keys.
async fn everything(redis: &Redis) {
    redis.connect().await.unwrap();
    redis.ping().await.unwrap();
    let (name, nick) = (ShopKeys::name(7, "full"), ShopKeys::name(7, "nick"));
    name.set("x").await.unwrap();
    name.set("x").keep_ttl().await.unwrap();
    name.set("x").only_if_present().await.unwrap();
    name.set("x").only_if_absent().await.unwrap();
    name.get_set("y").await.unwrap();
    name.get().await.unwrap();
    name.get_ex().await.unwrap();
    name.strlen().await.unwrap();
    name.exists().await.unwrap();
    name.ttl().await.unwrap();
    name.expire(MINUTE).await.unwrap();
    name.expire_at(SystemTime::now() + MINUTE).await.unwrap();
    name.persist().await.unwrap();
    name.rename(&nick).await.unwrap();
    nick.rename_if_absent(&name).await.unwrap();
    name.get_del().await.unwrap();

    Key::set_many((0..30).map(|id| (ShopKeys::page(id), "x"))).await.unwrap();
    assert_eq!(Key::get_many((0..30).map(ShopKeys::page)).await.unwrap().iter().flatten().count(), 30);
    let load = async |ids: Vec<u64>| ids.into_iter().map(|id| (id, "z".to_owned())).collect::<Vec<_>>();
    let many = Key::get_or_set_many(20..40, ShopKeys::page, load).await.unwrap();
    assert!(many.iter().all(Option::is_some));
    assert_eq!(ShopKeys::page_keys().count().await.unwrap(), 40);
    assert!(ShopKeys::page_keys().values().next().await.unwrap().is_ok());
    assert_eq!(ShopKeys::page_keys().all().expire(MINUTE).await.unwrap().affected, 40);
    assert_eq!(Key::del_many((0..10).map(ShopKeys::page)).await.unwrap(), 10);
    assert_eq!(ShopKeys::page_keys().all().delete().await.unwrap().affected, 30);
    ShopKeys::delete_pattern("*").await.unwrap();

    // Replicas answer these only with more permissions.
    ShopKeys::near(1).set("x").await.unwrap();
    ShopKeys::near(1).get().await.unwrap();
    ShopKeys::near(2).get().await.unwrap();

    // Fills, with all keys that the library keeps next to a key.
    let kept = ShopKeys::kept(1);
    assert_eq!(kept.get_or_set(|| async { "z".to_owned() }).await.unwrap(), "z");
    let fill = || kept.get_or_set_optional(|| async { Some("z".to_owned()) });
    fill().refresh().await.unwrap();
    fill().early_refresh(0.0).await.unwrap();
    kept.del().await.unwrap();
    kept.get_or_set_optional(|| async { None }).across_processes().await.unwrap();
    kept.set("x").await.unwrap();
    kept.del().await.unwrap();

    ShopKeys::user(7).set(&vec![1]).await.unwrap();
    ShopKeys::user(7).update(|ids| ids.push(2)).await.unwrap();
    ShopKeys::user(7).update_with(|_| redis_keyspace::update::Change::Delete).await.unwrap();
    ShopKeys::views(7).incr().await.unwrap();
    ShopKeys::views(7).set(3).await.unwrap();
    redis.batch((ShopKeys::user(7).get(), ShopKeys::views(8).get())).await.unwrap();
    redis.transaction((ShopKeys::user(7).set(&vec![1]), ShopKeys::views(7).decr())).await.unwrap();

    let guard = ShopKeys::lock(7).lock().await.unwrap();
    assert!(ShopKeys::lock(7).try_lock().await.unwrap().is_none());
    guard.release().await.unwrap();
    ShopKeys::lock(7).with_lock(|_| async {}).await.unwrap();
    assert!(ShopKeys::calls(7).check(Rate::per_minute(10)).await.unwrap().allowed);
    assert!(ShopKeys::calls(7).peek(Rate::per_minute(10)).await.unwrap().allowed);
    let member = ShopKeys::all(7).member(&ShopKeys::name(7, "full")).await.unwrap();
    member.set("x").await.unwrap();
    assert_eq!(member.get().await.unwrap().as_deref(), Some("x"));
    ShopKeys::all(7).invalidate().await.unwrap();
    let run = async || ShopKeys::order(7).run(|| async { "done".to_owned() }).await.unwrap();
    assert_eq!((run().await, run().await), ("done".to_owned(), "done".to_owned()));
}

async fn get(mut connection: RawConnection, key: &str) -> redis::RedisResult<Option<String>> {
    redis::cmd("GET").arg(key).query_async(&mut connection).await
}

#[test]
fn the_rules_are_enough_for_everything_and_for_nothing_else() {
    on_each(async |place| {
        let name = unique_namespace();
        let rules = SHOP.acl_rules().namespace(&name).health().watch();
        let rules = if place.has_replicas() { rules.replicas() } else { rules };
        place.user(&name, "pass", &rules);
        for (protocol, login) in [
            (Protocol::Resp3, LoginMode::Auto),
            (Protocol::Resp2, LoginMode::Minimal),
            (Protocol::Auto, LoginMode::Plain),
        ] {
            let builder = place.builder().protocol(protocol).login(login).cluster(place.is_cluster());
            let builder = builder.namespace(&name).unwrap().username(name.as_str()).password("pass");
            let redis = builder.build().unwrap();
            redis.scope(everything(&redis)).await;
            let full = ShopKeys::name(7, "full");
            let watched = redis.watch(&full, async |tx| {
                tx.run(full.get()).await?;
                Ok(Some(full.set("x")))
            });
            assert!(watched.await.unwrap().is_some());
            if place.has_replicas() && login == LoginMode::Auto {
                let reads_replica = async || {
                    ShopKeys::near(1).get().on(&redis).await.unwrap();
                    let stats = redis.stats();
                    let nodes = stats.connections.iter().flat_map(|pool| &pool.nodes);
                    nodes.filter_map(|node| node.replica).any(|replica| replica.in_sync)
                };
                eventually("a replica is used", reads_replica).await;
            }
            for health in
                [redis.health().timeout(LIMIT).await, redis.health().with_write_probe().timeout(LIMIT).await]
            {
                assert!(health.healthy, "{protocol:?}: {health:?}");
                assert_eq!(health.nodes.len(), if place.is_cluster() { 3 } else { 0 });
                if login != LoginMode::Plain {
                    assert_eq!(health.role, Some(ServerRole::Master));
                }
            }
            let allowed = ShopKeys::name(7, "full");
            let wire = redis.wire_key(&allowed).unwrap();
            redis.raw_for(&allowed, async |connection| get(connection, &wire).await).await.unwrap();
            for key in [
                "other",
                "shop:user:7",
                &format!("{name}:shop:other"),
                &format!("{name}:redis-keyspace:other"),
            ] {
                let refused =
                    redis.raw_each(async |connection| get(connection, key).await).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{key}");
            }
            redis.close().await;
        }
    });
}

#[test]
fn health_without_its_rules_says_what_is_missing() {
    on_each(async |place| {
        let name = unique_namespace();
        place.user(&name, "pass", &SHOP.acl_rules().namespace(&name));
        let builder = place.builder().namespace(&name).unwrap().username(name.as_str()).password("pass");
        let redis = builder.build().unwrap();
        redis.scope(everything(&redis)).await;
        let health = redis.health().timeout(LIMIT).await;
        assert_eq!((health.healthy, health.role, &health.version), (true, None, &None), "{health:?}");
        let health = redis.health().with_write_probe().timeout(LIMIT).await;
        let error = health.error.as_deref().unwrap();
        assert_eq!((health.healthy, health.writable), (false, Some(false)));
        assert!(
            error.contains("NOPERM") && error.contains("`Catalog::acl_rules` and its option `health`"),
            "{error}"
        );
        redis.close().await;
    });
}

/// A catalog without a string needs `SET` for the write probe only.
#[test]
fn the_options_add_no_more_than_they_say() {
    let difference = |more: AclRules, less: AclRules| {
        let (more, less) = (more.to_string(), less.to_string());
        let less: Vec<_> = less.split(' ').collect();
        let added: Vec<_> = more.split(' ').filter(|rule| !less.contains(rule)).map(str::to_owned).collect();
        assert_eq!(added.len() + less.len(), more.split(' ').count(), "nothing is left out");
        added
    };
    let rules = || SHOP.acl_rules().namespace("staging");
    assert_eq!(difference(rules().health(), rules()), ["~staging:redis-keyspace:health", "+info"]);
    assert_eq!(difference(rules().sentinel(), rules()), ["+role"]);
    assert_eq!(difference(rules().watch(), rules()), ["+watch"]);
    assert_eq!(difference(rules().functions(), rules()), ["+fcall", "+fcall_ro", "+function|load"]);
    let of_6_2 = || rules().redis_version(6, 2);
    assert_eq!(difference(of_6_2().functions(), of_6_2()), [""; 0]);
    assert_eq!(difference(rules().replicas(), rules()), ["+info", "+readonly", "+wait"]);
    assert_eq!(difference(SHOP.acl_rules().health(), SHOP.acl_rules()), ["~redis-keyspace:health", "+info"]);
    let empty = || SHOP.acl_rules().server(Some("none"));
    assert_eq!(difference(empty().health(), empty()), ["~redis-keyspace:health", "+info", "+set"]);

    within(PATIENCE, async {
        let place = Place::Single(Box::new(RealServer::start()));
        place.user("app", "pass", &empty().health().sentinel());
        let redis = place.builder().username("app").password("pass").build().unwrap();
        let health = redis.health().with_write_probe().timeout(LIMIT).await;
        assert!(health.healthy, "{health:?}");
        let role = async |mut connection: RawConnection| {
            redis::cmd("ROLE").query_async::<(String, u64, Vec<String>)>(&mut connection).await
        };
        assert_eq!(redis.raw(role).await.unwrap().0, "master");
    });
}

/// The user of the provider changes while commands run on all nodes.
#[test]
fn the_users_of_a_provider_change_on_every_node() {
    on_each(async |place| {
        let name = unique_namespace();
        let user = |nth: usize| format!("{name}-{nth}");
        for nth in 0..2 {
            place.user(&user(nth), "token", &SHOP.acl_rules().namespace(&name).health());
        }
        let calls = Arc::<AtomicUsize>::default();
        let provider = {
            let (calls, users) = (Arc::clone(&calls), [user(0), user(1)]);
            move || {
                let nth = calls.fetch_add(1, Ordering::SeqCst).min(1);
                let lifetime = if nth == 0 { Duration::from_secs(3) } else { Duration::from_secs(3600) };
                std::future::ready(Ok::<_, String>(
                    Credentials::new(&users[nth], "token").expires_in(lifetime),
                ))
            }
        };
        let builder = place.builder().namespace(&name).unwrap().credentials(provider).retries(0);
        let redis = builder.build().unwrap();
        let test = async {
            redis.connect().await.unwrap();
            let visit = async || {
                for id in 0..30 {
                    ShopKeys::page(id).set("x").await.unwrap();
                }
            };
            let connects =
                |redis: &Redis| redis.stats().connections.iter().map(|pool| pool.connects).sum::<u64>();
            visit().await;
            let before = connects(&redis);
            let who = async |mut connection: RawConnection| {
                redis::cmd("ACL").arg("WHOAMI").query_async::<String>(&mut connection).await
            };
            eventually("the token is replaced", async || {
                visit().await;
                calls.load(Ordering::SeqCst) == 2
            })
            .await;
            // The first users are gone. Connections that still had them would be lost.
            eventually("all connections log in", async || {
                visit().await;
                place.users_are_gone(&user(0))
            })
            .await;
            place.each(&["ACL", "DELUSER", &user(0)]);
            visit().await;
            everything(&redis).await;
            let health = redis.health().with_write_probe().timeout(LIMIT).await;
            assert!(health.healthy, "{health:?}");
            // WHOAMI is not in the rules.
            assert_eq!(redis.raw_each(who).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
            let stats = redis.stats();
            assert_eq!(stats.connections.iter().map(|pool| pool.lost_connections).sum::<u64>(), 0);
            assert!(connects(&redis) >= before);
            assert_eq!(calls.load(Ordering::SeqCst), 2, "once for all nodes");
        };
        redis.scope(test).await;
        redis.close().await;
    });
}

impl Place {
    /// Whether no connection of any server belongs to the user.
    fn users_are_gone(&self, user: &str) -> bool {
        let has_user =
            |server: &RealServer| server.redis_cli(&["CLIENT", "LIST"]).contains(&format!("user={user} "));
        !self.servers().into_iter().any(has_user)
    }
}
