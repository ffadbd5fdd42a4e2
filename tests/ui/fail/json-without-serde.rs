use redis_keyspace::{Json, Keyspace};
use serde::Serialize;

struct Cart;

#[derive(Serialize)]
struct OneWay;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Cart>,
    one_way: fn(id: u64) -> Json<OneWay>,
}

fn main() {}
