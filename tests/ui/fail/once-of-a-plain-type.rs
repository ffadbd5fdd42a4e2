//! `Once` takes the kind of the result, not its type.

use redis_keyspace::{Keyspace, Once};

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt {
    number: u32,
}

#[derive(Keyspace)]
#[keyspace(prefix = "payment", ttl = "1d")]
struct PaymentKeys {
    request: fn(id: &str) -> Once<Receipt>,
}

fn main() {}
