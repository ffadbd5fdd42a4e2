use redis_keyspace::{Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

async fn read(redis: &Redis) {
    redis.get(CartKeys::user(7)).await;
    redis.set("cart:user:7", "lamp").await;
    redis.del(CartKeys::user(7)).await;
    redis.scan("cart:*").await;
    redis.keys("cart:*").await;
}

fn main() {
    let _ = read;
}
