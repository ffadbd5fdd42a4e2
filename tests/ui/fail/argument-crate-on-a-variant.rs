use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    #[key(crate = redis_keyspace)]
    Phone,
}

fn main() {}
