//! Keyspaces without a common key compile, and so do keyspaces on different databases or on a
//! dedicated server.

use redis_keyspace::catalog::Catalog;
use redis_keyspace::{Counter, KeyArgument, Keyspace, Text, catalog};

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    Desktop,
}

#[derive(Keyspace)]
#[keyspace(prefix = "session", db = 1, ttl = "1h")]
pub struct SessionKeys {
    #[key("{user}")]
    by_user: fn(user: u64) -> Text,
    #[key("{device}")]
    by_device: fn(device: Device) -> Text,
    #[key("me")]
    me: Text,
    #[key("{user}:{device}")]
    session: fn(user: u64, device: &str) -> Text,
    #[key("{user}:{device}:at")]
    at: fn(user: u64, device: &str) -> Counter,
    #[key("u:{user}:x")]
    x: fn(user: &str) -> Text,
    #[key("u:{user}:y")]
    y: fn(user: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "session", db = 2, ttl = "1h")]
struct OtherDatabase {
    #[key("{user}")]
    by_user: fn(user: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", server = "third", ttl = "1h")]
struct ThirdServer {
    #[key("{user}")]
    by_user: fn(user: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", server = "other", dedicated_server, ttl = "1h")]
struct OtherServer {
    #[key("{user}")]
    by_user: fn(user: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "sessions", ttl = "1h")]
struct OtherPrefix {
    #[key("{user}")]
    by_user: fn(user: u64) -> Text,
}

catalog!(
    /// All of it.
    pub CATALOG = [SessionKeys, OtherDatabase, OtherServer, ThirdServer, OtherPrefix]
);

pub fn main() {
    let catalog: Catalog = CATALOG;
    assert_eq!(catalog.keyspaces().len(), 5);
    assert!(OtherServer::META.has_dedicated_server() && !ThirdServer::META.has_dedicated_server());
    let pattern: SessionKeysPattern<Text, _> = SessionKeys::session_keys().user(7).device("*");
    assert_eq!(pattern.glob(), "session:7:%2A");
    assert_eq!(SessionKeys::session_keys().device("a[b]").glob(), "session:*:a%5Bb%5D");
}
