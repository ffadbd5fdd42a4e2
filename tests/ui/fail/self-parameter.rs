//! The constructor takes `&self`, as a method would.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(&self, id: u64) -> Text,
}

async fn read(id: u64) -> redis_keyspace::Result<Option<String>> {
    CartKeys::user(id).get().await
}

fn main() {}
