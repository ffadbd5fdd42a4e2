use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key("device")]
enum Device {
    Phone,
}

fn main() {}
