use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "session", db = 1, ttl = "1h")]
struct SessionKeys {
    #[key("token:{user}")]
    token: fn(user: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "session", db = 1, ttl = "1h")]
struct LoginKeys {
    #[key("login:{user}")]
    login: fn(user: u64) -> Text,
}

catalog!(CATALOG = [SessionKeys, LoginKeys]);

fn main() {}
