use redis_keyspace::{Json, Keyspace};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Cart;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Option<Json<Cart>>,
    all: Vec<Json<Cart>>,
    result: fn(id: u64) -> Result<Json<Cart>, ()>,
}

fn main() {}
