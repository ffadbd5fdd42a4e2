//! Compiles expansions without the prelude.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]

/// What a shopper is about to buy.
#[derive(::std::fmt::Debug, ::serde::Serialize, ::serde::Deserialize)]
pub struct Cart {
    /// Stock keeping units.
    pub items: ::std::vec::Vec<::std::string::String>,
}

/// A shopper.
#[derive(::std::fmt::Debug, ::redis_keyspace::Record)]
#[record(rename_all = "camelCase")]
pub struct Profile {
    /// Of the shopper.
    pub full_name: ::std::string::String,
    #[record(alias = "count", default = 1 + 1, ttl = "1h")]
    visits: u64,
    #[record(json, default)]
    cart: ::std::option::Option<Cart>,
}

/// Who is shopping.
#[derive(
    ::std::fmt::Debug,
    ::std::clone::Clone,
    ::std::cmp::PartialEq,
    ::std::cmp::Eq,
    ::std::hash::Hash,
    ::redis_keyspace::KeyArgument,
    ::redis_keyspace::SingleValue,
)]
pub struct ShopperId {
    number: u64,
}

/// Where they are shopping.
#[derive(
    ::std::fmt::Debug,
    ::std::clone::Clone,
    ::std::cmp::PartialEq,
    ::std::cmp::Eq,
    ::std::hash::Hash,
    ::redis_keyspace::KeyArgument,
    ::redis_keyspace::SingleValue,
)]
pub enum Device {
    /// In the hand.
    Phone,
    /// On the table.
    #[key("desk-top")]
    Desktop,
}

/// Shopping carts.
#[derive(::std::fmt::Debug, ::redis_keyspace::Keyspace)]
#[keyspace(
    prefix = "cart",
    db = 2,
    ttl = 3600,
    server = "shop",
    timeout = "250ms",
    retries = 3,
    shared_connections = 1,
    bound = BoundCartKeys
)]
pub struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: ShopperId) -> ::redis_keyspace::Json<Cart>,
    #[key("profile:{id}")]
    profile: fn(id: ShopperId) -> ::redis_keyspace::Record<Profile>,
    #[key("user:{id}:{device}:views", ttl = "30d")]
    views: fn(id: ShopperId, device: &Device) -> ::redis_keyspace::Counter,
    #[key("featured", ttl = none)]
    featured: ::redis_keyspace::Json<::std::vec::Vec<Cart>>,
    name: fn(name: &str, alias: ::std::borrow::Cow<'_, str>) -> ::redis_keyspace::Text,
    #[deprecated]
    basket: fn(id: u64) -> ::redis_keyspace::Text,
}

#[cfg(test)]
mod tests {
    use ::core::assert_eq;
    use ::redis_keyspace::Keyspace;
    use ::std::clone::Clone;
    use ::std::convert::Into;
    use ::std::string::ToString;

    use super::{CartKeys, Device, ParsedCartKeys, ShopperId};

    #[test]
    fn keys_can_be_bound_to_a_handle() {
        let carts: super::BoundCartKeys = ::redis_keyspace::Redis::disabled().into();
        assert_eq!(carts.clone().name("a", "b".into()), CartKeys::name("a", "b".into()));
    }

    #[test]
    fn keys_round_trip() {
        let key = CartKeys::views(ShopperId { number: 7 }, &Device::Phone);
        assert_eq!(key.to_string(), "cart:user:7:phone:views");
    }

    #[test]
    fn texts_are_parsed_as_owned_strings() {
        let key = CartKeys::name("a:b", "c".into());
        assert_eq!(key.as_str(), "cart:name:a%3Ab:c");
        let parsed = ParsedCartKeys::Name { name: "a:b".to_string(), alias: "c".to_string() };
        assert_eq!(CartKeys::parse(key.as_str()).unwrap(), parsed);
        assert_eq!(CartKeys::featured().as_str(), "cart:featured");
        assert_eq!(CartKeys::user(ShopperId { number: 1 }).as_str(), "cart:user:1");
        let _ = Device::Desktop;
    }
}

/// Stores a text twice.
#[derive(::std::fmt::Debug, ::redis_keyspace::Script)]
#[script(source = "return {KEYS[1], ARGV[1], ARGV[2]}", returns = (::redis_keyspace::Text, ::std::option::Option<u64>))]
pub struct Twice<S: ::redis_keyspace::Keyspace> {
    /// Where it is stored.
    pub key: ::redis_keyspace::Key<S, ::redis_keyspace::Text>,
    /// The text.
    #[script(arg)]
    pub text: ::std::string::String,
    /// The text, encoded explicitly.
    #[script(arg = ::redis_keyspace::Text)]
    pub same: ::std::string::String,
}
