//! `on` takes the key, which is used again afterwards.

use redis_keyspace::{Json, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn take(redis: &Redis, id: u64) -> redis_keyspace::Result<Option<Vec<String>>> {
    let cart = CartKeys::user(id);
    let items = cart.on(redis).get().await?;
    cart.on(redis).del().await?;
    Ok(items)
}

fn main() {}
