use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(name: str) -> Text,
}

fn unharmed() {
    let _ = CartKeys::user("a");
}

fn main() {}
