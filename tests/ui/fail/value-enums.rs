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
    #[value(rename = "free")]
    Trial,
    #[value("pro")]
    Professional,
    #[value(rename = "")]
    Empty,
    #[value(text = "x")]
    Other,
}

#[derive(SingleValue)]
#[value(rename = "plan")]
pub enum Renamed {
    A,
}

#[derive(SingleValue)]
pub struct Id(#[value(rename = "id")] u64);

fn main() {}
