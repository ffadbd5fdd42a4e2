use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}", hash_tag = ids)]
    misspelled: fn(id: u64) -> Text,
    #[key("shop:{id}", hash_tag = user)]
    unknown: fn(id: u64) -> Text,
    #[key("all", hash_tag = id)]
    without_parameters: Text,
    #[key("quoted:{id}", hash_tag = "id")]
    quoted: fn(id: u64) -> Text,
    #[key("{{x}}:{id}", hash_tag = id)]
    two: fn(id: u64) -> Text,
    #[key("empty:{id}", hash_tag)]
    empty: fn(id: u64) -> Text,
    #[key("typo:{id}", hashtag = id)]
    typo: fn(id: u64) -> Text,
}

fn main() {}
