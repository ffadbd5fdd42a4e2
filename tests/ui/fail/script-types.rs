//! The types of the fields and of the result of a script.

use redis_keyspace::{Counter, Key, Keyspace, Script};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    stock: fn(id: u64) -> Counter,
}

struct Order {
    id: u64,
}

#[derive(Script)]
#[script(source = "return ARGV[1]")]
struct NotAnArgument {
    #[script(arg)]
    order: Order,
}

#[derive(Script)]
#[script(source = "return 1")]
struct NotAKey {
    amount: u64,
}

#[derive(Script)]
#[script(source = "return 1", returns = Order)]
struct NotAResult {
    stock: Key<ShopKeys, Counter>,
}

fn main() {
    let _ = Order { id: 1 }.id;
}
