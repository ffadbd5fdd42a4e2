use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Size {
    Größer,
}

fn main() {}
