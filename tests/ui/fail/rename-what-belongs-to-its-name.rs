use redis_keyspace::{Group, Keyspace, Lock, Once, RateLimit, Text};

// After a rename, a second caller could hold the lock, run the work or exceed the limit.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    lock: fn(id: u64) -> Lock,
    once: fn(id: u64) -> Once<Text>,
    limit: fn(id: u64) -> RateLimit,
    group: fn(id: u64) -> Group,
}

fn main() {
    let _ = CartKeys::lock(1).rename(&CartKeys::lock(2));
    let _ = CartKeys::lock(1).rename_if_absent(&CartKeys::lock(2));
    let _ = CartKeys::once(1).rename(&CartKeys::once(2));
    let _ = CartKeys::limit(1).rename(&CartKeys::limit(2));
    let _ = CartKeys::group(1).rename(&CartKeys::group(2));
}
