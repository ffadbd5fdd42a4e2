use redis_keyspace::{Counter, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", ttl_jitter = "10", early_refresh = "101%", stale_for = 60)]
pub struct CartKeys {
    #[key("user:{id}", hard_timeout = "5", across_processes = "no", ttl_jitter = "1.25%")]
    user: fn(id: u64) -> Text,
    #[key("views:{id}", negative_ttl = 30)]
    views: fn(id: u64) -> Counter,
}

fn main() {}
