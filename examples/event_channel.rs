//! Prices that several processes show. The price is stored under a key, and a channel announces
//! each change. A reader that missed a message loads the stored price.
//!
//! `cargo run --example event_channel` runs on the embedded server. With `REDIS_URL` set, it runs
//! on that server, in a separate namespace.

use redis_keyspace::channel::{Event, PatternSubscription};
use redis_keyspace::{Channel, Json, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: u64,
}

#[derive(Keyspace)]
#[keyspace(prefix = "shop")]
struct ShopKeys {
    #[key("price:{article}", ttl = none)]
    price: fn(article: u32) -> Json<Price>,
    /// The new price. A channel stores nothing, so it has no TTL.
    #[key("changed:{article}")]
    changed: fn(article: u32) -> Channel<Json<Price>>,
}

/// Stores a price, and tells all displays about it.
async fn set_price(article: u32, cents: u64) -> redis_keyspace::Result<()> {
    let price = Price { cents };
    ShopKeys::price(article).set(&price).await?;
    let connections = ShopKeys::changed(article).publish(&price).await?;
    println!("article {article} costs {cents} now; {connections} connections know it");
    Ok(())
}

type Changes = PatternSubscription<ShopKeys, Json<Price>>;

/// Shows prices as they change, until it has shown `count` of them.
async fn show(name: &str, mut changes: Changes, mut count: u32) -> redis_keyspace::Result<()> {
    while count > 0 {
        match changes.next().await.transpose()? {
            Some(Event::Message((found, price))) => {
                let ParsedShopKeys::Changed { article } = found.arguments() else { continue };
                println!("{name}: article {article} costs {}", price.cents);
                count -= 1;
            }
            // Messages may be missing. A real display would load all prices that it shows.
            Some(_) => println!("{name}: loads the stored prices"),
            None => break,
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("event-channel-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    // The server has confirmed it, so no later message is missed.
    let changes = ShopKeys::changed_keys().all().subscribe().await?;
    let showing = tokio::spawn(show("display", changes, 3));

    set_price(1, 100).await?;
    set_price(2, 250).await?;
    set_price(1, 90).await?;
    showing.await.expect("the display does not panic")?;

    println!("stored: {:?}", ShopKeys::price(1).get().await?);
    ShopKeys::price_keys().all().delete().await?;
    redis.close().await;
    Ok(())
}
