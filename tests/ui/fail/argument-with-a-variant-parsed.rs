//! The name of an associated type causes no second error.

use redis_keyspace::KeyArgument;

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum State {
    Parsed,
    #[key("a b")]
    Open,
}

fn main() {
    let _ = (State::Parsed, State::Open);
}
