use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    Phone,
    Other(String),
}

fn main() {}
