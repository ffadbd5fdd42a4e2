use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, KeyArgument)]
enum Device {
    #[key(1)]
    Phone,
    #[key(DESKTOP)]
    Desktop,
}

const DESKTOP: &str = "desktop";

fn main() {}
