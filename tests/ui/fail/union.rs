use redis_keyspace::Keyspace;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
union CartKeys {
    user: u64,
}

fn main() {}
