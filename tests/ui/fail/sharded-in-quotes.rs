use redis_keyspace::{Channel, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "chat")]
struct ChatKeys {
    #[key("room:{id}", sharded = "true")]
    room: fn(id: u64) -> Channel<Text>,
}

fn main() {}
