//! All that is kept of one user goes, across keyspaces and databases, and nothing of anybody else's.
//!
//! `cargo run --example clear_user` runs on the embedded server, with `REDIS_URL` set on a real one, in a namespace of its own.

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

/// Shared by all users: it stays.
#[derive(Keyspace)]
#[keyspace(prefix = "product-cache", ttl = "5m")]
struct ProductKeys {
    product: fn(id: u64) -> Text,
}

/// Forgets a user. Sessions are found by their template, with the user bound; what there is one of has its key.
async fn clear_user_data(redis: &Redis, user: &str) -> redis_keyspace::Result<u64> {
    // First what has one key, in one round trip. Loads of it that are under way store nothing any more.
    let (cart, views) = redis.batch((CartKeys::user(user).del(), CartKeys::views(user).del())).await?;
    let sessions = SessionKeys::session_keys().user(user).on(redis).delete().await?;
    Ok(sessions.affected + u64::from(cart) + u64::from(views))
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("clear-user-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace_embedded::Server::new()).build()?,
    };
    redis.clone().install();

    // One of them has chosen a name with a meaning.
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
        println!("{user:?}: {} keys are gone", clear_user_data(&redis, user).await?);
        for other in users {
            let sessions = SessionKeys::session_keys().user(other).count().await?;
            let cart = CartKeys::user(other).exists().await?;
            println!("  {other:?} has {sessions} sessions, a cart: {cart}");
        }
    }
    println!("the product cache is for all: {:?}", ProductKeys::product(7).get().await?);

    clear_user_data(&redis, "ada:admin").await?;
    ProductKeys::product(7).del().await?;
    redis.close().await;
    Ok(())
}
