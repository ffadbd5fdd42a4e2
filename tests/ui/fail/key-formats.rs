use redis_keyspace::{KeyArgument, Keyspace, Text};

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z:", len = 26)]
struct WithColon(String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "z-a")]
struct Backwards(String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(len = 26)]
struct WithoutAlphabet(String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z", len = 0)]
struct OfNoLength(String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z")]
enum Device {
    Phone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z_")]
struct WithSeparator(String);

#[derive(Keyspace)]
#[keyspace(prefix = "formats", ttl = "1h")]
struct FormatKeys {
    #[key("{a}_{b}")]
    app: fn(a: WithSeparator, b: WithSeparator) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "loose", ttl = "1h")]
struct LooseKeys {
    #[key(parse = "no")]
    unclear: fn(id: u64) -> Text,
    #[key(into = day)]
    converted: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "overlap", ttl = "1h")]
struct OverlapKeys {
    #[key("x/{a}-{b}", parse = false)]
    loose: fn(a: u64, b: u64) -> Text,
    #[key("x/{id}/y")]
    within: fn(id: u64) -> Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z", len = ..=40)]
struct WithoutMinimum(String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
#[key(alphabet = "a-z", len = 1..40)]
struct WithoutEquals(String);

#[derive(Keyspace)]
#[keyspace(prefix = "borrowed", ttl = "1h")]
struct BorrowedKeys {
    #[key(into = name)]
    user: fn(name: &str) -> Text,
}

fn main() {}
