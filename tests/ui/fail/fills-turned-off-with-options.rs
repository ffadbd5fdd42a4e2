use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", fills = false, stale_for = "1h", ttl_jitter = "10%")]
pub struct CartKeys {
    #[key("user:{id}", early_refresh = "80%")]
    user: fn(id: u64) -> Text,
    #[key("page:{id}", fills = true, across_processes)]
    page: fn(id: u64) -> Text,
    #[key("seen:{id}", fills = false, negative_ttl = "30s", wait_timeout = "5s")]
    seen: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "order", ttl = "1h", stale_for = "1h")]
pub struct OrderKeys {
    #[key("one:{id}", fills = false, hard_timeout = "1s")]
    one: fn(id: u64) -> Text,
    #[key("two:{id}", fills = false)]
    two: fn(id: u64) -> Text,
    #[key("three:{id}", fills = true)]
    three: fn(id: u64) -> Text,
}

fn main() {}
