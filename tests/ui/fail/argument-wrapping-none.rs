use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Id(Point);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Point;

fn main() {}
