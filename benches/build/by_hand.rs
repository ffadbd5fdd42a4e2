//! A value is stored and read by hand.

use redis::AsyncCommands;

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = redis::Client::open("redis://127.0.0.1/")?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let cart = Cart { items: vec!["lamp".to_owned()] };
    let () = connection.set_ex("cart:user:7", serde_json::to_string(&cart)?, 3600).await?;
    let found: Option<String> = connection.get("cart:user:7").await?;
    let found: Option<Cart> = found.map(|found| serde_json::from_str(&found)).transpose()?;
    println!("{}", found.map_or(0, |cart| cart.items.len()));
    Ok(())
}
