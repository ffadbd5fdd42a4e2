//! Key formats of existing systems: alphabets, formats that do not parse back, and arguments of
//! other crates.

use std::collections::HashSet;
use std::net::SocketAddr;

use proptest::prelude::*;
use redis_keyspace::{ErrorKind, Json, Key, KeyArgument, Keyspace, Redis, Text, catalog};
use redis_keyspace_tests::{both_servers, raw, wire};

/// An id of letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z0-9")]
struct Org(String);

/// An id of a fixed length.
#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "0-9B-HJKMNP-TV-Z", len = 4)]
struct Ulid {
    text: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-f-", len = 2..=3)]
struct Short(String);

fn org(text: &str) -> Org {
    Org(text.to_owned())
}

fn ulid(text: &str) -> Ulid {
    Ulid { text: text.into() }
}

#[derive(Keyspace)]
#[keyspace(prefix = "formats", ttl = "1h")]
struct Keys {
    #[key("{org}_{app}")]
    app: fn(org: Org, app: Org) -> Text,
    #[key("u:{first}A{second}")]
    pair: fn(first: Ulid, second: Ulid) -> Text,
    #[key("s:{short}.{org}")]
    short: fn(short: Short, org: Org) -> Text,
}

/// An address in a format of this program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Peer(String);

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self(format!("{}-{}", address.ip(), address.port()))
    }
}

impl From<&str> for Peer {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "peers", ttl = "1h", bound = BoundPeerKeys)]
struct PeerKeys {
    #[key(into = peer)]
    seen: fn(peer: Peer, id: u64) -> Text,
    #[key(into = (from, to))]
    path: fn(from: Peer, to: Peer) -> Json<Vec<u32>>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "loose", ttl = "1h", bound = BoundLooseKeys)]
struct LooseKeys {
    #[key("free/{a}-{b}", parse = false)]
    free: fn(a: &str, b: &str) -> Text,
    #[key("all/{a}{b}", parse = false)]
    adjacent: fn(a: u64, b: u64) -> Text,
    strict: fn(id: u64) -> Text,
}

catalog!(LOOSE = [LooseKeys]);

/// None of its templates can be parsed.
#[derive(Keyspace)]
#[keyspace(prefix = "looser", ttl = "1h")]
struct LooserKeys {
    #[key("{a}-{b}", parse = false)]
    only: fn(a: &str, b: &str) -> Text,
}

#[test]
fn texts_of_different_alphabets_need_no_colon() {
    let key = Keys::app(org("acme"), org("shop1"));
    assert_eq!(key.as_str(), "formats:acme_shop1");
    assert_eq!(key.arguments(), Some(ParsedKeys::App { org: org("acme"), app: org("shop1") }));
    let key = Keys::pair(ulid("01CB"), ulid("ZZ99"));
    assert_eq!(key.as_str(), "formats:u:01CBAZZ99");
    assert_eq!(key.arguments(), Some(ParsedKeys::Pair { first: ulid("01CB"), second: ulid("ZZ99") }));
    let key = Keys::short(Short("a-b".to_owned()), org("x"));
    assert_eq!(key.as_str(), "formats:s:a-b.x");
    assert!(key.arguments().is_some());
    assert!(Org::CLASS.contains("acme1") && !Org::CLASS.contains("Acme") && !Org::CLASS.contains(""));
    assert!(Ulid::CLASS.contains("01CB") && !Ulid::CLASS.contains("01CBC") && !Ulid::CLASS.contains("01CU"));
    assert!(Short::CLASS.contains("-a") && !Short::CLASS.contains("a") && !Short::CLASS.contains("abcd"));
    for key in ["formats:Acme_shop", "formats:acme_", "formats:u:01CBAZZ9", "formats:u:01CBAZZ999"] {
        assert!(Keys::parse(key).is_err(), "{key}");
    }
}

/// Generates strings that look like separators, or like the encoding of an invalid argument.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,5}", "[a-z_.~%:-]{0,6}", "[0-9A-HJKM]{4,5}", "%~[0-9A-F]{0,6}~?", ".{0,6}"]
}

proptest! {
    #[test]
    fn different_values_make_different_keys(texts in prop::collection::vec((text(), text()), 2..20)) {
        let mut made = HashSet::new();
        let distinct: HashSet<_> = texts.into_iter().collect();
        for (one, other) in &distinct {
            let keys = [
                Keys::app(org(one), org(other)),
                Keys::pair(ulid(one), ulid(other)),
                Keys::short(Short(one.clone()), org(other)),
            ];
            let is_valid = [
                Org::CLASS.contains(one) && Org::CLASS.contains(other),
                Ulid::CLASS.contains(one) && Ulid::CLASS.contains(other),
                Short::CLASS.contains(one) && Org::CLASS.contains(other),
            ];
            for (key, is_valid) in keys.into_iter().zip(is_valid) {
                // An invalid value makes a distinct key, which does not parse.
                prop_assert_eq!(key.arguments().is_some(), is_valid, "{}", key);
                prop_assert!(made.insert(key.as_str().to_owned()), "two arguments make {}", key);
            }
        }
        prop_assert_eq!(made.len(), 3 * distinct.len());
    }
}

