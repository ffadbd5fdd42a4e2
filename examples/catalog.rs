//! All keyspaces of a program as data: a reference in Markdown, ACL rules, and JSON for tools.
//!
//! Run it with `cargo run --example catalog`; add `-- --json` for JSON.

use redis_keyspace::{Counter, Json, KeyArgument, Keyspace, Text, catalog};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    Desktop,
}

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 2, ttl = 3600)]
struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
    /// How often the shopper viewed the cart.
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,
    /// Products on the front page.
    #[key("featured", ttl = none)]
    featured: Json<Vec<String>>,
}

/// Logged-in users and their devices.
#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    token: fn(user: &str, device: Device) -> Text,
}

// Keyspaces that could share a key are a compile error here.
catalog!(CATALOG = [CartKeys, SessionKeys]);

fn main() {
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", CATALOG.to_json());
        return;
    }
    println!("{}", CATALOG.to_markdown());
    println!("# ACL rules\n\n    ACL SETUSER shop on >PASSWORD {}", CATALOG.acl_rules());
    println!("\n# Snapshot, as compared by catalog_test!\n\n{}", CATALOG.to_snapshot());
    println!("# Parsing a key from a log\n\n{:?}", CartKeys::parse("cart:user:7:views"));
    println!("{}", CartKeys::parse("cart:user:seven").expect_err("`seven` is not a number"));
}
