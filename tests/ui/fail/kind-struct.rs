use redis_keyspace::Keyspace;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Cart;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Cart,
}

fn main() {
    let _ = CartKeys::user(7).get();
}
