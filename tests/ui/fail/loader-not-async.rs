use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

fn load_now() -> Vec<u64> { Vec::new() }

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = CartKeys::user(7).get_or_set(|| load_now()).await;
    let _ = CartKeys::user(7).get_or_set_json(|| load_now()).await;
    Ok(())
}

fn main() {}
