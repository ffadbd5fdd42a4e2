//! How a test runs on both servers: the example that the documentation of `both_servers!` names.

use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_tests::{both_servers, raw, wire};

#[derive(Keyspace)]
#[keyspace(prefix = "both", ttl = "1h")]
struct Keys {
    name: fn(id: u64) -> Text,
}

both_servers! {
    async fn a_value_is_read_back(redis: Redis) {
        // The handle is in scope, so keys need none.
        assert_eq!(Keys::name(7).get().await.unwrap(), None, "the namespace is the test's own");
        Keys::name(7).set("Ada").await.unwrap();
        assert_eq!(Keys::name(7).get().await.unwrap().as_deref(), Some("Ada"));
        // What the driver sees is the key with its namespace.
        let value: String = raw(&redis, &["GET", &wire(&Keys::name(7))]).await;
        assert_eq!(value, "Ada");
    }
}
