use redis_keyspace::catalog;

struct CartKeys;

catalog!(CATALOG = [CartKeys]);

fn main() {}
