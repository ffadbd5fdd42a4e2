//! The closure of `update` returns the value instead of only changing it.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn add(id: u64, item: &str) -> redis_keyspace::Result<()> {
    CartKeys::user(id)
        .update(|items| {
            items.push(item.to_owned());
            items
        })
        .await?;
    Ok(())
}

fn main() {}
