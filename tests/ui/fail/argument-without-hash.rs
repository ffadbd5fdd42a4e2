//! Parsed keys can be collected in a `HashSet`, so their arguments need `Eq` and `Hash`.

use redis_keyspace::{KeyArgument, Keyspace, Text};

#[derive(Debug, Clone, PartialEq, KeyArgument)]
struct UserId(u64);

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct UserKeys {
    name: fn(id: UserId) -> Text,
}

fn main() {
    let _ = UserKeys::name(UserId(7));
}
