//! A text is passed for a parameter of the type `u64`.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn read() -> redis_keyspace::Result<Option<Vec<String>>> {
    CartKeys::user("7").get().await
}

fn main() {}
