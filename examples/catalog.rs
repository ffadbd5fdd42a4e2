//! All that a program keeps in Redis, as data: a reference, the rights that it needs, and JSON for tools.
//!
//! `cargo run --example catalog`, or `-- --json`

use redis_keyspace::{Counter, Json, KeyArgument, Keyspace, Text, catalog};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, KeyArgument)]
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
    /// How often a shopper looked at it.
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,
    /// What the shop front shows.
    #[key("featured", ttl = none)]
    featured: Json<Vec<String>>,
}

/// Who is logged in, and on what.
#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    token: fn(user: &str, device: Device) -> Text,
}

// Two keyspaces that could share a key would not compile here.
catalog!(CATALOG = [CartKeys, SessionKeys]);

fn main() {
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", CATALOG.to_json());
        return;
    }
    println!("{}", CATALOG.to_markdown());
    println!("# Rights\n\n    ACL SETUSER shop on >PASSWORD {}", CATALOG.acl_rules());
    println!("\n# Snapshot, as catalog_test! compares it\n\n{}", CATALOG.to_snapshot());
    println!("# A key from a log\n\n{:?}", CartKeys::parse("cart:user:7:views"));
    println!("{}", CartKeys::parse("cart:user:seven").expect_err("no id"));
}
