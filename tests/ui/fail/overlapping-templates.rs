use redis_keyspace::{KeyArgument, Keyspace, Text};

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    Desktop,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{name}")]
    by_name: fn(name: &str) -> Text,
    #[key("user:me")]
    me: Text,
    // No overlap: a number is not a device, and neither is `me`.
    #[key("on:{device}")]
    by_device: fn(device: Device) -> Text,
    #[key("on:{id}")]
    by_id: fn(id: u64) -> Text,
    #[key("on:desk")]
    desk: Text,
    #[key("on:desktop")]
    desktop: Text,
    #[key("on:{id}:x")]
    x: fn(id: u64) -> Text,
    #[key("on:{a}:{b}")]
    pair: fn(a: u8, b: &str) -> Text,
}

fn main() {}
