//! A generic function reads values, but its bound allows kinds without values.

use redis_keyspace::kind::Kind;
use redis_keyspace::{Key, Keyspace};

async fn is_cached<S, V>(key: &Key<S, V>) -> redis_keyspace::Result<bool>
where
    S: Keyspace,
    V: Kind,
{
    let value = key.get().await?;
    Ok(value.is_some())
}

fn main() {}
