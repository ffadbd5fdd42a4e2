//! Tenants: a segment of every key that is known only at run time.

use redis_keyspace::{Counter, ErrorKind, Group, Json, Key, Keyspace, Lock, Redis, Text, catalog};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wired, within};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
    named: fn(name: &str) -> Text,
    #[key(stale_for = "1h", negative_ttl = "1m")]
    kept: fn(id: u64) -> Text,
    list: fn(id: u64) -> Json<Vec<u32>>,
    lock: fn(id: u64) -> Lock,
    group: fn(id: u64) -> Group,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", tenant = "t", ttl = "1h")]
struct PageKeys {
    views: fn(id: u64) -> Counter,
}

/// Shared by all tenants.
#[derive(Keyspace)]
#[keyspace(prefix = "shared", ttl = "1h")]
struct SharedKeys {
    text: fn(id: u64) -> Text,
}

catalog!(CATALOG = [CartKeys, PageKeys, SharedKeys]);

/// On a separate server.
#[derive(Keyspace)]
#[keyspace(prefix = "bill", server = "billing", dedicated_server, tenant = "t", ttl = "1h")]
struct BillKeys {
    number: fn(id: u64) -> Text,
}

catalog!(APART = [CartKeys, PageKeys, BillKeys]);

#[derive(Keyspace)]
#[keyspace(prefix = none, tenant = "t", ttl = "1h")]
struct BareKeys {
    #[key("bare:{id}")]
    text: fn(id: u64) -> Text,
    #[key("bare:group")]
    group: Group,
}

catalog!(BARE = [BareKeys, PageKeys]);

