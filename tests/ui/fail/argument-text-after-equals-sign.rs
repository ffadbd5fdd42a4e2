use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    #[key = "phone"]
    Phone,
}

fn main() {}
