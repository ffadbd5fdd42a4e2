use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
struct Everyone;

fn main() {}
