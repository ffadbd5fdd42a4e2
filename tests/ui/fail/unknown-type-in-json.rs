use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Crat>,
    featured: Json<Vec<Crat>>,
}

struct Cart;

fn main() {}
