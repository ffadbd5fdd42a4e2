use redis_keyspace::SingleValue;

#[derive(SingleValue)]
pub struct Speed(f64);

#[derive(SingleValue)]
pub struct Maybe(Option<u64>);

#[derive(SingleValue)]
pub struct Names(Vec<String>);

#[derive(SingleValue)]
pub struct Point {
    pub x: u32,
    pub y: u32,
}

#[derive(SingleValue)]
pub struct Nothing;

#[derive(SingleValue)]
pub struct Borrowed(&'static str);

#[derive(SingleValue)]
pub struct Generic<T>(T);

fn main() {}
