use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
struct Name<'a>(&'a str);

fn main() {}
