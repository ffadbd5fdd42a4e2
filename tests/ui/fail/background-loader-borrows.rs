//! A loader that runs in the background borrows from its caller.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

struct Database;

impl Database {
    async fn items(&self, id: u64) -> Vec<String> {
        vec![format!("item {id}")]
    }
}

async fn cart(database: &Database, id: u64) -> redis_keyspace::Result<Vec<String>> {
    CartKeys::user(id).get_or_set(move || database.items(id)).in_background().await
}

fn main() {}
