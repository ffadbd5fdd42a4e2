//! A command is passed to a function that takes a `Future`.

use redis_keyspace::{Counter, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    views: fn(id: u64) -> Counter,
}

/// As in `tokio::spawn`.
fn spawn<F: Future + Send + 'static>(future: F) {
    drop(future);
}

fn view(id: u64) {
    spawn(PageKeys::views(id).incr());
}

fn main() {}
