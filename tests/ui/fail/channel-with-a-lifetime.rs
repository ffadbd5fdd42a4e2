use redis_keyspace::{Channel, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "chat", ttl = "1d")]
struct ChatKeys {
    #[key("room:{id}", ttl = "1h")]
    room: fn(id: u64) -> Channel<Text>,
    #[key("ok:{id}")]
    ok: fn(id: u64) -> Channel<Text>,
}

fn main() {}