#[test]
fn types_of_other_crates_need_no_wrapper() {
    let address: SocketAddr = "10.0.0.5:6379".parse().unwrap();
    let key = PeerKeys::seen(address, 7);
    assert_eq!(key.as_str(), "peers:seen:10.0.0.5-6379:7");
    assert_eq!(key, PeerKeys::seen(Peer::from(address), 7));
    assert_eq!(key.arguments(), Some(ParsedPeerKeys::Seen { peer: address.into(), id: 7 }));
    assert_eq!(PeerKeys::path(address, "b").as_str(), "peers:path:10.0.0.5-6379:b");
    let bound = BoundPeerKeys::new(Redis::disabled());
    assert_eq!(bound.path("a", address), PeerKeys::path("a", address));
}

#[test]
fn an_unparsable_template_only_builds_keys() {
    assert_eq!(LooseKeys::free("a-b", "c").as_str(), "loose:free/a-b-c");
    assert_eq!(LooseKeys::free("a-b", "c"), LooseKeys::free("a", "b-c"));
    assert_eq!(LooseKeys::free("a:*", "c").as_str(), "loose:free/a%3A%2A-c", "escaped as usual");
    assert_eq!(LooseKeys::adjacent(12, 3), LooseKeys::adjacent(1, 23));
    assert_eq!(LooseKeys::free("a", "b").arguments(), None);
    assert!(LooseKeys::parse("loose:free/a-b").is_err() && LooseKeys::identify("loose:free/a-b").is_none());
    assert!(LooserKeys::parse(LooserKeys::only("a", "b").as_str()).is_err());
    // The other templates parse.
    let parsed = LooseKeys::parse("loose:strict:7").unwrap();
    let ParsedLooseKeys::Strict { id } = parsed;
    assert_eq!(id, 7);
    assert_eq!(LooseKeys::META.templates()[0].template(), "loose:free/{a}-{b}");
    // Changing the type moves keys, so the snapshot contains it.
    let snapshot = LOOSE.to_snapshot();
    assert!(snapshot.contains("with a, b: (&str, &str) = anything\n"), "{snapshot}");
    assert!(snapshot.contains("with a, b: (u64, u64) = anything\n"), "{snapshot}");
}

both_servers! {
    async fn all_key_formats_work_on_a_server(redis: Redis) {
        Keys::app(org("acme"), org("shop")).set("x").await.unwrap();
        // No command runs on a key that another template can make, too.
        let invalid = Keys::app(org("acme"), org("a_b"));
        let errors = [
            invalid.set("x").await.unwrap_err(),
            invalid.get().await.unwrap_err(),
            invalid.del().await.unwrap_err(),
            invalid.get_or_set(|| async { panic!("nothing is loaded") }).await.unwrap_err(),
            Key::set_many([(invalid.clone(), "x")]).await.unwrap_err(),
            redis.batch((invalid.get(), Keys::app(org("acme"), org("shop")).get())).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("alphabet"), "{error}");
        }
        let found: Vec<_> = {
            let mut scan = Keys::app_keys().org(org("acme")).scan();
            let mut found = Vec::new();
            while let Some(key) = scan.next().await.transpose().unwrap() {
                found.push(key.arguments());
            }
            found
        };
        assert_eq!(found, [ParsedKeys::App { org: org("acme"), app: org("shop") }]);

        let address: SocketAddr = "10.0.0.5:6379".parse().unwrap();
        PeerKeys::seen(address, 7).set("x").await.unwrap();
        assert_eq!(PeerKeys::seen_keys().peer(address).count().await.unwrap(), 1);
        assert_eq!(PeerKeys::seen_keys().peer("10.0.0.5-6379").id(7).delete().await.unwrap().affected, 1);

        let free = LooseKeys::free("a", "b");
        free.set("x").await.unwrap();
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&free)]).await, "x");
        let loaded = LooseKeys::free("c", "d").get_or_set(async || "loaded".to_owned()).await.unwrap();
        assert_eq!(loaded, "loaded");
        assert_eq!(Key::get_many([free, LooseKeys::free("c", "d")]).await.unwrap().len(), 2);
        assert_eq!(LooseKeys::delete_pattern("free/*").await.unwrap().affected, 2);
    }
}
