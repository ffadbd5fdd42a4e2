//! Shows how a test runs on both servers. The documentation of `both_servers!` refers to this
//! example.

use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_tests::{both_servers, raw, wire};

#[derive(Keyspace)]
#[keyspace(prefix = "both", ttl = "1h")]
struct Keys {
    name: fn(id: u64) -> Text,
}

both_servers! {
    async fn a_value_is_read_back(redis: Redis) {
        // The handle is in scope, so keys need no `on`.
        assert_eq!(Keys::name(7).get().await.unwrap(), None, "the namespace belongs to this test");
        Keys::name(7).set("Ada").await.unwrap();
        assert_eq!(Keys::name(7).get().await.unwrap().as_deref(), Some("Ada"));
        // The driver sees the key with its namespace.
        let value: String = raw(&redis, &["GET", &wire(&Keys::name(7))]).await;
        assert_eq!(value, "Ada");
    }
}
