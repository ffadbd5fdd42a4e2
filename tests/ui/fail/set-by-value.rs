//! `set` takes a reference to the value.

use redis_keyspace::{Json, Keyspace};

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Cart>,
}

async fn empty(id: u64) -> redis_keyspace::Result<()> {
    let cart = Cart { items: Vec::new() };
    CartKeys::user(id).set(cart).await
}

fn main() {}
