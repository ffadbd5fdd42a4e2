use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

async fn load() -> Vec<u64> { Vec::new() }

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::user(7).try_get_or_set(|| load()).await;
    Ok(())
}

fn main() {}
