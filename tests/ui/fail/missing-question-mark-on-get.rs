//! The `Result` of a command is matched as an `Option`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn print(id: u64) -> redis_keyspace::Result<()> {
    if let Some(title) = PageKeys::title(id).get().await {
        println!("{title}");
    }
    Ok(())
}

fn main() {}
