//! A cache with a fallback: read, or load and store, with what a busy shop wants of it.
//!
//! `cargo run --example cache` runs on the embedded server, with `REDIS_URL` set on a real one, in a namespace of its own.

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

/// What products look like: for a second, and for an hour more if the database does not answer.
#[derive(Keyspace)]
#[keyspace(prefix = "product", ttl = "1s", ttl_jitter = "10%", stale_for = "1h", negative_ttl = "10s")]
struct ProductKeys {
    #[key("{id}")]
    product: fn(id: u64) -> Json<Product>,
}

/// A database that can be taken away.
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
        None => builder.embedded(redis_keyspace_embedded::Server::new()).build()?,
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

    // A thousand at once ask the database once.
    let asked: Vec<_> = (0..1000).map(|_| tokio::spawn(get(7).into_future())).collect();
    for answer in asked {
        let answer = answer.await?.map_err(|_| "the database is there")?;
        assert_eq!(answer.value.map(|product| product.cents), Some(700));
    }
    println!("1000 callers: {} query", queries());

    // What is not there is remembered, too.
    for _ in 0..3 {
        let nothing = get(404).await.map_err(|_| "the database is there")?;
        assert!(nothing.value.is_none());
    }
    println!("3 callers of what does not exist: {} query", queries());

    // Many at once: one read, and one query for what is missing.
    let ids = [7, 8, 9];
    let products = Key::get_or_set_many(ids, ProductKeys::product, |ids| database.find_all(ids));
    println!("{} of {} products: {} query", products.await?.iter().flatten().count(), ids.len(), queries());

    // The lifetime is over, and the database is down: better old prices than none.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    database.is_down.store(true, Ordering::Relaxed);
    assert_eq!(ProductKeys::product(7).get().await?, None);
    let old = get(7).await.map_err(|_| "there is a stale copy")?;
    println!("the database is down: {:?}, {:?}", old.value.map(|product| product.name), old.source);
    match get(50).await {
        Err(FillError::Loader(Down)) => println!("of product 50 nothing is known"),
        other => println!("unexpected: {other:?}"),
    }

    // An order that came in changes what is in the database: the key is deleted after that, stale copy and all.
    ProductKeys::product_keys().delete().await?;
    assert!(get(7).await.is_err());
    println!("deleted: nothing stale is left");
    redis.close().await;
    Ok(())
}
