use redis_keyspace::Keyspace;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys;

fn main() {}
