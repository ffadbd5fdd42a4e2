//! A shopping cart kept in Redis.
//!
//! `cargo run --example quickstart` needs no server: it runs on the embedded one. With `REDIS_URL`
//! or `REDIS_HOST` set, it runs on that server and leaves its keys there for you to inspect.

use std::time::Duration;

use redis_keyspace::{Counter, Json, Key, Keyspace, Redis, Text};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u32,
    cents: u64,
}

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,

    /// How often the shopper viewed the cart.
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,

    /// Products on the front page.
    #[key("featured", ttl = none)]
    featured: Json<Vec<String>>,

    /// A shopper's note, by a name that the shopper chose.
    note: fn(author: &str) -> Text,
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let redis = if ["REDIS_URL", "REDIS_HOST"].iter().any(|name| std::env::var_os(name).is_some()) {
        let redis = Redis::from_env()?;
        redis.connect().await?;
        println!("Running on a real server: {redis:?}\n");
        redis
    } else {
        println!("Running on the embedded server; its data is lost at exit.");
        println!("Set REDIS_URL to run on a real server.\n");
        Redis::embedded()
    };
    redis.clone().install();
    Key::del_many([CartKeys::user(7), CartKeys::user(8)]).await?;
    CartKeys::views(7).del().await?;

    println!("A key is a value; constructing one does no I/O: {}", CartKeys::user(7));
    let none: Option<Cart> = CartKeys::user(7).get_json().await?;
    println!("GET {} -> {none:?}", CartKeys::user(7));

    let cart = Cart { items: vec![Item { sku: "lamp".into(), quantity: 1, cents: 1999 }] };
    CartKeys::user(7).set_json(&cart).await?;
    println!("SET {} .. EX 3600", CartKeys::user(7));

    let found = CartKeys::user(7).get_json().await?;
    println!("GET {} -> {found:?}", CartKeys::user(7));
    println!("Its remaining TTL: {:?}\n", CartKeys::user(7).ttl().await?);

    let loads = std::sync::atomic::AtomicU32::new(0);
    for _ in 0..3 {
        let cart = CartKeys::user(8)
            .get_or_set(|| async {
                loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Cart::default() // a slow query, in a real program
            })
            .await?;
        assert_eq!(cart, Cart::default());
    }
    println!("get_or_set, three times: the loader ran {loads:?} time(s)");

    let views = CartKeys::views(7);
    for _ in 0..3 {
        views.incr().await?;
    }
    println!("{views} counts {} views, atomically\n", views.get().await?);

    CartKeys::featured().set_json(&vec!["lamp".into(), "chair".into()]).await?;
    let (cart, views, featured) =
        redis.batch((CartKeys::user(7).get(), CartKeys::views(7).get(), CartKeys::featured().get())).await?;
    println!("Three typed results in one round trip:\n  {cart:?}\n  {views}\n  {featured:?}\n");

    let rude = "*:{admin}";
    CartKeys::note(rude).set("an argument never affects other keys").ttl(Duration::from_secs(60)).await?;
    println!("Special characters are escaped: {rude:?} becomes {}", CartKeys::note(rude));
    println!("The key parses back: {:?}\n", CartKeys::parse(CartKeys::note(rude).as_str()).ok());
    CartKeys::note(rude).del().await?;

    println!(
        "{}",
        redis
            .stats()
            .connections
            .iter()
            .map(|c| format!("pool {} on db {}: {:?}, {} keyspace(s)", c.key, c.db, c.status, c.refs))
            .collect::<Vec<_>>()
            .join("\n")
    );
    redis.close().await;
    Ok(())
}
