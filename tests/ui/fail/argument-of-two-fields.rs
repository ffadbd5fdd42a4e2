use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Point {
    x: u32,
    y: u32,
}

fn main() {}
