use redis_keyspace::{Keyspace, Text};

#[derive(Debug, Clone, PartialEq)]
struct Sku(String);

#[derive(Keyspace)]
#[keyspace(prefix = "stock", ttl = "1h")]
struct StockKeys {
    level: fn(sku: Sku) -> Text,
}

fn main() {
    let _ = StockKeys::level(Sku("a".to_owned()));
}
