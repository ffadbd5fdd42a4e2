//! The second parameter of `Key` is the kind, not the type of the value.

use redis_keyspace::{Json, Key, Keyspace};

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Cart>,
}

struct Checkout {
    key: Key<CartKeys, Cart>,
}

fn checkout(id: u64) -> Checkout {
    Checkout { key: CartKeys::user(id) }
}

fn main() {}
