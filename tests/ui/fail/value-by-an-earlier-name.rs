use redis_keyspace::SingleValue;

#[derive(SingleValue)]
pub enum Plan {
    #[value(rename = "free")]
    Trial,
}

fn main() {}
