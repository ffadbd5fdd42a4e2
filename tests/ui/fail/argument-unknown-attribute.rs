use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    #[key(rename = "p")]
    Phone,
}

fn main() {}
