use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    #[key("phone")]
    Mobile,
}

fn main() {}
