//! A scope in which hardly a name means what it usually does.
#![allow(dead_code)]

use redis_keyspace::{KeyArgument, Keyspace};

mod core {}
mod std {}
mod redis_keyspace_derive {}

struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Result;
struct String;
struct Vec;
struct Key;
struct KeyBuilder;
struct Into;
struct Debug;
struct Clone;
struct PartialEq;

const META: usize = 2;
const TEMPLATES: usize = 3;

#[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::cmp::PartialEq, KeyArgument)]
struct Id(u64);

#[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::cmp::PartialEq, KeyArgument)]
enum State {
    New,
    Old,
}

/// Keys in a hostile scope.
#[derive(Keyspace)]
#[keyspace(prefix = "shadowed", ttl = none, timeout = "1s", server = "x", retries = 1)]
struct ShadowedKeys {
    entry: fn(id: Id, state: State) -> ::redis_keyspace::Text,
    plain: ::redis_keyspace::Text,
    bytes: fn(short: [u8; META], long: [u8; TEMPLATES]) -> ::redis_keyspace::Text,
}

mod inside_macro {
    macro_rules! declare {
        ($name:ident, $prefix:literal, $ttl:expr, $field:ident: $ty:ty) => {
            #[derive(::redis_keyspace::Keyspace)]
            #[keyspace(prefix = $prefix, ttl = $ttl)]
            struct $name {
                $field: $ty,
            }
        };
    }

    declare!(MadeKeys, "made", "1h", item: fn(id: u64) -> ::redis_keyspace::Text);

    #[test]
    fn declared_by_a_macro() {
        assert_eq!(MadeKeys::item(7).as_str(), "made:item:7");
    }
}

#[test]
fn nothing_was_taken_for_granted() {
    let key = ShadowedKeys::entry(Id(7), State::Old);
    assert_eq!(key.as_str(), "shadowed:entry:7:old");
    let parsed = ParsedShadowedKeys::Entry { id: Id(7), state: State::Old };
    assert_eq!(ShadowedKeys::parse(key.as_str()).unwrap(), parsed);
    assert_eq!(ShadowedKeys::plain().as_str(), "shadowed:plain");
    assert_eq!(ShadowedKeys::bytes([1, 2], [3, 4, 5]).as_str(), "shadowed:bytes:0102:030405");
    let _ = State::New;
}

#[test]
fn inside_a_function() {
    #[derive(Keyspace)]
    #[keyspace(prefix = "local", ttl = none)]
    struct LocalKeys {
        id: fn(id: u64) -> ::redis_keyspace::Text,
    }

    assert_eq!(LocalKeys::id(7).as_str(), "local:id:7");
    assert_eq!(LocalKeys::parse("local:id:7").unwrap(), ParsedLocalKeys::Id { id: 7 });
}
