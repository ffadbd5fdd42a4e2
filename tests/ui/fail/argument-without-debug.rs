use redis_keyspace::KeyArgument;

#[derive(KeyArgument)]
struct Id(u64);

fn main() {}
