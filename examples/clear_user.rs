//! Deletes all data of one user, across keyspaces, and no data of other users.
//!
//! `cargo run --example clear_user` runs on the embedded server. With `REDIS_URL` set, it runs on
//! that server, in a separate namespace.

use redis_keyspace::{Counter, Json, Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "user-session", db = 1, ttl = "1d")]
struct SessionKeys {
    #[key("user:{user}:session:{id}")]
    session: fn(user: &str, id: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 1, ttl = "1h")]
struct CartKeys {
    user: fn(user: &str) -> Json<Vec<String>>,
    #[key("user:{user}:views")]
    views: fn(user: &str) -> Counter,
}

/// Shared by all users, so it stays.
#[derive(Keyspace)]
#[keyspace(prefix = "product-cache", ttl = "5m")]
struct ProductKeys {
    product: fn(id: u64) -> Text,
}

/// Deletes all data of a user. A user has one cart and one view counter, so their keys are known.
/// Sessions are found by a scan of their template with the user bound.
async fn clear_user_data(redis: &Redis, user: &str) -> redis_keyspace::Result<u64> {
    // The single keys first, in one round trip. Loads of them that are in flight no longer store
    // their values.
    let (cart, views) = redis.batch((CartKeys::user(user).del(), CartKeys::views(user).del())).await?;
    let sessions = SessionKeys::session_keys().user(user).on(redis).delete().await?;
    Ok(sessions.affected + u64::from(cart) + u64::from(views))
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("clear-user-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    // One user name is a glob, and one contains the separator.
    let users = ["ada", "*", "ada:admin"];
    for user in users {
        for device in ["desk", "phone"] {
            SessionKeys::session(user, device).set("logged in").await?;
        }
        CartKeys::user(user).set(&vec!["lamp".to_owned()]).await?;
        CartKeys::views(user).incr().await?;
    }
    ProductKeys::product(7).set("a lamp").await?;

    for user in ["*", "ada"] {
        println!("{user:?}: deleted {} keys", clear_user_data(&redis, user).await?);
        for other in users {
            let sessions = SessionKeys::session_keys().user(other).count().await?;
            let cart = CartKeys::user(other).exists().await?;
            println!("  {other:?}: {sessions} sessions, cart: {cart}");
        }
    }
    println!("the shared product cache is untouched: {:?}", ProductKeys::product(7).get().await?);

    clear_user_data(&redis, "ada:admin").await?;
    ProductKeys::product(7).del().await?;
    redis.close().await;
    Ok(())
}
