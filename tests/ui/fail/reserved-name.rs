use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    parse: fn(id: u64) -> Text,
    identify: Text,
    from_captures: Text,
    #[allow(non_snake_case)]
    META: Text,
    cart_keys: Text,
    __user: fn(id: u64) -> Text,

    #[key("parsed")]
    r#parse: Text,
}

fn main() {}
