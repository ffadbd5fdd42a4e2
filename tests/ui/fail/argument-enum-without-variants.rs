use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Never {}

fn main() {}
