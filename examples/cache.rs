//! A read-through cache: coalesced loads, negative caching and stale values during an outage.
//!
//! `cargo run --example cache` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::{Json, Key, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    cents: u64,
}

/// Cached products. They live for one second. A stale copy is served for another hour if the
/// database fails.
#[derive(Keyspace)]
#[keyspace(prefix = "product", ttl = "1s", ttl_jitter = "10%", stale_for = "1h", negative_ttl = "10s")]
struct ProductKeys {
    #[key("{id}")]
    product: fn(id: u64) -> Json<Product>,
}

/// A database that can be switched off.
#[derive(Default)]
struct Database {
    queries: AtomicU32,
    is_down: AtomicBool,
}

#[derive(Debug)]
struct Down;

impl Database {
    async fn find(&self, id: u64) -> Result<Option<Product>, Down> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Down);
        }
        Ok((id < 100).then(|| Product { name: format!("product {id}"), cents: 100 * id }))
    }

    async fn find_all(&self, ids: Vec<u64>) -> Vec<(u64, Product)> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        ids.into_iter().map(|id| (id, Product { name: format!("product {id}"), cents: 100 * id })).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Redis::builder().namespace("cache-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();
    let database = Arc::new(Database::default());
    let queries = || database.queries.swap(0, Ordering::Relaxed);
    let get = |id: u64| {
        let database = Arc::clone(&database);
        ProductKeys::product(id)
            .try_get_or_set_optional(move || async move { database.find(id).await })
            .lookup()
    };

    // A thousand concurrent callers cause one query.
    let asked: Vec<_> = (0..1000).map(|_| tokio::spawn(get(7).into_future())).collect();
    for answer in asked {
        let answer = answer.await?.map_err(|_| "the database failed")?;
        assert_eq!(answer.value.map(|product| product.cents), Some(700));
    }
    println!("1000 callers: {} query", queries());

    // Missing products are cached, too.
    for _ in 0..3 {
        let nothing = get(404).await.map_err(|_| "the database failed")?;
        assert!(nothing.value.is_none());
    }
    println!("3 callers of a missing product: {} query", queries());

    // Several products at once: one read, and one query for the missing ones.
    let ids = [7, 8, 9];
    let products = Key::get_or_set_many(ids, ProductKeys::product, |ids| database.find_all(ids));
    println!("{} of {} products: {} query", products.await?.iter().flatten().count(), ids.len(), queries());

    // The entry has expired and the database is down: an old price is better than none.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    database.is_down.store(true, Ordering::Relaxed);
    assert_eq!(ProductKeys::product(7).get().await?, None);
    let old = get(7).await.map_err(|_| "no stale copy")?;
    println!("the database is down: {:?}, {:?}", old.value.map(|product| product.name), old.source);
    match get(50).await {
        Err(FillError::Loader(Down)) => println!("product 50: not cached, and the database is down"),
        other => println!("unexpected: {other:?}"),
    }

    // After a change of the database, delete the keys. That also deletes their stale copies.
    ProductKeys::product_keys().all().delete().await?;
    assert!(get(7).await.is_err());
    println!("deleted: no stale copy left");
    redis.close().await;
    Ok(())
}
