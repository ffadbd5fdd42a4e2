//! A tuple of one command has no comma, so it is not a tuple.

use redis_keyspace::{Json, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn read(redis: &Redis, id: u64) -> redis_keyspace::Result<()> {
    redis.batch((CartKeys::user(id).get())).await?;
    Ok(())
}

fn main() {}
