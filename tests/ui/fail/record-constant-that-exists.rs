use redis_keyspace::Record;

#[derive(Record)]
pub struct Profile {
    name: String,
}

impl Profile {
    pub const NAME: &'static str = "profile";
}

fn main() {}
