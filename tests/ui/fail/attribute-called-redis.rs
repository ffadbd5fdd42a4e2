//! The attribute of the struct is called `keyspace`, not `redis`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[redis(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Text,
}

async fn read(id: u64) -> redis_keyspace::Result<Option<String>> {
    CartKeys::user(id).get().await
}

fn main() {}
