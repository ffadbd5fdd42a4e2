use redis_keyspace::{Bitmap, Geo, Hash, Keyspace, List, Set, Stream, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", stale_for = "1d")]
pub struct CartKeys {
    /// On the struct, the option applies to the fields with fills.
    items: fn(id: u64) -> Set<u64>,
    #[key("seen:{id}", stale_for = "1h")]
    seen: fn(id: u64) -> List<Text>,
    #[key("prices:{id}", fills = true, stale_for = "1h")]
    prices: fn(id: u64) -> Hash<Text, u64>,
    #[key("log:{id}", fills = true)]
    log: fn(id: u64) -> Stream<Text>,
    #[key("bits:{id}", fills = true)]
    bits: fn(id: u64) -> Bitmap,
    #[key("places:{id}", fills = true)]
    places: fn(id: u64) -> Geo<u64>,
}

/// A counter is not filled.
async fn counted(key: redis_keyspace::Key<CartKeys, redis_keyspace::Counter>) {
    key.get_or_set(|| async { 1 });
}

fn main() {}
