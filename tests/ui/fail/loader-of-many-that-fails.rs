use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<u64>>,
}

async fn run() -> Result<(), redis_keyspace::Error> {
    let _ = redis_keyspace::Key::get_or_set_many([1], CartKeys::user, |_: Vec<u64>| async { Ok::<Vec<(u64, Vec<u64>)>, String>(vec![]) }).await;
    Ok(())
}

fn main() {}
