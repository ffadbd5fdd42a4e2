//! A scan is used as an iterator, but it is a stream.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: u64, device: &str) -> Text,
}

async fn print() -> redis_keyspace::Result<()> {
    for found in SessionKeys::session_keys().scan() {
        println!("{}", found?.key());
    }
    Ok(())
}

fn main() {}
