use redis_keyspace::Record;

pub struct Prefs;

#[derive(Record)]
pub struct Profile {
    name: &'static str,
    prefs: Prefs,
    tags: Vec<String>,
    nested: Option<Option<u64>>,
    ratio: f32,
}

fn main() {}
