//! The arguments of a constructor are in the wrong order.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: u64, device: &str) -> Text,
}

async fn log_out(user: u64, device: &str) -> redis_keyspace::Result<bool> {
    SessionKeys::session(device, user).del().await
}

fn main() {}
