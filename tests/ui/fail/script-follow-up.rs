//! A mistake in a script is one error, although the program uses the script.

use redis_keyspace::{Counter, Key, Keyspace, Script};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    stock: fn(id: u64) -> Counter,
}

#[derive(Script)]
#[script(source = 5, returns = i64)]
struct NotAText {
    stock: Key<ShopKeys, Counter>,
}

#[derive(Script)]
#[script(file = "missing.lua", returns = i64)]
struct Missing {
    stock: Key<ShopKeys, Counter>,
}

#[derive(Script)]
#[script(source = "return 1", returns = i64)]
struct Generic<T> {
    #[script(argument)]
    argument: T,
}

#[derive(Script)]
#[script(source = "return 1", return = Vec<(i64, i64)>)]
struct Misspelled;

#[derive(Script)]
#[script(source = "return 1", returns = 1)]
struct Unknown;

#[derive(Script)]
#[script(source = "return 1", read_only, read_only = false)]
struct Twice {
    #[script(arg)]
    #[script(arg = Counter)]
    amount: u64,
}

async fn run() -> redis_keyspace::Result<()> {
    let stock = ShopKeys::stock(1);
    let missing: i64 = Missing { stock }.run().await?;
    let generic: i64 = Generic { argument: missing }.run().await?;
    let pairs: Vec<(i64, i64)> = Misspelled.run().await?;
    let unknown: u8 = Unknown.run().await?;
    Twice { amount: generic.unsigned_abs() }.run().await?;
    let _ = (Missing::SOURCE, Twice::definition(), pairs, unknown);
    Ok(())
}

fn main() {
    let _ = run;
}
