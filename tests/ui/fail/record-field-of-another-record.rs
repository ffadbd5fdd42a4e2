use redis_keyspace::{Keyspace, Record, Redis};

#[derive(Record)]
pub struct Profile {
    name: String,
    visits: u64,
}

#[derive(Record)]
pub struct Order {
    total: u64,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
pub struct UserKeys {
    profile: fn(id: u64) -> Record<Profile>,
}

async fn foreign(redis: &Redis) {
    let profile = UserKeys::profile(7).on(redis);
    let _ = profile.get(Order::TOTAL).await;
    let _ = profile.set(Order::TOTAL, &1).await;
}

async fn wrong(redis: &Redis) {
    let profile = UserKeys::profile(7).on(redis);
    let _ = profile.incr(Profile::NAME, 1).await;
    let _ = profile.set(Profile::VISITS, "many").await;
    let _ = profile.remove(Profile::NAME).await;
}

fn main() {}
