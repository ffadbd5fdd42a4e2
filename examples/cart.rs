//! A cart that loses no addition: every change is an atomic read-modify-write.
//!
//! `cargo run --example cart` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use redis_keyspace::update::Change;
use redis_keyspace::{Json, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    product: u64,
    quantity: u32,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<Line>>,
}

/// The common mistake: an item that another device adds between `get` and `set` is lost.
async fn add_and_lose(user: u64, line: Line) -> redis_keyspace::Result<()> {
    let mut cart = CartKeys::user(user).get().await?.unwrap_or_default();
    cart.push(line);
    CartKeys::user(user).set(&cart).await
}

/// Adds to the existing cart, or creates one.
async fn add(user: u64, line: Line) -> redis_keyspace::Result<Vec<Line>> {
    CartKeys::user(user)
        .update_or_insert(Vec::new, |cart| {
            match cart.iter_mut().find(|there| there.product == line.product) {
                Some(there) => there.quantity += line.quantity,
                None => cart.push(line.clone()),
            }
        })
        .await
}

/// Removes a product, and deletes the cart if it is then empty.
async fn remove(user: u64, product: u64) -> redis_keyspace::Result<Option<Vec<Line>>> {
    CartKeys::user(user)
        .update_with(|cart| match cart {
            None => Change::Keep,
            Some(mut cart) => {
                cart.retain(|line| line.product != product);
                if cart.is_empty() { Change::Delete } else { Change::Set(cart) }
            }
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Redis::builder().namespace("cart-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    let adding: Vec<_> =
        (0..50).map(|product| tokio::spawn(add_and_lose(1, Line { product, quantity: 1 }))).collect();
    for added in adding {
        added.await??;
    }
    let kept = CartKeys::user(1).get().await?.unwrap_or_default().len();
    println!("read, change, write: {} of 50 additions lost", 50 - kept);

    let adding: Vec<_> =
        (0..50).map(|n| tokio::spawn(add(2, Line { product: n % 10, quantity: 1 }))).collect();
    for added in adding {
        added.await??;
    }
    let cart = CartKeys::user(2).get().await?.unwrap_or_default();
    println!(
        "update: {} products, {} pieces",
        cart.len(),
        cart.iter().map(|line| line.quantity).sum::<u32>()
    );

    for product in 0..10 {
        remove(2, product).await?;
    }
    println!("all removed: the cart exists: {}", CartKeys::user(2).exists().await?);

    CartKeys::user(1).del().await?;
    redis.close().await;
    Ok(())
}
