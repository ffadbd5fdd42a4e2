use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    #[key(1)]
    Phone,
    #[key(DESKTOP)]
    Desktop,
}

const DESKTOP: &str = "desktop";

fn main() {}
