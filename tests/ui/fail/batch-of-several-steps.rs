use redis_keyspace::{Json, Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
    list: fn(id: u64) -> Json<Vec<u64>>,
}

async fn run(redis: &Redis) {
    let fill = CartKeys::user(1).get_or_set(|| async { "lamp".to_owned() });
    let _ = redis.batch((CartKeys::user(7).get(), fill)).await;
    let _ = redis.batch((CartKeys::user(7).get(), CartKeys::user(8))).await;
}

fn main() {
    let _ = run;
}
