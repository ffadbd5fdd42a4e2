//! The declaration of the guide, and words that are keywords elsewhere.

use redis_keyspace::{Counter, Json, KeyArgument, Keyspace, Text};
use serde::{Deserialize, Serialize};

/// What a shopper is about to buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Stock keeping units.
    pub items: Vec<String>,
}

/// Who is shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
pub struct ShopperId(pub u64);

/// Where they are shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
pub enum Device {
    /// In the hand.
    Phone,
    /// On the table.
    #[key("desk-top")]
    Desktop,
    /// On the wall.
    #[deprecated = "no longer sold"]
    Television,
}

/// Shopping carts.
#[derive(Debug, Keyspace)]
#[keyspace(prefix = "cart", db = 2, ttl = 3600, bound = BoundCartKeys)]
pub struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: ShopperId) -> Json<Cart>,

    #[key("user:{id}:{device}:views", ttl = "30d")]
    views: fn(id: ShopperId, device: Device) -> Counter,

    #[doc = include_str!("featured.md")]
    #[key("featured", ttl = none)]
    featured: Json<Vec<Cart>>,

    /// Not for the front page.
    #[doc(hidden)]
    internal: fn(name: &str) -> Text,

    /// Old carts.
    #[deprecated(note = "use `user`")]
    basket: fn(id: u64) -> Text,

    #[cfg(any())]
    absent: fn(id: Absent) -> Absent,

    #[cfg(not(any()))]
    present: fn(id: String) -> Text,

    r#type: fn(r#type: u64, r#match: bool) -> Text,
    gen: fn(gen: u64) -> Text,
    #[key("{captures}:{template}:{out}:{text}")]
    locals: fn(captures: u64, template: u64, out: u64, text: u64) -> Text,
    self_: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        let views = CartKeys::views(ShopperId(7), Device::Desktop);
        assert_eq!(views.as_str(), "cart:user:7:desk-top:views");
        let parsed = ParsedCartKeys::Views { id: ShopperId(7), device: Device::Desktop };
        assert_eq!(CartKeys::parse(views.as_str()).unwrap(), parsed);
        assert_eq!(CartKeys::user(ShopperId(7)).as_str(), "cart:user:7");
        assert_eq!(CartKeys::featured().as_str(), "cart:featured");
        assert_eq!(CartKeys::internal("a:b").as_str(), "cart:internal:a%3Ab");
        assert_eq!(CartKeys::present("x".to_owned()).as_str(), "cart:present:x");
        assert_eq!(CartKeys::locals(1, 2, 3, 4).as_str(), "cart:1:2:3:4");
        assert_eq!(CartKeys::parse("cart:self_").unwrap(), ParsedCartKeys::Self_);
    }

    #[test]
    fn raw_identifiers_lose_their_prefix_in_keys() {
        assert_eq!(CartKeys::r#type(1, true).as_str(), "cart:type:1:true");
        let parsed = ParsedCartKeys::Type { r#type: 1, r#match: true };
        assert_eq!(CartKeys::parse("cart:type:1:true").unwrap(), parsed);
        assert_eq!(CartKeys::gen(1).as_str(), "cart:gen:1");
        assert_eq!(CartKeys::META.templates()[7].field(), "gen");
    }

    #[test]
    fn documentation_is_part_of_the_metadata() {
        assert_eq!(CartKeys::META.docs(), "Shopping carts.");
        assert_eq!(CartKeys::META.templates()[2].docs(), "What the shop front shows.\n");
    }

    #[test]
    #[allow(deprecated)]
    fn deprecation_warns_callers_only() {
        assert_eq!(CartKeys::basket(1).as_str(), "cart:basket:1");
        let _ = Device::Television;
    }
}
