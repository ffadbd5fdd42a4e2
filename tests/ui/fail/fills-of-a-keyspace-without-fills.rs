//! Nothing can be filled in a keyspace with `fills = false`.

use redis_keyspace::{Json, Key, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", fills = false)]
pub struct CartKeys {
    user: fn(id: u64) -> Text,
    items: fn(id: u64) -> Json<Vec<u64>>,
}

async fn of_one_key() {
    let _ = CartKeys::user(7).get_or_set(|| async { "x".to_owned() }).await;
    let _ = CartKeys::user(7).try_get_or_set(|| async { Ok::<_, ()>("x".to_owned()) }).await;
    let _ = CartKeys::user(7).get_or_set_optional(|| async { None }).await;
    let _ = CartKeys::user(7).try_get_or_set_optional(|| async { Ok::<_, ()>(None) }).await;
    let _ = CartKeys::items(7).get_or_set_json(|| async { vec![1] }).await;
}

async fn of_many_keys() {
    let _ = Key::get_or_set_many([7], CartKeys::user, |_: Vec<u64>| async { [(7, "x".to_owned())] }).await;
    let _ = Key::try_get_or_set_many([7], CartKeys::user, |_: Vec<u64>| async {
        Ok::<_, ()>([(7, "x".to_owned())])
    })
    .await;
}

async fn of_any_keyspace<S: Keyspace>(key: &Key<S, Text>) {
    let _ = key.get_or_set(|| async { "x".to_owned() }).await;
}

fn main() {}
