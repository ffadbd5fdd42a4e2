//! `Json` without the type of the value.

use redis_keyspace::{Json, Keyspace};

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json,
}

async fn save(id: u64, cart: &Cart) -> redis_keyspace::Result<()> {
    CartKeys::user(id).set(cart).await
}

fn main() {}
