use redis_keyspace::{Counter, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Conuter,
    featured: Conuter,
    visits: Counter,
}

fn main() {}
