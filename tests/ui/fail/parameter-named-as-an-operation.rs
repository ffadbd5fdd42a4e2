use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("pages:{count}")]
    pages: fn(count: u64) -> Text,
    #[key("jobs:{allow_repeats}")]
    jobs: fn(allow_repeats: bool) -> Text,
}

fn main() {}
