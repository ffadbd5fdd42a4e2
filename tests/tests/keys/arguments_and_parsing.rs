//! Keys: the text of arguments, distinct keys for distinct arguments, and parsing every key back.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::sync::Arc;

use proptest::prelude::*;
use redis_keyspace::catalog::{Lifetime, Piece};
use redis_keyspace::{Counter, Json, Key, KeyArgument, Keyspace, Raw, Text, Uuid};

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 2, ttl = 3600)]
struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Vec<String>>,

    /// How often a shopper viewed the cart.
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,

    /// What the shop front shows.
    #[key("featured", ttl = none)]
    featured: Json<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct UserId(u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Slug {
    text: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    SmartTV,
    #[key("desk-top")]
    Desktop,
}

/// One template for each argument type.
#[derive(Keyspace)]
#[keyspace(prefix = "t", ttl = "1h")]
struct TypeKeys {
    text: fn(value: &str) -> Text,
    texts: fn(first: &str, second: String, third: Cow<'_, str>) -> Text,
    shared: fn(value: Arc<str>) -> Text,
    unsigned: fn(value: u128) -> Text,
    signed: fn(value: i128) -> Text,
    small: fn(value: i8) -> Text,
    non_zero: fn(value: NonZero<u32>) -> Text,
    flag: fn(value: bool) -> Text,
    character: fn(value: char) -> Text,
    address: fn(value: IpAddr) -> Text,
    uuid: fn(value: Uuid) -> Text,
    digest: fn(value: [u8; 4]) -> Text,
    user_id: fn(value: UserId) -> Text,
    slug: fn(value: &Slug) -> Text,
    device: fn(value: Device) -> Text,
    #[key("{{tag:{value}}}:{text}")]
    tagged: fn(text: &str, value: u64) -> Text,
    #[key("{number}-{text}")]
    dashed: fn(number: u32, text: &str) -> Text,
    #[key("raw:{value}")]
    raw: fn(value: Raw<&str>) -> Text,
}

use ParsedTypeKeys as Parsed;

/// Checks that the key prints as `text` and parses as `parsed`.
#[track_caller]
fn check<S: Keyspace, V>(key: &Key<S, V>, text: &str, parsed: &S::Parsed)
where
    S::Parsed: Debug + PartialEq,
{
    assert_eq!(key.to_string(), text);
    assert_eq!(key.as_str(), text);
    assert_eq!(key.as_bytes(), text.as_bytes());
    assert_eq!(&S::parse(text).expect("a key of the keyspace"), parsed);
    let identified = S::identify(text).expect("a key of the keyspace");
    assert_eq!(identified.template().field(), key.template().field());
}

#[test]
fn parsed_keys_print_and_compare_as_derived_enums_do() {
    #[derive(Debug, Clone, PartialEq)]
    enum Derived {
        User { id: u64 },
        Featured,
    }

    let user = |id| ParsedCartKeys::User { id };
    assert_eq!(format!("{:?}", user(7)), format!("{:?}", Derived::User { id: 7 }));
    assert_eq!(format!("{:#?}", user(7)), format!("{:#?}", Derived::User { id: 7 }));
    assert_eq!(format!("{:#?}", ParsedCartKeys::Featured), format!("{:#?}", Derived::Featured));

    assert_eq!(user(7).clone(), user(7));
    assert_ne!(user(7), user(8));
    assert_ne!(user(7), ParsedCartKeys::Views { id: 7 });
    assert_ne!(user(7), ParsedCartKeys::Featured);
    assert_eq!(ParsedCartKeys::Featured, ParsedCartKeys::Featured);

    let log = ["cart:user:7", "cart:user:8", "cart:user:7:views", "cart:featured", "cart:user:7"];
    let distinct: HashSet<ParsedCartKeys> =
        log.iter().map(|key| CartKeys::parse(key).expect("a key of the keyspace")).collect();
    assert_eq!(
        distinct,
        HashSet::from([user(7), user(8), ParsedCartKeys::Views { id: 7 }, ParsedCartKeys::Featured])
    );
}

#[test]
fn the_declaration_is_data() {
    let meta = CartKeys::META;
    assert_eq!((meta.name(), meta.prefix(), meta.db(), meta.server()), ("CartKeys", "cart", Some(2), None));
    assert_eq!(meta.docs(), "Shopping carts.");
    let [user, views, featured] = meta.templates() else { panic!("three templates") };
    assert_eq!((user.field(), user.template(), user.kind()), ("user", "cart:user:{id}", "Json<Vec<String>>"));
    assert_eq!(user.docs(), "The open cart of one shopper.");
    assert_eq!(user.lifetime(), Lifetime::Expires(std::time::Duration::from_secs(3600)));
    assert_eq!(views.lifetime().duration(), Some(std::time::Duration::from_secs(30 * 24 * 60 * 60)));
    assert_eq!(featured.lifetime(), Lifetime::Forever);
    let [Piece::Literal("cart:user:"), Piece::Argument(id), Piece::Literal(":views")] = views.pieces() else {
        panic!("{:?}", views.pieces())
    };
    assert_eq!((id.name(), id.type_name()), ("id", "u64"));
}

#[test]
fn the_keys_of_the_guide_are_correct() {
    check(&CartKeys::user(7), "cart:user:7", &ParsedCartKeys::User { id: 7 });
    check(&CartKeys::views(7), "cart:user:7:views", &ParsedCartKeys::Views { id: 7 });
    check(&CartKeys::featured(), "cart:featured", &ParsedCartKeys::Featured);
}

#[test]
fn only_constructible_keys_are_parsed() {
    for text in [
        "",
        "cart",
        "cart:",
        "cart:user",
        "cart:user:",
        "cart:user:007",
        "cart:user:+7",
        "cart:user:-7",
        "cart:user:seven",
        "cart:user:18446744073709551616",
        "cart:user:7:",
        "cart:user:7:view",
        "cart:user:7:views:",
        "cart:featured2",
        "Cart:featured",
        " cart:featured",
        "user:7",
    ] {
        assert!(CartKeys::parse(text).is_err(), "{text}");
        assert!(CartKeys::identify(text).is_none(), "{text}");
    }
    for text in [
        "t:text:",
        "t:text:a:b",
        "t:text:a%3ab",
        "t:text:%41",
        "t:text:%",
        "t:text:%4",
        "t:text:*",
        "t:text:%_x",
    ] {
        assert!(TypeKeys::parse(text).is_err(), "{text}");
    }
    let error = CartKeys::parse("other\n").unwrap_err().to_string();
    assert!(
        error.contains("CartKeys") && error.contains("cart:user:{id}") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn every_argument_type_has_a_fixed_text() {
    check(&TypeKeys::text("kim"), "t:text:kim", &Parsed::Text { value: "kim".into() });
    check(&TypeKeys::text(""), "t:text:%_", &Parsed::Text { value: String::new() });
    check(
        &TypeKeys::texts("a:b", "*".into(), "ü".into()),
        "t:texts:a%3Ab:%2A:ü",
        &Parsed::Texts { first: "a:b".into(), second: "*".into(), third: "ü".into() },
    );
    check(&TypeKeys::shared("x".into()), "t:shared:x", &Parsed::Shared { value: "x".into() });
    check(
        &TypeKeys::unsigned(u128::MAX),
        "t:unsigned:340282366920938463463374607431768211455",
        &Parsed::Unsigned { value: u128::MAX },
    );
    check(
        &TypeKeys::signed(i128::MIN),
        "t:signed:-170141183460469231731687303715884105728",
        &Parsed::Signed { value: i128::MIN },
    );
    check(&TypeKeys::small(-1), "t:small:-1", &Parsed::Small { value: -1 });
    let one = NonZero::new(1).unwrap();
    check(&TypeKeys::non_zero(one), "t:non_zero:1", &Parsed::NonZero { value: one });
    assert!(TypeKeys::parse("t:non_zero:0").is_err());
    check(&TypeKeys::flag(true), "t:flag:true", &Parsed::Flag { value: true });
    check(&TypeKeys::character(':'), "t:character:%3A", &Parsed::Character { value: ':' });
    check(&TypeKeys::character('😀'), "t:character:😀", &Parsed::Character { value: '😀' });
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    check(&TypeKeys::address(v4), "t:address:127.0.0.1", &Parsed::Address { value: v4 });
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    check(&TypeKeys::address(v6), "t:address:%3A%3A1", &Parsed::Address { value: v6 });
    let uuid = Uuid::from_u128(0x0067_e550_4410_5b1a_4265_9904_2830_0866);
    check(
        &TypeKeys::uuid(uuid),
        "t:uuid:0067e550-4410-5b1a-4265-990428300866",
        &Parsed::Uuid { value: uuid },
    );
    let digest = [0, 0xff, 0x0a, 0xa0];
    check(&TypeKeys::digest(digest), "t:digest:00ff0aa0", &Parsed::Digest { value: digest });
    check(&TypeKeys::raw(Raw("a:*")), "t:raw:a:*", &Parsed::Raw { value: Raw("a:*".into()) });
}

#[test]
fn derived_arguments_use_their_names() {
    check(&TypeKeys::user_id(UserId(7)), "t:user_id:7", &Parsed::UserId { value: UserId(7) });
    let slug = Slug { text: "a:b".into() };
    check(&TypeKeys::slug(&slug), "t:slug:a%3Ab", &Parsed::Slug { value: slug.clone() });
    for (device, text) in
        [(Device::Phone, "phone"), (Device::SmartTV, "smart_tv"), (Device::Desktop, "desk-top")]
    {
        check(&TypeKeys::device(device), &format!("t:device:{text}"), &Parsed::Device { value: device });
    }
    assert!(TypeKeys::parse("t:device:Phone").is_err());
    assert!(TypeKeys::parse("t:device:desktop").is_err());
}

#[test]
fn arguments_follow_the_order_of_the_template() {
    let parsed = Parsed::Tagged { text: "x".into(), value: 7 };
    check(&TypeKeys::tagged("x", 7), "t:{tag:7}:x", &parsed);
    let key = TypeKeys::tagged("a b", 7);
    let identified = TypeKeys::identify(key.as_str()).unwrap();
    assert_eq!(identified.arguments(), [("value", "7".to_owned()), ("text", "a b".to_owned())]);
    check(&TypeKeys::dashed(7, "a-b"), "t:7-a-b", &Parsed::Dashed { number: 7, text: "a-b".into() });
}

#[test]
fn ordinary_ids_are_not_escaped() {
    for id in [
        "kim",
        "Kim.Lee@example.com",
        "a-b_c",
        "2026-11-24T10:00".split(':').next().unwrap(),
        "日本語",
        "a/b",
        "x y",
    ] {
        assert_eq!(TypeKeys::text(id).as_str(), format!("t:text:{id}"));
    }
}

#[test]
fn no_argument_escapes_its_place() {
    for hostile in
        ["*", "?", "[a]", "\\", "1:admin", "a}b", "{b}", "%3A", "%", "%_", "\0", "\r\nDEL x", "\u{7f}", ""]
    {
        let key = TypeKeys::text(hostile);
        let argument = key.as_str().strip_prefix("t:text:").unwrap();
        assert!(!argument.is_empty());
        assert!(!argument.contains([':', '*', '?', '[', ']', '\\', '{', '}']), "{argument}");
        assert!(!argument.chars().any(char::is_control), "{argument}");
        assert_eq!(TypeKeys::parse(key.as_str()).unwrap(), Parsed::Text { value: hostile.to_owned() });
    }
}

#[test]
fn long_arguments_round_trip() {
    for text in ["x".repeat(64 * 1024), ":".repeat(64 * 1024), "ü".repeat(64 * 1024)] {
        let key = TypeKeys::texts(&text, text.clone(), Cow::Borrowed(&text));
        let parsed = Parsed::Texts { first: text.clone(), second: text.clone(), third: text };
        assert_eq!(TypeKeys::parse(key.as_str()).unwrap(), parsed);
    }
}

#[test]
fn keys_are_plain_values() {
    let (a, b) = (CartKeys::user(1), CartKeys::user(2));
    assert_eq!(a, a.clone());
    assert_ne!(a, b);
    assert!(a < b);
    assert_eq!(format!("{a:?}"), r#"Key("cart:user:1")"#);
    assert_eq!(format!("[{a:>14}]"), "[   cart:user:1]");
    let set: HashSet<_> = [a.clone(), b.clone(), a.clone()].into();
    assert_eq!(set.len(), 2);
    let ordered: BTreeSet<_> = [b, a].into();
    assert_eq!(ordered.iter().map(Key::as_str).collect::<Vec<_>>(), ["cart:user:1", "cart:user:2"]);

    fn is_plain_data<T: Send + Sync + Unpin + 'static>(_: &T) {}
    is_plain_data(&CartKeys::user(1));
}

/// Texts of characters that are special in keys, and of any others.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[:*?\\[\\]\\\\{}%_a1A\\x00-\\x1f\\x7f\u{e4}\u{1f600}]{0,12}",
        "(%[0-9A-Fa-f_]{0,2}){0,4}",
        "\\PC{0,12}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn text_arguments_round_trip(first in hostile(), second in hostile(), third in hostile()) {
        let key = TypeKeys::texts(&first, second.clone(), Cow::Borrowed(&third));
        prop_assert_eq!(TypeKeys::parse(key.as_str()).unwrap(), Parsed::Texts { first, second, third });
    }

    #[test]
    fn distinct_texts_make_distinct_keys(a in [hostile(), hostile()], b in [hostile(), hostile()]) {
        let key = |[x, y]: &[String; 2]| TypeKeys::texts(x, y.clone(), "".into());
        prop_assert_eq!(key(&a) == key(&b), a == b);
    }

    #[test]
    fn distinct_templates_make_distinct_keys(text in hostile(), number in any::<u32>(), id in any::<u64>()) {
        let keys = [
            TypeKeys::text(&text),
            TypeKeys::shared(text.as_str().into()),
            TypeKeys::slug(&Slug { text: text.as_str().into() }),
            TypeKeys::tagged(&text, id),
            TypeKeys::dashed(number, &text),
        ];
        let distinct: HashMap<_, _> = keys.iter().map(|key| (key.as_str(), key.template().field())).collect();
        prop_assert_eq!(distinct.len(), keys.len());
        for (text, field) in distinct {
            prop_assert_eq!(TypeKeys::identify(text).unwrap().template().field(), field);
        }
    }

    #[test]
    fn other_arguments_round_trip(
        unsigned in any::<u128>(),
        signed in any::<i128>(),
        small in any::<i8>(),
        character in any::<char>(),
        address in any::<IpAddr>(),
        uuid in any::<u128>(),
        digest in any::<[u8; 4]>(),
    ) {
        let parse = |key: Key<TypeKeys, Text>| TypeKeys::parse(key.as_str()).unwrap();
        prop_assert_eq!(parse(TypeKeys::unsigned(unsigned)), Parsed::Unsigned { value: unsigned });
        prop_assert_eq!(parse(TypeKeys::signed(signed)), Parsed::Signed { value: signed });
        prop_assert_eq!(parse(TypeKeys::small(small)), Parsed::Small { value: small });
        prop_assert_eq!(parse(TypeKeys::character(character)), Parsed::Character { value: character });
        prop_assert_eq!(parse(TypeKeys::address(address)), Parsed::Address { value: address });
        let uuid = Uuid::from_u128(uuid);
        prop_assert_eq!(parse(TypeKeys::uuid(uuid)), Parsed::Uuid { value: uuid });
        prop_assert_eq!(parse(TypeKeys::digest(digest)), Parsed::Digest { value: digest });
    }

    #[test]
    fn parsed_keys_rebuild_the_same_text(text in hostile()) {
        // A key that parses must be the canonical spelling of its arguments.
        let key = format!("t:text:{text}");
        if let Ok(Parsed::Text { value }) = TypeKeys::parse(&key) {
            prop_assert_eq!(TypeKeys::text(&value).to_string(), key);
        }
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "tagged", ttl = "1h")]
struct TaggedKeys {
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: &str) -> Json<Vec<String>>,
    #[key("{kind}:of:{id}", hash_tag = id)]
    of: fn(kind: u8, id: &str) -> Json<Vec<String>>,
    plain: fn(id: &str) -> Json<Vec<String>>,
}

/// A real cluster of one node computes the expected slots.
#[test]
fn slots_match_a_real_server() {
    let server = redis_keyspace_tests::RealServer::builder().arg("--cluster-enabled").arg("yes").start();
    for id in ["7", "", "a}b", "{", "a{b}c", "ä", "*", "a long id with spaces"] {
        let (user, of, plain) = (TaggedKeys::user(id), TaggedKeys::of(3, id), TaggedKeys::plain(id));
        assert_eq!(user.slot(), of.slot(), "{user} and {of}");
        for (key, slot) in
            [(user.as_str(), user.slot()), (of.as_str(), of.slot()), (plain.as_str(), plain.slot())]
        {
            assert_eq!(server.redis_cli(&["CLUSTER", "KEYSLOT", key]), slot.to_string(), "{key}");
        }
        assert_eq!(user.arguments(), Some(ParsedTaggedKeys::User { id: id.to_owned() }));
    }
    assert_eq!(TaggedKeys::of(3, "7").as_str(), "tagged:3:of:{7}");
    assert_eq!(TaggedKeys::META.templates()[1].template(), "tagged:{kind}:of:{{{id}}}");
}
