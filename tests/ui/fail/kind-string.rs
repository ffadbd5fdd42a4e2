use redis_keyspace::Keyspace;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    name: fn(id: u64) -> String,
    text: fn(id: u64) -> &'static str,
    bytes: fn(id: u64) -> Vec<u8>,
    float: fn(id: u64) -> f64,
}

fn main() {}
