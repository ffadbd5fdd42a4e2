//! A command is not awaited before `?`.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn count(id: u64) -> redis_keyspace::Result<usize> {
    let items = CartKeys::user(id).get()?;
    Ok(items.unwrap_or_default().len())
}

fn main() {}
