//! The closure is `move`, but the async block in it borrows what was moved.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(slug: &str) -> Text,
}

async fn query_title(slug: &str) -> String {
    format!("About {slug}")
}

async fn title(slug: String) -> redis_keyspace::Result<String> {
    PageKeys::title(&slug).get_or_set(move || async { query_title(&slug).await }).await
}

fn main() {}
