use redis_keyspace::{Counter, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    views: fn(id: u64) -> Counter,
}

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::views(7).get_or_set(|| async { 1 }).await?;
    Ok(())
}

fn main() {}
