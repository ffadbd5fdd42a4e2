//! Sessions that each use renews, and tokens whose lifetime is data.
//!
//! `cargo run --example session` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use std::time::{Duration, SystemTime};

use redis_keyspace::{Json, Keyspace, Redis, Text};
use serde::{Deserialize, Serialize};

/// The response of the identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Token {
    access: String,
    /// In seconds, from the time of the response.
    expires_in: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    user: u64,
    roles: Vec<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1h")]
struct SessionKeys {
    #[key("{id}")]
    session: fn(id: &str) -> Json<Session>,
    #[key("auth:{user}")]
    access: fn(user: u64) -> Text,
    #[key("provider:{user}")]
    token: fn(user: u64) -> Json<Token>,
}

async fn ask_the_provider(user: u64) -> Token {
    Token { access: format!("token of {user}"), expires_in: 300 }
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("session-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();
    let minutes = |lifetime: Option<Duration>| lifetime.map_or(0, |lifetime| lifetime.as_secs().div_ceil(60));

    // A session lives for an hour after its last use: `get_ex` reads and renews it in one round
    // trip.
    let session = SessionKeys::session("s-1");
    session.set(&Session { user: 7, roles: vec!["buyer".into()] }).ttl(Duration::from_secs(60)).await?;
    println!("before the first use: {} minute", minutes(session.ttl().await?.remaining()));
    let found = session.get_ex().await?;
    println!(
        "{:?}, for {} minutes",
        found.map(|session| session.roles),
        minutes(session.ttl().await?.remaining())
    );

    // The token of this service has its own expiry, to the millisecond, which overrides the TTL of
    // the template.
    let ends = SystemTime::now() + Duration::from_secs(900);
    SessionKeys::access(7).set("eyJhbGciOi..").expire_at(ends).await?;
    println!("our token: {} minutes", minutes(SessionKeys::access(7).ttl().await?.remaining()));

    // The provider's token is fetched once and kept for its lifetime, minus a minute for using it.
    let token = SessionKeys::token(7)
        .get_or_set(|| ask_the_provider(7))
        .ttl_by(|token| Duration::from_secs(token.expires_in.saturating_sub(60)))
        .await?;
    println!("{}: {} minutes", token.access, minutes(SessionKeys::token(7).ttl().await?.remaining()));

    // Logging out deletes the token. A fetch that is in flight does not store it again.
    let late = SessionKeys::token(8).get_or_set(|| async {
        SessionKeys::token(8).del().await.ok();
        ask_the_provider(8).await
    });
    late.await?;
    println!("after logging out: {:?}", SessionKeys::token(8).get().await?);

    redis.batch((session.del(), SessionKeys::access(7).del(), SessionKeys::token(7).del())).await?;
    redis.close().await;
    Ok(())
}
