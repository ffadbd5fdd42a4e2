use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    #[key("phone:new")]
    Phone,
    #[key("")]
    Desktop,
}

fn main() {}
