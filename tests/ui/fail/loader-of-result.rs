use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

async fn try_load() -> Result<Vec<u64>, String> { Ok(Vec::new()) }

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::user(7).get_or_set(|| try_load()).await?;
    Ok(())
}

fn main() {}
