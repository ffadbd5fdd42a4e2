use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", bound = "BoundCartKeys")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", bound = BoundPageKeys)]
struct PageKeys {
    new: fn(id: u64) -> Text,
    redis: Text,
}

// The struct is generated anyway, so its users see no second error.
fn read(pages: &BoundPageKeys) {
    let _ = pages.new(7);
}

fn main() {
    let _ = read;
}
