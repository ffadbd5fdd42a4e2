//! A value is stored and read with this library.

use redis_keyspace::{Json, Keyspace, Redis};

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Redis::builder().url("redis://127.0.0.1/")?.build()?.install();
    let cart = Cart { items: vec!["lamp".to_owned()] };
    CartKeys::user(7).set(&cart).await?;
    println!("{}", CartKeys::user(7).get().await?.map_or(0, |cart| cart.items.len()));
    Ok(())
}
