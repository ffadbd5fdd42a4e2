//! Scripts with generic types, lifetimes and constants.

use redis_keyspace::script::KeyGroup;
use redis_keyspace::{Counter, Key, Keyspace, Script, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
struct ShopKeys {
    stock: fn(id: u64) -> Counter,
}

const COUNT: &str = "-- KEYS[9] is not used\nreturn #KEYS + KEYS[n]";

#[derive(Script)]
#[script(source = COUNT, returns = Vec<Option<(Text, f64)>>, read_only)]
struct Many<'a, K: KeyGroup> {
    keys: &'a K,
    more: &'a [Key<ShopKeys, Counter>],
    #[script(arg)]
    name: &'a str,
    #[script(arg = Text)]
    text: std::borrow::Cow<'a, str>,
}

#[derive(Script)]
#[script(function = "name", returns = ())]
struct Tuple(Key<ShopKeys, Counter>, #[script(arg)] i64, #[script(arg)] Option1);

type Option1 = bool;

#[derive(Script)]
#[script(source = "return 1")]
struct Unit;

async fn run(redis: &redis_keyspace::Redis) -> redis_keyspace::Result<()> {
    let _: Vec<Option<(String, f64)>> =
        Many { keys: &ShopKeys::stock(1), more: &[], name: "a", text: "b".into() }.run().on(redis).await?;
    let ((), ()) = redis.batch((Tuple(ShopKeys::stock(1), 1, true).run(), Unit.run())).await?;
    let _: &str = <Unit as Script>::SOURCE;
    Ok(())
}

pub fn main() {
    let _ = run;
}
