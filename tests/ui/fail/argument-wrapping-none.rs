use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
struct Id(Point);

#[derive(Debug, Clone, PartialEq)]
struct Point;

fn main() {}
