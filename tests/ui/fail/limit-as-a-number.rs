//! A rate limit is checked against a number instead of a `Rate`.

use redis_keyspace::{Keyspace, RateLimit};

#[derive(Keyspace)]
#[keyspace(prefix = "api", ttl = none)]
struct ApiKeys {
    calls: fn(user: u64) -> RateLimit,
}

async fn is_allowed(user: u64) -> redis_keyspace::Result<bool> {
    let decision = ApiKeys::calls(user).check(100).await?;
    Ok(decision.allowed)
}

fn main() {}
