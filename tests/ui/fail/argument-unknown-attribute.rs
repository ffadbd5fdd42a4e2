use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    #[key(rename = "p")]
    Phone,
}

fn main() {}
