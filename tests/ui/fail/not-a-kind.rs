use redis_keyspace::Keyspace;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Cart,
    featured: Cart,
}

struct Cart;

fn main() {}
