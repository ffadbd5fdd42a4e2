//! On a cluster, databases do not keep keyspaces apart.

use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "user", db = 1, ttl = "1h")]
pub struct UserKeys {
    name: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", db = 2, ttl = "1h")]
pub struct OtherUserKeys {
    name: fn(id: u64) -> Text,
}

catalog!(pub SEPARATE = [UserKeys, OtherUserKeys]);
catalog!(pub CATALOG = [UserKeys, OtherUserKeys], cluster);

fn main() {}
