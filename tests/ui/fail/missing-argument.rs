//! A constructor is called without its second argument.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: u64, device: &str) -> Text,
}

async fn log_out(user: u64) -> redis_keyspace::Result<bool> {
    SessionKeys::session(user).del().await
}

fn main() {}
