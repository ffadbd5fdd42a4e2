use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::user(7).incr().await?;
    Ok(())
}

fn main() {}
