//! Commands are passed to functions that take a `Future`.

use redis_keyspace::{Counter, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    views: fn(id: u64) -> Counter,
    title: fn(id: u64) -> Text,
}

/// As in `tokio::spawn`.
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) {
    drop(future);
}

pub fn main() {
    spawn(PageKeys::views(7).incr());
    spawn(PageKeys::title(7).get());
    spawn(PageKeys::title(7).set("A page").only_if_absent());
    spawn(PageKeys::title(7).get_ex());
}
