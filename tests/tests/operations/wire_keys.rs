//! Keys as strings: on the wire, serialized, and in `Debug` output.

use redis_keyspace::{Counter, ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, both_servers, raw, wire, within};

#[derive(Keyspace)]
#[keyspace(prefix = "wire", ttl = "1h")]
struct Keys {
    text: fn(id: &str) -> Text,
    #[key(stale_for = "1h")]
    kept: fn(id: u64) -> Text,
    count: fn(id: u64) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "named", server = "wire-keys", ttl = "1h")]
struct NamedKeys {
    text: fn(id: u64) -> Text,
}

both_servers! {
    async fn raw_and_typed_commands_share_keys_under_a_namespace(redis: Redis) {
        let key = Keys::text("a:b");
        key.set("x").await.unwrap();
        let name = redis.wire_key(&key).unwrap();
        assert_eq!(name, wire(&key));
        assert_eq!(raw::<String>(&redis, &["GET", &name]).await, "x");
        let () = raw(&redis, &["SET", &name, "y"]).await;
        assert_eq!(key.get().await.unwrap().as_deref(), Some("y"));
        assert_eq!(key.wire_key().unwrap(), name);

        // Also for keyspaces with a named server: the key uses the handle that runs the command.
        let named = NamedKeys::text(1);
        named.set("z").await.unwrap();
        assert_eq!(raw::<String>(&redis, &["GET", &redis.wire_key(&named).unwrap()]).await, "z");
        assert_eq!(named.wire_key().unwrap(), redis.wire_key(&named).unwrap());
        let elsewhere = Redis::builder().namespace("elsewhere").unwrap().disabled().build().unwrap();
        assert_eq!(named.clone().on(&elsewhere).wire_key().unwrap(), "elsewhere:named:text:1");
        assert_eq!(elsewhere.wire_key(&named.on(&redis)).unwrap(), "elsewhere:named:text:1");
    }

    async fn debug_output_lists_each_key_once(redis: Redis) {
        let once = |command: &dyn std::fmt::Debug, key: &str| {
            let text = format!("{command:?}");
            assert_eq!(text.matches(key).count(), 1, "{text}");
        };
        once(&Keys::text("a").del(), "wire:text:a");
        once(&Keys::kept(1).del(), "wire:kept:1");
        once(&Keys::kept(1).expire(std::time::Duration::from_secs(9)), "wire:kept:1");
        once(&Keys::count(1).incr(), "wire:count:1");
        once(&redis_keyspace::command::IntoCommand::into_command(Keys::kept(1).set("x").keep_ttl()), "wire:kept:1");
        let many = format!("{:?}", Key::del_many(["a", "b"].map(Keys::text)));
        assert!(many.contains(r#"keys: ["wire:text:a", "wire:text:b"]"#), "{many}");
        drop(redis);
    }
}

#[test]
fn a_wire_key_needs_a_server() {
    let error = Keys::text("a").wire_key().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerNotConfigured);
    // Works outside of a runtime.
    within(PATIENCE, Redis::disabled().scope(async { NamedKeys::text(1).wire_key() })).unwrap();
    assert_eq!(Redis::disabled().wire_key(&Keys::text("a")).unwrap(), "wire:text:a");
}

#[test]
fn a_key_serializes_as_its_text() {
    assert_eq!(serde_json::to_string(&Keys::text("a:\"b")).unwrap(), r#""wire:text:a%3A\"b""#);
}
