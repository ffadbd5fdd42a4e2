use redis_keyspace::SingleValue;

#[derive(SingleValue)]
pub enum Shape {
    Circle(u32),
    Square,
}

#[derive(SingleValue)]
pub enum Never {}

#[derive(SingleValue)]
pub enum Plan {
    Free,
    #[single_value(rename = "free")]
    Trial,
    #[single_value("pro")]
    Professional,
    #[single_value(rename = "")]
    Empty,
    #[single_value(text = "x")]
    Other,
}

#[derive(SingleValue)]
#[single_value(rename = "plan")]
pub enum Renamed {
    A,
}

#[derive(SingleValue)]
pub struct Id(#[single_value(rename = "id")] u64);

fn main() {}
