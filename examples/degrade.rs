//! Graceful degradation: without Redis, the shop keeps working, more slowly, and reports it.
//!
//! `cargo run --example degrade` runs twice: on the embedded server, and on an address without a
//! server. With `REDIS_URL` set, the first run uses that server.

use std::time::Duration;

use redis_keyspace::cache::ValueSource;
use redis_keyspace::{Json, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    cents: u64,
}

/// Cached products. When Redis is unavailable, reads miss instead of failing.
#[derive(Keyspace)]
#[keyspace(prefix = "product", ttl = "5m", on_unavailable = "miss", timeout = "500ms")]
struct ProductKeys {
    #[key("{id}")]
    product: fn(id: u64) -> Json<Product>,
}

async fn find_product(id: u64) -> Product {
    Product { name: format!("product {id}"), cents: 100 * id }
}

async fn show(redis: &Redis) -> redis_keyspace::Result<()> {
    let product = ProductKeys::product(7).on(redis);
    // The loader can't fail, so the page is shown whether or not Redis is available.
    let found = product.get_or_set(|| find_product(7)).lookup().await?;
    println!("{}: {} ({:?})", product, found.value.name, found.source);
    if found.source == ValueSource::Degraded {
        println!("  Redis is unavailable: loaded from the database, not stored");
    }
    // A failed write is always reported as an error.
    match product.set(&Product { name: "lamp".into(), cents: 1999 }).await {
        Ok(()) => println!("  stored"),
        Err(error) => println!("  not stored: {:?}", error.kind()),
    }
    println!("  reads without Redis so far: {}", redis.stats().degraded);
    Ok(())
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => Redis::builder().namespace("degrade-example")?.env()?.build()?,
        None => Redis::embedded(),
    };
    println!("with Redis:");
    show(&redis).await?;
    ProductKeys::product(7).del().on(&redis).await?;

    println!("\nwithout Redis:");
    let away = Redis::builder().url("redis://127.0.0.1:1")?.retry_delay(Duration::from_millis(1)).build()?;
    show(&away).await
}
