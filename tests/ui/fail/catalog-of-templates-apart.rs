//! Templates that are used together on a cluster need the same hash tag.

use redis_keyspace::{Counter, Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
pub struct CartKeys {
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: u64) -> Text,
    #[key("user:{id}:views", hash_tag = id)]
    views: fn(id: u64) -> Counter,
    #[key("order:{order}", hash_tag = order)]
    order: fn(order: u64) -> Text,
    page: fn(id: u64) -> Text,
}

catalog!(pub FITS = [CartKeys], cluster, together = [CartKeys::user, CartKeys::views]);
catalog!(pub APART = [CartKeys], cluster, together = [CartKeys::user, CartKeys::order]);
catalog!(pub WITHOUT = [CartKeys], cluster, together = [CartKeys::views, CartKeys::page]);
catalog!(pub MISSING = [CartKeys], cluster, together = [CartKeys::user, CartKeys::cart]);

fn main() {}
