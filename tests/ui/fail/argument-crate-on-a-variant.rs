use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    #[key(crate = redis_keyspace)]
    Phone,
}

fn main() {}
