use redis_keyspace::{Counter, Group, Keyspace, Lock, Once, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
pub struct CartKeys {
    #[key("views:{id}", fills = true)]
    views: fn(id: u64) -> Counter,
    #[key("lock:{id}", fills = true)]
    lock: fn(id: u64) -> Lock,
    #[key("sent:{id}", fills = false)]
    sent: fn(id: u64) -> Once<Text>,
    /// True, and therefore valid.
    #[key("all", fills = false)]
    all: Group,
}

/// On the struct, the option applies to the other fields.
#[derive(Keyspace)]
#[keyspace(prefix = "order", ttl = "1h", fills = false)]
pub struct OrderKeys {
    sent: fn(id: u64) -> Once<Text>,
    text: fn(id: u64) -> Text,
}

fn main() {}
