//! Everything that a declaration can say.

use std::borrow::Cow;
use std::net::IpAddr;

use redis_keyspace::cache::FilledKeyspace;
use redis_keyspace::{Counter, Json, Key, KeyArgument, Keyspace, Raw, Text};

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct UserId(u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
enum Device {
    Phone,
    #[key("desk-top")]
    Desktop,
}

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 2, ttl = 3600, server = "shop", timeout = "250ms")]
#[keyspace(retries = 3, shared_connections = 2, exclusive_connections = 8)]
struct CartKeys {
    /// The open cart of one shopper.
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<String>,
    #[key("user:{id}:views", ttl = "30d")]
    views: fn(id: u64) -> Counter,
    #[key("featured")]
    #[key(ttl = none)]
    featured: Json<Vec<String>>,
    #[key("{{session:{user}}}:{device}")]
    session: fn(user: UserId, device: Device) -> Text,
    borrowed: fn(name: &str, alias: Cow<'_, str>) -> Text,
    address: (fn(ip: IpAddr) -> Text),
    #[key("order-{id}-{name}")]
    order: fn(id: u64, name: &str) -> Text,
    #[key("path:{path}")]
    path: fn(path: Raw<&str>) -> Json<<Self as Parts>::Part>,
    lifetimes: fn(name: Cow<str>, boxed: Box<Cow<str>>) -> Text,
    #[key("file:{digest}-{part}")]
    file: fn(digest: [u8; Self::DIGEST], part: <Self as Parts>::Part) -> Text,
    #[key("seen-{ip}-{digest}g{page}")]
    seen: fn(ip: IpAddr, digest: [u8; 2], page: u64) -> Text,
}

impl CartKeys {
    const DIGEST: usize = 2;
}

trait Parts {
    type Part;
}

impl Parts for CartKeys {
    type Part = u8;
}

/// Keys without a prefix.
#[derive(Keyspace)]
#[keyspace(prefix = none, ttl = none)]
struct BareKeys {
    motd: Text,
}

/// The prefix twice, which is meant.
#[derive(Keyspace)]
#[keyspace(prefix = "a", ttl = none, allow_doubled_prefix)]
struct DoubledKeys {
    #[key("a:{id}")]
    a: fn(id: u64) -> Text,
}

/// Keys that are never filled.
#[derive(Keyspace)]
#[keyspace(prefix = "flag", ttl = none, fills = false)]
struct FlagKeys {
    on: fn(name: &str) -> bool,
    #[key(fills = false)]
    seen: Counter,
}

/// Options of the struct apply only to fields with fills.
#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", fills = true, stale_for = "1h", negative_ttl = "30s")]
struct PageKeys {
    #[key(fills = false)]
    title: fn(id: u64) -> Text,
    #[key(fills = true, early_refresh = "80%")]
    body: fn(id: u64) -> Text,
}

/// The bound of generic functions that fill.
fn is_filled<S: FilledKeyspace, V>(_: &Key<S, V>) {}

fn is(key: &Key<impl Keyspace, impl Sized>, text: &str) {
    assert_eq!(key.as_str(), text);
}

pub fn main() {
    is(&CartKeys::user(7), "cart:user:7");
    is(&CartKeys::views(7), "cart:user:7:views");
    is(&CartKeys::featured(), "cart:featured");
    is(&CartKeys::session(UserId(7), Device::Desktop), "cart:{session:7}:desk-top");
    is(&CartKeys::borrowed("a", Cow::Borrowed("b")), "cart:borrowed:a:b");
    is(&CartKeys::address(IpAddr::from([127, 0, 0, 1])), "cart:address:127.0.0.1");
    is(&CartKeys::order(7, "x-y"), "cart:order-7-x-y");
    is(&CartKeys::path(Raw("a/b:c")), "cart:path:a/b:c");
    is(&CartKeys::lifetimes(Cow::Borrowed("a"), Box::new(Cow::Borrowed("b"))), "cart:lifetimes:a:b");
    is(&CartKeys::file([1, 255], 3), "cart:file:01ff-3");
    is(&CartKeys::seen(IpAddr::from([127, 0, 0, 1]), [1, 2], 3), "cart:seen-127.0.0.1-0102g3");
    is(&BareKeys::motd(), "motd");
    is(&DoubledKeys::a(1), "a:a:1");
    let _ = Device::Phone;
    is(&FlagKeys::on("new"), "flag:on:new");
    is(&FlagKeys::seen(), "flag:seen");
    is(&PageKeys::title(7), "page:title:7");
    is_filled(&PageKeys::body(7));
}
