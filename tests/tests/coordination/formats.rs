//! Data of a later version of the library: operations fail with an error that names the version,
//! and change nothing.

use std::time::Duration;

use redis_keyspace::rate_limit::{FixedWindow, Rate};
use redis_keyspace::{Error, ErrorKind, Group, Key, Keyspace, Lock, Once, RateLimit, Redis, Text};
use redis_keyspace_tests::{both_servers, raw, wire, wired};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "formats", ttl = "1m")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    lock: fn(job: &str) -> Lock,
    limit: fn(id: u32) -> RateLimit,
    windows: fn(id: u32) -> RateLimit<FixedWindow>,
    group: fn(id: u32) -> Group,
    once: fn(id: u32) -> Once<Text>,
    #[key("text:{id}", ttl = "30s")]
    text: fn(id: u32) -> Text,
}

#[track_caller]
fn assert_names_the_version(error: &Error, what: &str, version: &str) {
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    let text = error.to_string();
    assert!(text.contains(what) && text.contains(&format!("format version {version},")), "{text}");
}

fn companion<V>(key: &Key<Keys, V>, marker: &str) -> String {
    format!("{}{marker}{{{}}}", wire(key), wire(key))
}

both_servers! {
    async fn locks(redis: Redis) {
        let key = Keys::lock("a");
        let fence = companion(&key, "%fence");
        for (name, stored) in [(wire(&key), "v2:shared:7"), (fence.clone(), "v31:7")] {
            raw::<()>(&redis, &["SET", &name, stored, "PX", "30000"]).await;
            let version = if stored.starts_with("v2") { "2" } else { "31" };
            for error in [
                key.try_lock().await.map(drop).unwrap_err(),
                // Fails at once, because waiting can't help.
                key.lock().wait(Duration::MAX).await.map(drop).unwrap_err(),
                key.with_lock(|_| async { panic!("the lock is not held") }).await.unwrap_err(),
            ] {
                assert_names_the_version(&error, "the lock", version);
                assert_eq!(error.key(), Some(key.as_str()));
            }
            assert_eq!(raw::<String>(&redis, &["GET", &name]).await, stored, "the value is unchanged");
            assert!(raw::<i64>(&redis, &["PTTL", &name]).await <= 30_000, "the lifetime is unchanged");
            raw::<i64>(&redis, &["DEL", &name]).await;
        }
        assert_eq!(raw::<i64>(&redis, &["EXISTS", &wire(&key), &fence]).await, 0);
        // Another program's text is not a version: it counts as a holder.
        for stored in ["v2", "v:x", "2:x", "another program"] {
            raw::<()>(&redis, &["SET", &wire(&key), stored]).await;
            assert!(key.try_lock().await.unwrap().is_none(), "{stored}");
        }
        raw::<i64>(&redis, &["DEL", &wire(&key)]).await;
        // A held lock is lost when a later version overwrites it, and `release` does not delete the
        // new value.
        let guard = key.lock().await.unwrap();
        raw::<()>(&redis, &["SET", &wire(&key), "v2:theirs"]).await;
        guard.release().await.unwrap_err();
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&key)]).await, "v2:theirs");
    }

    async fn rate_limits(redis: Redis) {
        let rate = Rate::per_minute(10);
        let (limit, windows) = (Keys::limit(7), Keys::windows(7));
        let names = [wire(&limit), wire(&windows)];
        for name in &names {
            raw::<()>(&redis, &["SET", name, "v2:1+2/3"]).await;
        }
        for error in [
            limit.check(rate).await.unwrap_err(),
            limit.peek(rate).await.unwrap_err(),
            windows.check(rate).await.unwrap_err(),
            windows.peek(rate).await.unwrap_err(),
        ] {
            assert_names_the_version(&error, "the rate limit", "2");
        }
        for name in &names {
            assert_eq!(raw::<String>(&redis, &["GET", name]).await, "v2:1+2/3");
            raw::<()>(&redis, &["SET", name, "garbage"]).await;
        }
        for error in [limit.check(rate).await.unwrap_err(), windows.check(rate).await.unwrap_err()] {
            assert!(error.kind() == ErrorKind::Decode && !error.to_string().contains("version"), "{error}");
        }
        limit.del().await.unwrap();
        windows.del().await.unwrap();
        assert!(limit.check(rate).await.unwrap().allowed && windows.check(rate).await.unwrap().allowed);
    }

    async fn groups(redis: Redis) {
        let (key, text) = (Keys::group(7), Keys::text(7));
        raw::<()>(&redis, &["SET", &wire(&key), "v2:0123456789abcdef"]).await;
        let error = key.member(&text).await.map(drop).unwrap_err();
        assert_names_the_version(&error, "the group", "2");
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&key)]).await, "v2:0123456789abcdef");
        // `invalidate` replaces a generation of any version.
        key.invalidate().await.unwrap();
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&key)]).await.len(), 16);
        key.member(&text).await.unwrap().set("x").await.unwrap();
    }

    async fn work_in_progress_by_a_later_version_is_not_repeated(redis: Redis) {
        let key = Keys::once(7);
        let lease = companion(&key, "%fill");
        let theirs = ["v", "2", "mark", "", "lease", "theirs", "until", "99999999999999"];
        raw::<i64>(&redis, &[&["HSET", &lease][..], &theirs].concat()).await;
        for error in [
            key.run(|| async { panic!("a later version runs the work") }).await.unwrap_err(),
            key.run(|| async { panic!("a later version runs the work") }).wait(MINUTE).await.unwrap_err(),
        ] {
            assert_names_the_version(&error, "the `Once` lease", "2");
        }
        assert_eq!(raw::<String>(&redis, &["HGET", &lease, "lease"]).await, "theirs");
        // The result has the same format in all versions. Whether it belongs to this payload is
        // unknown.
        raw::<()>(&redis, &["SET", &wire(&key), "done"]).await;
        assert_eq!(key.run(|| async { panic!("the work has run") }).await.unwrap(), "done");
        raw::<()>(&redis, &["SET", &companion(&key, "%payload"), "v2:theirs"]).await;
        let error = key.run(|| async { panic!("the work has run") }).payload_bytes("a").await.unwrap_err();
        assert_names_the_version(&error, "the payload hash", "2");
        key.del().await.unwrap();
        assert_eq!(key.run(|| async { "ours".to_owned() }).await.unwrap(), "ours");
    }

    /// The value may be loaded twice.
    async fn a_load_of_a_later_version_is_replaced(redis: Redis) {
        let key = Keys::text(8);
        let lease = companion(&key, "%fill");
        let mark: Option<String> = raw(&redis, &["HGET", &wired("formats:text:%swept:{}"), "at"]).await;
        let mark = mark.unwrap_or_default();
        let theirs = ["v", "2", "mark", &mark, "lease", "theirs", "until", "99999999999999"];
        raw::<i64>(&redis, &[&["HSET", &lease][..], &theirs].concat()).await;
        let loaded = key.get_or_set(|| async { "ours".to_owned() }).across_processes();
        assert_eq!(loaded.await.unwrap(), "ours");
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&key)]).await, "ours");
        assert_eq!(raw::<i64>(&redis, &["HEXISTS", &lease, "lease"]).await, 0);
    }

    /// A later version must be able to distinguish them from its own formats.
    async fn version_1_data_does_not_parse_as_a_later_version(redis: Redis) {
        let guard = Keys::lock("b").lock().await.unwrap();
        assert!(Keys::limit(8).check(Rate::per_minute(10)).await.unwrap().allowed);
        let _member = Keys::group(8).member(&Keys::text(9)).await.unwrap();
        let texts = [
            (wire(&Keys::lock("b")), "[0-9a-f]{32}"),
            (companion(&Keys::lock("b"), "%fence"), "[0-9]+"),
            (wire(&Keys::limit(8)), "[0-9]+[+][0-9]+/[0-9]+"),
            (wire(&Keys::group(8)), "[0-9a-f]{16}"),
        ];
        for (name, form) in texts {
            let stored: String = raw(&redis, &["GET", &name]).await;
            assert!(stored.starts_with(|first: char| first.is_ascii_hexdigit()), "{name} is {stored}, not {form}");
        }
        guard.release().await.unwrap();
    }
}