both_servers! {
    async fn tenants_are_isolated(redis: Redis) {
        let (acme, other) = (redis.for_tenant("acme").unwrap(), redis.for_tenant("other").unwrap());
        assert_eq!((acme.tenant(), redis.tenant()), (Some("acme"), None));
        CartKeys::user(7).set("lamp").on(&acme).await.unwrap();
        assert_eq!(raw::<String>(&redis, &["GET", &wired("t:acme:cart:user:7")]).await, "lamp");
        assert_eq!(acme.wire_key(&CartKeys::user(7)).unwrap(), wired("t:acme:cart:user:7"));
        assert_eq!(CartKeys::user(7).get().on(&other).await.unwrap(), None);
        // A new handle for the same tenant finds the value, also in a scope.
        let again = redis.for_tenant("acme").unwrap();
        assert_eq!(again.scope(CartKeys::user(7).get()).await.unwrap().as_deref(), Some("lamp"));
        let keys = [CartKeys::user(7).on(&acme), CartKeys::user(8).on(&again)];
        assert_eq!(Key::get_many(keys).await.unwrap(), [Some("lamp".to_owned()), None]);
        // Keyspaces without `tenant` are shared.
        SharedKeys::text(1).set("x").on(&acme).await.unwrap();
        assert_eq!(SharedKeys::text(1).get().on(&other).await.unwrap().as_deref(), Some("x"));
        assert_eq!(redis.stats().connections.len(), 1, "all tenants share the connections");

        let batch = (CartKeys::user(7).get(), SharedKeys::text(1).get());
        assert_eq!(acme.batch(batch).await.unwrap(), (Some("lamp".to_owned()), Some("x".to_owned())));
        assert_eq!(redis.for_tenant("other").unwrap().for_tenant("acme").unwrap().tenant(), Some("acme"));
    }

    async fn every_operation_stays_within_its_tenant(redis: Redis) {
        let (acme, other) = (redis.for_tenant("acme").unwrap(), redis.for_tenant("other").unwrap());
        let fill = async |redis: &Redis, text: &str| {
            let text = text.to_owned();
            CartKeys::kept(1).get_or_set(async move || text).on(redis).await.unwrap()
        };
        assert_eq!((fill(&acme, "a").await, fill(&other, "b").await), ("a".to_owned(), "b".to_owned()));
        assert_eq!((fill(&acme, "c").await, fill(&other, "d").await), ("a".to_owned(), "b".to_owned()));
        CartKeys::kept(1).del().on(&other).await.unwrap();
        assert_eq!((fill(&acme, "c").await, fill(&other, "d").await), ("a".to_owned(), "d".to_owned()));

        CartKeys::list(1).on(&acme).update_or_insert(Vec::new, |list| list.push(1)).await.unwrap();
        assert_eq!(CartKeys::list(1).on(&other).get().await.unwrap(), None);
        let held = CartKeys::lock(1).on(&acme).try_lock().await.unwrap().expect("it is free");
        let theirs = CartKeys::lock(1).on(&other).try_lock().await.unwrap().expect("the lock of another tenant is free");
        held.release().await.unwrap();
        theirs.release().await.unwrap();
        let member = CartKeys::group(1).on(&acme).member(&CartKeys::user(1).on(&acme)).await.unwrap();
        member.set("x").await.unwrap();
        CartKeys::group(1).on(&other).invalidate().await.unwrap();
        let member = CartKeys::group(1).on(&acme).member(&CartKeys::user(1).on(&acme)).await.unwrap();
        assert_eq!(member.get().await.unwrap().as_deref(), Some("x"));
    }

    async fn patterns_match_one_tenant_only(redis: Redis) {
        let (acme, acme2) = (redis.for_tenant("acme").unwrap(), redis.for_tenant("acme2").unwrap());
        for tenant in [&acme, &acme2] {
            for id in 0..20 {
                CartKeys::user(id).set("x").on(tenant).await.unwrap();
            }
            PageKeys::views(1).incr().on(tenant).await.unwrap();
            SharedKeys::text(1).set("x").on(tenant).await.unwrap();
        }
        assert_eq!(CartKeys::user_keys().on(&acme).count().await.unwrap(), 20);
        let found = CartKeys::user_keys().on(&acme).scan().next().await.unwrap().unwrap();
        assert!(found.key().as_str().starts_with("cart:user:"), "the key prints without the tenant");
        assert!(found.key().del().await.unwrap());
        let counted = CATALOG.tenant_keys(&acme).count().await.unwrap();
        assert_eq!(counted, [("CartKeys", 19), ("PageKeys", 1)]);
        assert_eq!(CATALOG.tenant_keys(&acme).delete().await.unwrap(), 20);
        assert_eq!(CATALOG.tenant_keys(&acme).count().await.unwrap(), [("CartKeys", 0), ("PageKeys", 0)]);
        assert_eq!(CATALOG.tenant_keys(&acme2).count().await.unwrap(), [("CartKeys", 20), ("PageKeys", 1)]);
        assert!(SharedKeys::text(1).exists().on(&redis).await.unwrap());
        assert_eq!(CartKeys::user_keys().all().on(&acme2).delete().await.unwrap().affected, 20);
        let error = CATALOG.tenant_keys(&redis).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }

    async fn without_a_prefix_only_keys_of_the_keyspace_count(redis: Redis) {
        let acme = redis.for_tenant("acme").unwrap();
        BareKeys::text(1).set("x").on(&acme).await.unwrap();
        let member = BareKeys::group().on(&acme).member(&BareKeys::text(2).on(&acme)).await.unwrap();
        member.set("x").await.unwrap();
        PageKeys::views(1).incr().on(&acme).await.unwrap();
        raw::<()>(&redis, &["SET", &wired("t:acme:bare:x"), "foreign"]).await;
        let counted = BARE.tenant_keys(&acme).count().await.unwrap();
        // The generation of the group is a key, too.
        assert_eq!(counted, [("BareKeys", 3), ("PageKeys", 1)]);
        assert_eq!(BARE.tenant_keys(&acme).delete().await.unwrap(), 4);
        assert_eq!(BARE.tenant_keys(&acme).count().await.unwrap(), [("BareKeys", 0), ("PageKeys", 0)]);
        assert_eq!(raw::<u64>(&redis, &["EXISTS", &wired("t:acme:bare:x")]).await, 1);
    }

    async fn without_a_tenant_commands_fail(redis: Redis) {
        for error in [
            CartKeys::user(1).set("x").await.unwrap_err(),
            CartKeys::user(1).get().on(&redis).await.unwrap_err(),
            CartKeys::user_keys().count().await.unwrap_err(),
            redis.wire_key(&CartKeys::user(1)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("for_tenant"), "{error}");
        }
        for wrong in ["", "a:b", "a*", "a{b}", "a%b", "\n", ":"] {
            let error = redis.for_tenant(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
        }
    }

    async fn closing_the_handle_closes_its_tenants(redis: Redis) {
        let ours = redis.for_keyspace::<SharedKeys>().unwrap();
        let acme = ours.for_tenant("acme").unwrap();
        CartKeys::user(1).set("x").on(&acme).await.unwrap();
        // Handles of tenants are short-lived; the connections are kept.
        for _ in 0..20 {
            let tenant = ours.for_tenant("acme").unwrap();
            assert!(CartKeys::user(1).exists().on(&tenant).await.unwrap());
        }
        assert!(ours.stats().connections[0].connects < 10);
        acme.close().await;
        assert_eq!(CartKeys::user(1).get().on(&acme).await.unwrap_err().kind(), ErrorKind::Closed);
        let acme = ours.for_tenant("acme").unwrap();
        assert!(CartKeys::user(1).exists().on(&acme).await.unwrap());
        // The lock of the tenant is no longer renewed, although other handles use the connections.
        let other = redis.for_keyspace::<SharedKeys>().unwrap();
        assert!(SharedKeys::text(1).get().on(&other).await.is_ok());
        let bound = CartKeys::user(1).exists().on(&acme);
        ours.close().await;
        assert_eq!(bound.await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(CartKeys::user(1).get().on(&acme).await.unwrap_err().kind(), ErrorKind::Closed);
        assert!(SharedKeys::text(1).get().on(&redis).await.is_ok());
    }
}

/// A dedicated server is for some keyspaces of the catalog only.
async fn keyspaces_apart(redis: Redis, billing: Redis) {
    let (carts, bills) = (redis.for_tenant("acme").unwrap(), billing.for_tenant("acme").unwrap());
    for handle in [&carts, &bills] {
        let error = APART.tenant_keys(handle).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains("BillKeys") && text.contains("TenantKeys::server"), "{text}");
    }
    // A sweep of keyspaces that are not used here does not reserve the server for them.
    let misplaced = APART.tenant_keys(&carts).server(Some("billing"));
    assert_eq!(misplaced.count().await.unwrap(), [("BillKeys", 0)]);
    CartKeys::user(1).set("x").on(&carts).await.unwrap();
    BillKeys::number(1).set("x").on(&bills).await.unwrap();
    // Nor does it sweep a server that others use.
    let error = misplaced.delete().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(APART.tenant_keys(&carts).delete().await.is_err());
    assert!(CartKeys::user(1).exists().on(&carts).await.unwrap(), "nothing was deleted");
    let (of_carts, of_bills) =
        (APART.tenant_keys(&carts).server(None), APART.tenant_keys(&bills).server(Some("billing")));
    assert_eq!(of_carts.count().await.unwrap(), [("CartKeys", 1), ("PageKeys", 0)]);
    assert_eq!(of_carts.delete().await.unwrap(), 1);
    assert_eq!(of_bills.count().await.unwrap(), [("BillKeys", 1)]);
    assert_eq!(of_bills.delete().await.unwrap(), 1);
    carts.close().await;
    redis.close().await;
    assert_eq!(of_carts.count().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn keyspaces_of_a_dedicated_server_are_swept_there() {
    within(PATIENCE, async {
        keyspaces_apart(Redis::embedded(), Redis::embedded()).await;
        let servers = [RealServer::start(), RealServer::start()];
        let [redis, billing] = servers.each_ref().map(|server| Redis::open(&server.url()).unwrap());
        keyspaces_apart(redis, billing).await;
    });
}

#[test]
fn the_catalog_lists_tenants() {
    let rules = CATALOG.acl_rules().namespace("staging").to_string();
    assert!(rules.contains(" ~staging:t:*:cart:user:*"), "{rules}");
    assert!(rules.contains(" ~staging:shared:text:*"), "{rules}");
    let of_one =
        CATALOG.acl_rules().namespace("staging").notifications(0).tenant("big co").unwrap().to_string();
    assert!(of_one.contains(" ~staging:t:big?co:cart:user:*"), "{of_one}");
    assert!(of_one.contains(" &__keyspace@0__:staging:t:big?co:cart:user:* "), "{of_one}");
    assert!(of_one.contains(" ~staging:shared:text:*"), "{of_one}");
    for wrong in ["*", "a:b", "", "a\n"] {
        assert_eq!(
            CATALOG.acl_rules().tenant(wrong).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{wrong:?}"
        );
    }
    assert!(CATALOG.to_markdown().contains("`t:{tenant}:`"));
    assert!(
        CATALOG.to_snapshot().contains("[CartKeys] db: ") && CATALOG.to_snapshot().contains(", tenant: t")
    );
    assert!(CATALOG.to_json().contains("\"tenant\": \"t\""));
    assert_eq!(CartKeys::META.tenant(), Some("t"));
}
