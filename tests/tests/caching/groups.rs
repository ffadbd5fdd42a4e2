//! Groups: a value that was stored before the group was invalidated is not found afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis_keyspace::{Counter, ErrorKind, Group, Json, Key, Keyspace, Raw, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, wired, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "groups", ttl = "30d")]
struct Groups {
    user: fn(id: u64) -> Group,
    #[key("shop", ttl = none)]
    shop: Group,
    #[key("short", ttl = "1s")]
    short: Group,
}

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct Shop {
    #[key("cart:{user}")]
    cart: fn(user: u64) -> Json<Vec<u32>>,
    #[key("name:{name}")]
    name: fn(name: &str) -> Text,
    views: fn(user: u64) -> Counter,
    #[key("tagged:{user}", hash_tag = user)]
    tagged: fn(user: u64) -> Text,
    #[key("featured", ttl = none)]
    featured: Text,
    #[key("old:{name}")]
    old: fn(name: Raw<&str>) -> Text,
}

async fn member<V: redis_keyspace::kind::Kind>(key: &Key<Shop, V>) -> Key<Shop, V> {
    Groups::user(7).member(key).await.unwrap()
}

both_servers! {
    async fn a_value_that_is_no_generation_is_left_as_it_is(redis: Redis) {
        for foreign in ["foreign", "0123456789ABCDEF", "v2:0123456789abcdef"] {
            let () = raw(&redis, &["SET", &wire(&Groups::user(7)), foreign]).await;
            let error = Groups::user(7).member(&Shop::cart(7)).await.unwrap_err();
            assert!(error.key() == Some("groups:user:7"), "{error}");
            assert_eq!(raw::<i64>(&redis, &["PTTL", &wire(&Groups::user(7))]).await, -1, "{foreign}");
        }
    }

    async fn invalidation_starts_a_new_generation(redis: Redis) {
        let first = member(&Shop::cart(7)).await;
        assert_eq!(first, member(&Shop::cart(7)).await);
        let generation = first.as_str().strip_prefix("shop:cart:7%g").unwrap();
        assert!(generation.len() == 16 && generation.bytes().all(|digit| digit.is_ascii_hexdigit()), "{first}");
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&Groups::user(7))]).await, generation);
        assert!(first.as_str() != Groups::user(8).member(&Shop::cart(7)).await.unwrap().as_str());
        first.set(&vec![1]).await.unwrap();
        member(&Shop::name("a")).await.set("Ada").await.unwrap();
        member(&Shop::views(1)).await.incr().await.unwrap();
        assert_eq!(Shop::cart(7).get().await.unwrap(), None, "the key itself is a different one");
        Groups::user(8).invalidate().await.unwrap();
        assert_eq!(member(&Shop::cart(7)).await.get().await.unwrap(), Some(vec![1]));
        Groups::user(7).invalidate().await.unwrap();
        let second = member(&Shop::cart(7)).await;
        assert_ne!(first, second);
        assert_eq!(second.get().await.unwrap(), None);
        assert_eq!(member(&Shop::name("a")).await.get().await.unwrap(), None);
        assert_eq!(member(&Shop::views(1)).await.get().await.unwrap(), 0);
        assert!(first.ttl().await.unwrap().remaining().is_some(), "the member expires");
        Groups::shop().invalidate().await.unwrap();
        assert_eq!(Groups::shop().ttl().await.unwrap(), redis_keyspace::command::Ttl::NoExpiry);
    }

    async fn a_member_supports_the_operations_of_its_key(_redis: Redis) {
        let key = member(&Shop::cart(7)).await;
        assert_eq!(key.get_or_set(|| async { vec![1] }).await.unwrap(), [1]);
        assert_eq!(key.get_or_set(|| async { vec![2] }).await.unwrap(), [1]);
        assert_eq!(key.update(|items| items.push(2)).await.unwrap(), Some(vec![1, 2]));
        assert!((3590..=3600).contains(&key.ttl().await.unwrap().remaining().unwrap().as_secs()));
        assert_eq!(Key::get_many([key.clone(), Shop::cart(7)]).await.unwrap(), [Some(vec![1, 2]), None]);
        assert_eq!(key.arguments(), Some(ParsedShop::Cart { user: 7 }));
        assert_eq!(key.template().template(), "shop:cart:{user}");
        assert!(key.del().await.unwrap());
        let raw = member(&Shop::old(Raw("a:b"))).await;
        assert_eq!(raw.arguments(), Some(ParsedShop::Old { name: Raw("a:b".to_owned()) }));
        let tagged = member(&Shop::tagged(7)).await;
        assert_eq!(tagged.slot(), Shop::tagged(7).slot());
        let error = Groups::user(7).member(&Shop::featured()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("shop:featured") && error.to_string().contains("ttl = none"), "{error}");
    }

    async fn a_member_can_belong_to_several_groups(_redis: Redis) {
        let both = async || Groups::shop().member(&member(&Shop::cart(7)).await).await.unwrap();
        let key = both().await;
        assert_eq!(key.as_str().matches("%g").count(), 2);
        assert_eq!(key.arguments(), Some(ParsedShop::Cart { user: 7 }));
        for group in [Groups::shop(), Groups::user(7)] {
            both().await.set(&vec![1]).await.unwrap();
            assert_eq!(both().await.get().await.unwrap(), Some(vec![1]));
            group.invalidate().await.unwrap();
            assert_eq!(both().await.get().await.unwrap(), None);
        }
        // A group within a group.
        let nested = Groups::user(1).member(&Groups::user(2)).await.unwrap();
        let inner = nested.member(&Shop::cart(7)).await.unwrap();
        assert_eq!(inner, nested.member(&Shop::cart(7)).await.unwrap());
        Groups::user(1).invalidate().await.unwrap();
        let nested = Groups::user(1).member(&Groups::user(2)).await.unwrap();
        assert_ne!(inner, nested.member(&Shop::cart(7)).await.unwrap());
    }

    async fn a_lost_generation_is_not_reused(redis: Redis) {
        let mut seen = std::collections::HashSet::new();
        for round in 0..20 {
            let key = member(&Shop::cart(7)).await;
            assert!(seen.insert(key.to_string()));
            assert_eq!(key.get().await.unwrap(), None);
            key.set(&vec![round]).await.unwrap();
            match round % 3 {
                0 => assert!(Groups::user(7).del().await.unwrap()),
                1 => raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await,
                _ => {}
            }
            if round % 3 != 0 {
                Groups::user(7).invalidate().await.unwrap();
            }
        }
        let before = Groups::short().member(&Shop::cart(1)).await.unwrap();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _ = Groups::short().member(&Shop::cart(2)).await.unwrap();
        }
        let renewed = Groups::short().ttl().await.unwrap();
        assert!(renewed.remaining().is_some(), "using the group renews it");
        let gone = async || Groups::short().ttl().await.unwrap() == redis_keyspace::command::Ttl::NoKey;
        eventually("the unused group expires", gone).await;
        assert_ne!(Groups::short().member(&Shop::cart(1)).await.unwrap(), before);
    }

    async fn foreign_values_are_not_generations(redis: Redis) {
        for there in ["", "x", "00000000000000XX", "0123456789abcdef0"] {
            raw::<()>(&redis, &["SET", &wire(&Groups::user(7)), there]).await;
            let error = Groups::user(7).member(&Shop::cart(7)).await.unwrap_err();
            assert!(error.is_decode() && error.key() == Some("groups:user:7"), "{error}");
        }
        Groups::user(7).invalidate().await.unwrap();
        member(&Shop::cart(7)).await.get().await.unwrap();
    }

    async fn patterns_skip_members(redis: Redis) {
        for key in [Shop::name("a"), Shop::old(Raw("a:b")), Shop::old(Raw(""))] {
            key.set("own").await.unwrap();
            member(&key).await.set("member").await.unwrap();
        }
        // The library's keys next to a key with a verbatim argument do not match the template
        // either.
        raw::<()>(&redis, &["SET", &wired("shop:old:a%fence{shop:old:a}"), "1"]).await;
        let mut names = Shop::name_keys().scan();
        assert_eq!(names.next().await.unwrap().unwrap().key().as_str(), "shop:name:a");
        assert!(names.next().await.is_none() && names.skipped() == 1);
        assert_eq!(Shop::old_keys().count().await.unwrap(), 2);
        let gone = Shop::old_keys().all().delete().await.unwrap();
        assert_eq!(gone.affected, 2);
        assert_eq!(member(&Shop::old(Raw("a:b"))).await.get().await.unwrap().as_deref(), Some("member"));
        assert_eq!(member(&Shop::name("a")).await.get().await.unwrap().as_deref(), Some("member"));
        let text = member(&Shop::name("a")).await.to_string();
        assert!(Shop::parse(&text).is_err() && Shop::identify(&text).is_none());
    }

    async fn a_cached_generation_needs_no_request_and_is_invalidated_locally(redis: Redis) {
        let hour = Duration::from_secs(3600);
        let key = Shop::cart(7);
        let remembered = async || Groups::user(7).member(&key).cached_for(hour).await.unwrap();
        let first = remembered().await;
        first.set(&vec![1]).await.unwrap();
        // Another process invalidates: this one uses the cached generation for the configured time.
        raw::<()>(&redis, &["SET", &wire(&Groups::user(7)), "00000000000000ff"]).await;
        assert_eq!(remembered().await, first);
        assert_eq!(Groups::user(7).member(&key).cached_for(Duration::ZERO).await.unwrap().as_str(), "shop:cart:7%g00000000000000ff");
        assert_ne!(member(&key).await, first, "without `cached_for`, the server is asked");
        Groups::user(7).invalidate().await.unwrap();
        let second = remembered().await;
        assert_ne!(second, first);
        assert_eq!(second.get().await.unwrap(), None);
        assert_eq!(second, member(&key).await);
        // The time is limited by the lifetime of an unused group.
        let short = Groups::short().member(&key).cached_for(hour).await.unwrap();
        let gone = async || Groups::short().ttl().await.unwrap() == redis_keyspace::command::Ttl::NoKey;
        eventually("the unused group expires", gone).await;
        assert_ne!(Groups::short().member(&key).cached_for(hour).await.unwrap(), short);
    }

    async fn a_fill_that_started_before_an_invalidation_stays_invisible(_redis: Redis) {
        let key = member(&Shop::name("a")).await;
        let filled = key.get_or_set(|| async {
            Groups::user(7).invalidate().await.unwrap();
            "old".to_owned()
        });
        assert_eq!(filled.await.unwrap(), "old", "earlier callers get the value");
        let now = member(&Shop::name("a")).await;
        assert_eq!(now.get().await.unwrap(), None);
        assert_eq!(now.get_or_set(|| async { "new".to_owned() }).await.unwrap(), "new");
        assert_eq!(key.update(|text| text.push('!')).await.unwrap().as_deref(), Some("old!"));
        assert_eq!(now.get().await.unwrap().as_deref(), Some("new"));
    }

    /// A read that starts after an invalidation must not find a value stored before it, under any
    /// concurrent operations.
    async fn racing_readers_find_no_invalidated_value(redis: Redis) {
        let (truth, settled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let (redis, done) = (redis.clone(), Arc::clone(&done));
                let (truth, settled) = (Arc::clone(&truth), Arc::clone(&settled));
                tokio::spawn(async move {
                    while !done.load(Ordering::Acquire) {
                        let least = settled.load(Ordering::Acquire);
                        let group = Groups::user(1).on(&redis);
                        let key = Shop::name("raced").on(&redis);
                        let asked = group.member(&key);
                        let asked = if reader % 2 == 0 { asked.cached_for(MINUTE) } else { asked };
                        let load = || async {
                            let loaded = truth.load(Ordering::Acquire);
                            tokio::time::sleep(Duration::from_millis(loaded % 3)).await;
                            loaded.to_string()
                        };
                        let found = asked.await.unwrap().get_or_set(load).await.unwrap();
                        let found: u64 = found.parse().unwrap();
                        assert!(found >= least, "found {found}, which {least} invalidated earlier");
                    }
                })
            })
            .collect();
        for next in 1..=100 {
            truth.store(next, Ordering::Release);
            Groups::user(1).on(&redis).invalidate().await.unwrap();
            settled.store(next, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.await.unwrap();
        }
    }
}

#[test]
fn an_invalidation_is_one_round_trip_for_any_number_of_members() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(1000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        redis
            .scope(async {
                for user in 0..100 {
                    member(&Shop::cart(user)).await.set(&vec![1]).await.unwrap();
                }
                let before = server.round_trips();
                Groups::user(7).invalidate().await.unwrap();
                assert_eq!(server.round_trips() - before, 1);
                let before = server.round_trips();
                for user in 0..100 {
                    let _ = Groups::user(7).member(&Shop::cart(user)).cached_for(MINUTE).await.unwrap();
                }
                assert_eq!(server.round_trips() - before, 1);
            })
            .await;
    });
}
