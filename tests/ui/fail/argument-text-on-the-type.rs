use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
#[key("device")]
enum Device {
    Phone,
}

fn main() {}
