//! A string literal is passed for a parameter of the type `String`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct UserKeys {
    #[key("mail:{name}")]
    mail: fn(name: String) -> Text,
}

async fn mail_of_ada() -> redis_keyspace::Result<Option<String>> {
    UserKeys::mail("ada").get().await
}

fn main() {}
