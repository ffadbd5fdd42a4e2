use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    Phone,
    #[key("phone")]
    Mobile,
}

fn main() {}
