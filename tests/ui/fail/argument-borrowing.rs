use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
struct Name(&'static str);

fn main() {}
