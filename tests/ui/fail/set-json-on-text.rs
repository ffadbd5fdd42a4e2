//! `set_json` is called on a key of the kind `Text`.

use redis_keyspace::{Keyspace, Text};

#[derive(serde::Serialize, serde::Deserialize)]
struct Settings {
    dark: bool,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct UserKeys {
    settings: fn(id: u64) -> Text,
}

async fn save(id: u64, settings: &Settings) -> redis_keyspace::Result<()> {
    UserKeys::settings(id).set_json(settings).await
}

fn main() {}
