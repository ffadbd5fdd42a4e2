use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

async fn find() -> Option<Vec<u64>> { None }

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::user(7).get_or_set(|| find()).await?;
    Ok(())
}

fn main() {}
