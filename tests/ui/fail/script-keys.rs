//! A script uses only keys and arguments that its fields provide.

use redis_keyspace::{Counter, Key, Keyspace, Script};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    stock: fn(id: u64) -> Counter,
}

#[derive(Script)]
#[script(source = "return redis.call('GET', KEYS[2])")]
struct OneKey {
    stock: Key<ShopKeys, Counter>,
}

#[derive(Script)]
#[script(source = "return redis.call('INCRBY', KEYS[1], ARGV[1])")]
struct NoArgument {
    stocks: [Key<ShopKeys, Counter>; 2],
}

#[derive(Script)]
#[script(source = " ")]
struct Empty;

#[derive(Script)]
#[script(source = "return redis.call('GET', KEYS[0])")]
struct Zero {
    stock: Key<ShopKeys, Counter>,
}

fn main() {}
