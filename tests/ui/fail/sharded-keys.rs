use redis_keyspace::{Channel, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "chat", ttl = "1d")]
struct ChatKeys {
    #[key("title:{id}", sharded = true)]
    title: fn(id: u64) -> Text,
    #[key("room:{id}", sharded = true)]
    room: fn(id: u64) -> Channel<Text>,
}

fn main() {}
