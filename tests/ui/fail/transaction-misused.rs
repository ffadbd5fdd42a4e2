use redis_keyspace::{Counter, Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
    count: fn(id: u64) -> Counter,
}

async fn run(redis: &Redis) -> Result<(), redis_keyspace::Error> {
    redis.transaction(async |redis| { CartKeys::count(7).incr().on(&redis).await }).await?;
    redis.transaction(CartKeys::count(7).incr().await).await?;
    let _ = redis.batch(CartKeys::count(7).incr(), CartKeys::count(8).incr()).await?;
    let _ = redis.batch([CartKeys::count(7).incr(), CartKeys::user(8).get()]).await?;
    Ok(())
}

fn main() {
    let _ = run;
}
