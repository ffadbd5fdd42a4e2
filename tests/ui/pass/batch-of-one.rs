//! A batch can be a single command, with or without a tuple around it.

use redis_keyspace::{Json, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn read(redis: &Redis, id: u64) -> redis_keyspace::Result<()> {
    let _: Option<Vec<String>> = redis.batch(CartKeys::user(id).get()).await?;
    let _: (Option<Vec<String>>,) = redis.batch((CartKeys::user(id).get(),)).await?;
    Ok(())
}

pub fn main() {
    let _ = read;
}
