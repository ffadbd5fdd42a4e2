use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Id<T>(T);

fn main() {}
