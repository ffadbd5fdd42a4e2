use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(point: Point) -> Text,
}

struct Point;

fn main() {}
