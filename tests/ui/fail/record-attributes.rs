use redis_keyspace::Record;

#[derive(Record)]
#[record(rename_al = "camelCase", json)]
pub struct Profile {
    #[record(rename = "b")]
    a: String,
    b: String,
    #[record(ttl = "1 hour")]
    c: Option<String>,
    #[record(json, kind = Text)]
    d: String,
    #[record(kind = "Text")]
    e: String,
    #[record(alias = "old", alias = "old")]
    f: u64,
}

#[derive(Record)]
pub struct Pair(u64, u64);

#[derive(Record)]
pub struct Page<T> {
    item: T,
}

fn main() {}
