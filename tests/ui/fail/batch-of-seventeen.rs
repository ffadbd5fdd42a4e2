use redis_keyspace::{Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    a: Text,
}

async fn run(redis: &Redis) {
    let _ = redis
        .batch((
            CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(),
            CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(),
            CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(),
            CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(), CartKeys::a().get(),
            CartKeys::a().get(),
        ))
        .await;
}

fn main() {
    let _ = run;
}
