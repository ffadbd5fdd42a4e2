use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    #[key("phone:new")]
    Phone,
    #[key("")]
    Desktop,
}

fn main() {}
