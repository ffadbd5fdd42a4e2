//! A `String` is passed for a parameter of the type `&str`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct UserKeys {
    #[key("mail:{name}")]
    mail: fn(name: &str) -> Text,
}

async fn mail(name: String) -> redis_keyspace::Result<Option<String>> {
    UserKeys::mail(name).get().await
}

fn main() {}
