//! Keyspaces on the same database at run time: if two of them can make the same key, the second one
//! is rejected.

use redis_keyspace::{ErrorKind, Keyspace, Redis, RedisBuilder, Text, catalog};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, child_test, raw, shared_server, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "user", server = "accounts", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct AccountKeys {
    #[key("{id}")]
    name: fn(id: u64) -> Text,
    #[key("{id}:mail")]
    mail: fn(id: u64) -> Text,
}

/// Not in the catalog of the others: different server names do not separate it from them.
#[derive(Keyspace)]
#[keyspace(prefix = "user", server = "shop", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct ShopKeys {
    #[key("{name}")]
    address: fn(name: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", db = 3, ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct ThirdKeys {
    #[key("{id}")]
    name: fn(id: u64) -> Text,
}

/// The same prefix, but no common key.
#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct OtherKeys {
    #[key("other:{id}")]
    other: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", server = "config", dedicated_server, ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct ConfigKeys {
    #[key("{id}")]
    name: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "flags", server = "config", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct FlagKeys {
    #[key("{id}")]
    flag: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = none, ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct AnyKeys {
    #[key("{stage}:user:{id}")]
    any: fn(stage: &str, id: u64) -> Text,
}

catalog!(
    /// The declarations separate them: one has a dedicated server.
    APART = [AccountKeys, ConfigKeys]
);

/// Runs a body with handles on one server, embedded and real, within a unique namespace.
fn on_one_server(body: impl AsyncFn(&dyn Fn() -> RedisBuilder)) {
    on_each_server(&shared_server().url(), body);
}

/// Runs a test on the embedded server and on this one.
fn on_each_server(url: &str, body: impl AsyncFn(&dyn Fn() -> RedisBuilder)) {
    let server = Server::new();
    let embedded = || Redis::builder().embedded(server.clone());
    let real = || Redis::builder().url(url).unwrap();
    for builder in [&embedded as &dyn Fn() -> RedisBuilder, &real] {
        let namespace = unique_namespace();
        within(PATIENCE, body(&|| builder().namespace(&namespace).unwrap()));
    }
}

#[track_caller]
fn assert_refused(error: &redis_keyspace::Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    let text = error.to_string();
    for part in parts.iter().chain(&["allow_overlapping_keyspaces"]) {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn the_second_keyspace_is_refused_and_reads_nothing() {
    on_one_server(async |builder| {
        let (one, other) = (builder().build().unwrap(), builder().build().unwrap());
        AccountKeys::name(7).set("secret").on(&one).await.unwrap();
        let parts = ["ShopKeys", "AccountKeys", "user:{name}", "user:{id}", "database 0", "user:0`"];
        // On the same handle and on another one: in its scope, with `.on`, and with a key on the
        // handle.
        for redis in [&one, &other] {
            redis
                .scope(async {
                    assert_refused(&ShopKeys::address("7").get().await.unwrap_err(), &parts);
                    assert_refused(&ShopKeys::address("7").del().await.unwrap_err(), &parts);
                    let loaded = ShopKeys::address("7").get_or_set(|| async { panic!("nothing is loaded") });
                    assert_refused(&loaded.await.unwrap_err(), &parts);
                })
                .await;
            assert_refused(&ShopKeys::address("7").on(redis).get().await.unwrap_err(), &parts);
            assert_refused(&ShopKeys::address("7").set("x").on(redis).await.unwrap_err(), &parts);
            assert_refused(
                &ShopKeys::address_keys().all().on(redis).delete().await.unwrap_err().into(),
                &parts,
            );
            // The other commands of a batch run.
            let (name, address) =
                redis.batch((AccountKeys::name(7).get(), ShopKeys::address("7").get())).each().await.unwrap();
            assert_eq!(name.unwrap().as_deref(), Some("secret"));
            assert_refused(&address.unwrap_err(), &parts);
            OtherKeys::other(7).set("x").on(redis).await.unwrap();
            assert_eq!(AccountKeys::mail(7).get().on(redis).await.unwrap(), None);
        }
        // The keyspace is accepted in another namespace and on another database.
        let elsewhere = builder().namespace(unique_namespace()).unwrap().build().unwrap();
        ShopKeys::address("7").set("x").on(&elsewhere).await.unwrap();
        AccountKeys::name(7).get().on(&elsewhere).await.unwrap_err();
        let moved = builder().keyspace::<ShopKeys>(|options| options.db(5)).build().unwrap();
        ShopKeys::address("7").set("x").on(&moved).await.unwrap();
        assert_eq!(AccountKeys::name(7).get().on(&moved).await.unwrap().as_deref(), Some("secret"));
    });
}

#[test]
fn the_effective_database_is_compared() {
    on_one_server(async |builder| {
        let redis = builder().build().unwrap();
        AccountKeys::name(7).set("x").on(&redis).await.unwrap();
        ThirdKeys::name(7).set("x").on(&redis).await.unwrap();
        // An option can move it to the other keyspace's database, and so can the database of the
        // handle.
        let moved = builder().keyspace::<ThirdKeys>(|options| options.db(0)).build().unwrap();
        assert_refused(
            &ThirdKeys::name(7).get().on(&moved).await.unwrap_err(),
            &["AccountKeys", "database 0"],
        );
        let moved = builder().db(3).build().unwrap();
        assert_refused(
            &AccountKeys::name(7).get().on(&moved).await.unwrap_err(),
            &["ThirdKeys", "database 3"],
        );
    });
}

#[test]
fn a_keyspace_does_not_collide_with_itself() {
    on_one_server(async |builder| {
        for _ in 0..2 {
            let redis = builder().build().unwrap();
            AccountKeys::name(7).set("x").on(&redis).await.unwrap();
            AccountKeys::name(7).get().on(&builder().build().unwrap()).await.unwrap();
            let other_runtime = redis.clone();
            tokio::task::spawn_blocking(move || {
                within(PATIENCE, async move { AccountKeys::name(7).get().on(&other_runtime).await.unwrap() })
            })
            .await
            .unwrap();
            ShopKeys::address("7").get().on(&redis).await.unwrap_err();
        }
        // The handles of the loop are dropped, so `AccountKeys` no longer uses the database.
        let redis = builder().build().unwrap();
        ShopKeys::address("7").set("x").on(&redis).await.unwrap();
        AccountKeys::name(7).get().on(&redis).await.unwrap_err();
        redis.close().await;
        AccountKeys::name(7).set("x").on(&builder().build().unwrap()).await.unwrap();
    });
}

#[test]
fn a_dedicated_server_serves_keyspaces_that_name_it() {
    // Its own server: on the shared one, it would not let other tests use their keyspaces.
    let server = RealServer::start();
    on_each_server(&server.url(), async |builder| {
        let redis = builder().build().unwrap();
        ConfigKeys::name(7).set("x").on(&redis).await.unwrap();
        FlagKeys::flag(7).set("x").on(&redis).await.unwrap();
        // Even without a common key.
        for error in [
            OtherKeys::other(7).get().on(&redis).await.unwrap_err(),
            AccountKeys::name(7).get().on(&redis).await.unwrap_err(),
        ] {
            assert_refused(&error, &["ConfigKeys", "dedicated_server", "\"config\""]);
        }
        let (one, other) = (Redis::embedded(), Redis::embedded());
        OtherKeys::other(7).set("x").on(&one).await.unwrap();
        assert_refused(
            &ConfigKeys::name(7).get().on(&one).await.unwrap_err(),
            &["ConfigKeys", "OtherKeys", "dedicated_server"],
        );
        ConfigKeys::name(7).set("x").on(&other).await.unwrap();
    });
    assert_eq!(APART.keyspaces().len(), 2);
}

#[test]
fn a_key_without_a_namespace_can_start_with_one() {
    on_one_server(async |builder| {
        let namespaced = builder().build().unwrap();
        AccountKeys::name(7).set("x").on(&namespaced).await.unwrap();
        // Within a namespace, the keyspace can't make keys of another namespace.
        AnyKeys::any("x", 7)
            .set("x")
            .on(&builder().namespace(unique_namespace()).unwrap().build().unwrap())
            .await
            .unwrap();
    });
    within(PATIENCE, async {
        let server = Server::new();
        let builder = || Redis::builder().embedded(server.clone());
        let staging = builder().namespace("staging").unwrap().build().unwrap();
        AccountKeys::name(7).set("x").on(&staging).await.unwrap();
        let without = builder().build().unwrap();
        assert_refused(
            &AnyKeys::any("staging", 7).get().on(&without).await.unwrap_err(),
            &["`staging:user:0`"],
        );
        let other = builder().namespace("other").unwrap().build().unwrap();
        AnyKeys::any("staging", 7).set("x").on(&other).await.unwrap();
    });
}

#[test]
fn a_handle_can_opt_out() {
    let server = RealServer::start();
    on_each_server(&server.url(), async |builder| {
        let redis = builder().allow_overlapping_keyspaces().build().unwrap();
        AccountKeys::name(7).set("x").on(&redis).await.unwrap();
        assert_eq!(ShopKeys::address("7").get().on(&redis).await.unwrap().as_deref(), Some("x"));
        ConfigKeys::name(7).get().on(&redis).await.unwrap();
        // The checks of other handles ignore its keyspaces.
        let checked = builder().build().unwrap();
        ShopKeys::address("7").get().on(&checked).await.unwrap();
        AccountKeys::name(7).get().on(&checked).await.unwrap_err();
        assert_eq!(raw::<i64>(&checked, &["DBSIZE"]).await.signum(), 1);
    });
}

/// One server, installed under two names. Runs in a separate process.
#[test]
fn one_server_under_two_names_is_detected() {
    const CHILD: &str = "REDIS_KEYSPACE_TEST_TWO_NAMES";
    if std::env::var_os(CHILD).is_none() {
        child_test!("one_server_under_two_names_is_detected").env(CHILD, "1").run();
        return;
    }
    let url = shared_server().url();
    let namespace = unique_namespace();
    within(PATIENCE, async {
        let server = Server::new();
        let embedded = || Redis::builder().embedded(server.clone());
        let real = || Redis::builder().url(&url).unwrap().namespace(&namespace).unwrap();
        for builder in [&embedded as &dyn Fn() -> RedisBuilder, &real] {
            builder().build().unwrap().install_as("accounts");
            builder().build().unwrap().install_as("shop");
            AccountKeys::name(7).set("secret").await.unwrap();
            assert_refused(&ShopKeys::address("7").get().await.unwrap_err(), &["AccountKeys", "ShopKeys"]);
            Redis::embedded().install_as("shop");
            assert_eq!(ShopKeys::address("7").get().await.unwrap(), None);
            Redis::clear_installed();
        }
    });
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", tenant = "t", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct TenantKeys {
    #[key("{id}")]
    name: fn(id: u64) -> Text,
}

/// Makes the same keys as `TenantKeys` for the tenant `acme`. That is an error for other tenants
/// too.
#[derive(Keyspace)]
#[keyspace(prefix = "t:acme:user", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct AcmeKeys {
    #[key("{id}")]
    name: fn(id: u64) -> Text,
}

#[test]
fn keys_of_all_tenants_are_compared() {
    on_one_server(async |builder| {
        let redis = builder().build().unwrap();
        let (acme, other) = (redis.for_tenant("acme").unwrap(), redis.for_tenant("other").unwrap());
        AcmeKeys::name(7).set("shared by all").on(&acme).await.unwrap();
        for tenant in [&acme, &other] {
            let error = TenantKeys::name(7).get().on(tenant).await.unwrap_err();
            assert_refused(&error, &["TenantKeys", "AcmeKeys", "t:acme:user:0`"]);
        }
        let allowing = builder().allow_overlapping_keyspaces().build().unwrap().for_tenant("acme").unwrap();
        let found = TenantKeys::name(7).get().on(&allowing).await.unwrap();
        assert_eq!(found.as_deref(), Some("shared by all"));
    });
}

#[test]
fn keys_do_not_collide_on_a_disabled_handle() {
    within(PATIENCE, async {
        let redis = Redis::disabled();
        assert_eq!(AccountKeys::name(7).get().on(&redis).await.unwrap(), None);
        assert_eq!(ShopKeys::address("7").get().on(&redis).await.unwrap(), None);
    });
}
