//! `Uuid` is imported from this library, which does not export it.

use redis_keyspace::{Keyspace, Text, Uuid};

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    token: fn(session: Uuid) -> Text,
}

async fn log_out(session: Uuid) -> redis_keyspace::Result<bool> {
    SessionKeys::token(session).del().await
}

fn main() {}
