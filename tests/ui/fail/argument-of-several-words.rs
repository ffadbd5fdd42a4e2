use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{page}:{tags}:views")]
    user: fn(page: Option<u32>, tags: &[String]) -> Text,
}

fn main() {}
