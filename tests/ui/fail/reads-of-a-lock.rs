use redis_keyspace::{Keyspace, Lock};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", reads = "replica")]
pub struct CartKeys {
    #[key("nightly", reads = "replica")]
    nightly: Lock,
}

fn main() {}
