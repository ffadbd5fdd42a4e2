use redis_keyspace::{Keyspace, Text};

// Keys of `free` can't be told from other keys, so there is no scan or deletion of them.
#[derive(Keyspace)]
#[keyspace(prefix = "legacy", ttl = "1h")]
struct LegacyKeys {
    #[key("free/{a}-{b}", parse = false)]
    free: fn(a: &str, b: &str) -> Text,
}

fn main() {
    let _ = LegacyKeys::free_keys();
}
