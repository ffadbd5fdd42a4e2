use redis_keyspace::{Counter, Json, Keyspace};

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 70_000, tll = "1h")]
pub struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{ids}")]
    user: fn(id: u64) -> Json<String>,

    /// How often a shopper viewed the cart.
    #[key("views:{id}", ttl = "30x")]
    views: fn(id: u64) -> Counter,

    /// What the shop front shows.
    #[key("featured:*")]
    featured: Json<Vec<String>>,
}

fn main() {}
