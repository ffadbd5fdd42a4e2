use redis_keyspace::KeyArgument;

#[derive(KeyArgument)]
union Id {
    id: u64,
}

fn main() {}
