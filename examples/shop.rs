//! Three keyspaces with different databases and options: a product cache, sessions and carts.
//! Keyspaces with the same connection configuration share a pool.
//!
//! Run it with `cargo run --example shop`, on the embedded server.

use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::{Json, KeyArgument, Keyspace, Redis, Text};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
struct ProductId(u64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
}

/// Cached products, which can be loaded again.
#[derive(Keyspace)]
#[keyspace(prefix = "product-cache", db = 0, ttl = "5m", retries = 3)]
struct ProductKeys {
    product: fn(id: ProductId) -> Json<Product>,
}

/// Sessions of logged-in users.
#[derive(Keyspace)]
#[keyspace(prefix = "user-session", db = 1, ttl = "1d", retries = 5)]
struct SessionKeys {
    #[key("user:{user}:session:{id}")]
    session: fn(user: &str, id: &str) -> Json<Session>,
    /// Each write sets the TTL to the lifetime of the token.
    #[key("user:{user}:token")]
    token: fn(user: &str) -> Text,
}

/// Open carts, in the database of the sessions.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 1, ttl = "1h", retries = 5)]
struct CartKeys {
    user: fn(user: &str) -> Json<Vec<Line>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    product: u64,
    quantity: u32,
}

#[derive(Debug)]
struct NotFound;

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such product")
    }
}

impl std::error::Error for NotFound {}

async fn find_product(id: ProductId) -> Result<Product, NotFound> {
    match id {
        ProductId(7) => Ok(Product { name: "lamp".into(), cents: 1999 }),
        _ => Err(NotFound),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redis = Redis::embedded().install();

    // A loader that can fail: an error is not cached.
    for _ in 0..2 {
        let product =
            ProductKeys::product(ProductId(7)).try_get_or_set(|| find_product(ProductId(7))).await?;
        println!("{}: {product:?}", ProductKeys::product(ProductId(7)));
    }
    match ProductKeys::product(ProductId(8)).try_get_or_set(|| find_product(ProductId(8))).await {
        Err(FillError::Loader(error)) => println!("{}: {error}", ProductKeys::product(ProductId(8))),
        other => println!("unexpected: {other:?}"),
    }

    let session = SessionKeys::session("ada", "s-1");
    session.set_json(&Session { user: "ada".into() }).await?;
    // `get_ex` renews the session. The token lives exactly as long as its issuer says.
    println!("{session}: {:?}", session.get_ex().await?);
    SessionKeys::token("ada").set("eyJhbGciOi..").ttl(Duration::from_secs(900)).await?;
    println!("{}: {:?}", SessionKeys::token("ada"), SessionKeys::token("ada").ttl().await?);

    CartKeys::user("ada").set_json(&vec![Line { product: 7, quantity: 1 }]).await?;

    // Two databases: one round trip on each, concurrently.
    let (product, session, cart) = redis
        .batch((
            ProductKeys::product(ProductId(7)).get(),
            SessionKeys::session("ada", "s-1").get(),
            CartKeys::user("ada").get(),
        ))
        .await?;
    println!("\n{product:?}\n{session:?}\n{cart:?}\n");

    // Sessions and carts have equal configurations and share a pool. Products have their own.
    for pool in redis.stats().connections {
        println!("pool {} on db {}: {} keyspace(s), {:?}", pool.key, pool.db, pool.refs, pool.status);
    }
    redis.close().await;
    Ok(())
}
