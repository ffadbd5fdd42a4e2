//! A token that expires, as cloud providers issue it instead of a password.
//!
//! `cargo run --example credentials` runs on the embedded server, whose tokens live for two
//! seconds. With a real provider, `token` calls its SDK, and tokens live for 15 minutes or an hour.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::config::Credentials;
use redis_keyspace::embedded::Server;
use redis_keyspace::{Counter, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "credentials-example", ttl = "1h")]
struct ExampleKeys {
    visits: fn(page: &str) -> Counter,
}

/// What the identity service of a cloud provider returns.
struct Token {
    user: String,
    secret: String,
    expires_in: Duration,
}

/// Stands for the SDK: requests a token for the identity of this machine. Here, the server itself
/// accepts each new token and forgets the one before.
async fn token(server: &Server) -> Result<Token, std::io::Error> {
    static ISSUED: AtomicU32 = AtomicU32::new(0);
    let nth = ISSUED.fetch_add(1, Ordering::Relaxed) + 1;
    println!("token {nth} is issued");
    let token =
        Token { user: "app".to_owned(), secret: format!("token-{nth}"), expires_in: Duration::from_secs(2) };
    server.set_user(&token.user, &token.secret);
    Ok(token)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().password("not used").build();
    let issuer = server.clone();
    let redis = Redis::builder()
        .embedded(server.clone())
        .credentials(move || {
            let issuer = issuer.clone();
            async move {
                let Token { user, secret, expires_in } = token(&issuer).await?;
                Ok::<_, std::io::Error>(Credentials::new(user, secret).expires_in(expires_in))
            }
        })
        .build()?;

    redis.connect().await?;
    let connections = server.connection_count();
    redis
        .scope(async {
            for _ in 0..4 {
                let visits = ExampleKeys::visits("home").incr().await?;
                println!("visit {visits}, on {} connections", server.connection_count());
                tokio::time::sleep(Duration::from_millis(800)).await;
            }
            ExampleKeys::visits("home").del().await
        })
        .await?;
    // The connections logged in with the later tokens. None was dropped.
    assert_eq!(redis.stats().connections[0].connects, u64::try_from(connections)?);
    redis.close().await;
    Ok(())
}
