use redis_keyspace::{Counter, Json, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

/// Shopping carts. Values expire one hour after they are written.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    /// The open cart of a user.
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,

    /// How often the user looked at it. Expires 30 days after the first view.
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,
}

#[tokio::main]
async fn main() -> Result<(), redis_keyspace::Error> {
    // A server within this process. To use a real one: Redis::open("redis://localhost")?
    Redis::embedded().install();

    // Reads the cart. If it is missing, one task runs the loader and stores its result.
    let cart = CartKeys::user(7).get_or_set(|| async { Cart::default() }).await?;
    println!("{} is {cart:?}", CartKeys::user(7));

    // Reads, changes and writes the cart atomically.
    CartKeys::user(7).update(|cart| cart.items.push("lamp".into())).await?;
    let cart = CartKeys::user(7).get_json().await?;
    println!("{} is {cart:?}", CartKeys::user(7));

    CartKeys::views(7).incr().await?;
    let views = CartKeys::views(7).incr().await?;
    println!("{} is {views}", CartKeys::views(7));

    // Deletes all carts, and nothing else.
    let deleted = CartKeys::user_keys().all().delete().await?;
    println!("deleted {} cart", deleted.affected);
    Ok(())
}
