use redis_keyspace::{Counter, Json, Key, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
pub struct CartKeys {
    #[key("user:{ids}")]
    user: fn(id: u64) -> Json<String>,
    views: fn(id: u64) -> Counter,
    featured: Json<Vec<String>>,
}

fn make() -> Key<CartKeys, Json<String>> {
    let _: Key<CartKeys, Counter> = CartKeys::views(7);
    let _: Key<CartKeys, Json<Vec<String>>> = CartKeys::featured();
    CartKeys::user(7)
}

fn read(key: &str) -> Option<u64> {
    match CartKeys::parse(key).ok()? {
        ParsedCartKeys::User { id } | ParsedCartKeys::Views { id } => Some(id),
        ParsedCartKeys::Featured => None,
    }
}

fn main() {
    let _ = read(make().as_str());
    let _ = CartKeys::META.prefix();
}
