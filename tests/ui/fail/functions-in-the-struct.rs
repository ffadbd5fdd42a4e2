//! A key is declared as a function instead of a field whose type is `fn(..)`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    fn user(id: u64) -> Text;
}

async fn read(id: u64) -> redis_keyspace::Result<Option<String>> {
    CartKeys::user(id).get().await
}

fn main() {}
