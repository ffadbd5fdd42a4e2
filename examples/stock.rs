//! Reserves items from a stock with a Lua script: several keys change together, in one round trip,
//! and never below zero.
//!
//! `cargo run --example stock` runs on the embedded server, with a Rust version of the script. With
//! `REDIS_URL` set, it runs on that server, in a separate namespace.

use redis_keyspace::bytes::Bytes;
use redis_keyspace::embedded::{Reply, ScriptContext, Server};
use redis_keyspace::{Counter, Hash, Json, Key, Keyspace, List, Redis, Script};
use serde::{Deserialize, Serialize};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = none)]
struct ShopKeys {
    /// The hash tag keeps the keys of an item on one node of a cluster.
    #[key("stock:{item}", hash_tag = item)]
    stock: fn(item: u64) -> Counter,
    #[key("reserved:{item}", hash_tag = item)]
    reserved: fn(item: u64) -> Hash<u64, u64>,
    #[key("orders:{item}", hash_tag = item)]
    orders: fn(item: u64) -> List<Json<Order>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    customer: u64,
    amount: u64,
}

/// Reserves items and stores the order. Returns how many items are left, or nothing if there are
/// too few.
#[derive(Script)]
#[script(file = "stock.lua", returns = Option<u64>)]
struct Reserve<'o> {
    stock: Key<ShopKeys, Counter>,
    reserved: Key<ShopKeys, Hash<u64, u64>>,
    orders: Key<ShopKeys, List<Json<Order>>>,
    #[script(arg = Json<Order>)]
    order: &'o Order,
    #[script(arg)]
    customer: u64,
    #[script(arg)]
    amount: u64,
}

async fn reserve(item: u64, order: &Order) -> redis_keyspace::Result<Option<u64>> {
    let script = Reserve {
        stock: ShopKeys::stock(item),
        reserved: ShopKeys::reserved(item),
        orders: ShopKeys::orders(item),
        order,
        customer: order.customer,
        amount: order.amount,
    };
    script.run().await
}

/// The script in Rust, for the embedded server.
fn native(script: &mut ScriptContext<'_, '_>, keys: &[Bytes], arguments: &[Bytes]) -> Reply {
    let ([stock, reserved, orders], [order, customer, amount]) = (keys, arguments) else {
        return Reply::error("ERR the script takes three keys and three arguments");
    };
    let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<i64>().ok();
    let there = match script.call(&[&b"GET"[..], stock]) {
        Reply::Bulk(text) => number(&text).unwrap_or_default(),
        _ => 0,
    };
    let left = there - number(amount).unwrap_or_default();
    if left < 0 {
        return Reply::Nil;
    }
    script.call(&[&b"SET"[..], stock, left.to_string().as_bytes()]);
    script.call(&[&b"HINCRBY"[..], reserved, customer, amount]);
    script.call(&[&b"RPUSH"[..], orders, order]);
    Reply::Integer(left)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("stock-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => {
            let server = Server::new();
            server.register_script(Reserve::SOURCE, native);
            builder.embedded(server).build()?
        }
    };
    redis.clone().install();
    ShopKeys::stock(7).set(10).await?;

    // 20 customers want 3 of 10 items at the same time.
    let orders = (1..=20).map(|customer| Order { customer, amount: 3 });
    let tasks: Vec<_> = orders.map(|order| tokio::spawn(async move { reserve(7, &order).await })).collect();
    let mut served = 0;
    for task in tasks {
        served += usize::from(task.await.expect("no panic")?.is_some());
    }
    println!("customers served: {served}");
    let (left, reserved, orders) = redis
        .batch((ShopKeys::stock(7).get(), ShopKeys::reserved(7).hlen(), ShopKeys::orders(7).lrange(..)))
        .await?;
    println!("left: {left}, reserved by {reserved} customers, orders: {}", orders.len());
    assert_eq!((served, left, reserved, orders.len()), (3, 1, 3, 3));
    // Leave nothing behind.
    redis.batch((ShopKeys::stock(7).del(), ShopKeys::reserved(7).del(), ShopKeys::orders(7).del())).await?;

    redis.close().await;
    Ok(())
}
