use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    #[key("phone", "mobile")]
    Phone,
}

fn main() {}
