//! The attributes of a script.

use redis_keyspace::{Counter, Key, Keyspace, Script};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    stock: fn(id: u64) -> Counter,
}

#[derive(Script)]
struct WithoutText {
    stock: Key<ShopKeys, Counter>,
}

#[derive(Script)]
#[script(source = "return 1", function = "one")]
struct TwoTexts;

#[derive(Script)]
#[script(source = "return 1", return = i64)]
struct Misspelled;

#[derive(Script)]
#[script(function = "shop.take")]
struct WithLibrary;

#[derive(Script)]
#[script(source = "return ARGV[1]")]
struct WrongField {
    #[script(argument)]
    amount: u64,
}

#[derive(Script)]
#[script(source = "return 1")]
enum NotAStruct {
    A,
}

async fn run() {
    let _ = WithoutText { stock: ShopKeys::stock(1) }.run().await;
}

fn main() {
    let _ = run;
}
