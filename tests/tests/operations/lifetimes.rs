//! Lifetimes: every write sets one, in milliseconds, in the same command.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_keyspace::command::Ttl;
use redis_keyspace::{Bytes, ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, within};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "lifetimes", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    hour: fn(id: u64) -> Text,
    #[key("odd:{id}", ttl = "90s")]
    odd: fn(id: u64) -> Text,
    #[key("other:{id}")]
    other: fn(id: u64) -> Text,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u64) -> Text,
    bytes: Bytes,
}

/// Checks that the remaining lifetime is the expected one, minus the time that passed.
#[track_caller]
fn assert_left(ttl: Ttl, declared: Duration) {
    let left = ttl.remaining().unwrap_or_else(|| panic!("expected a TTL of {declared:?}, found {ttl:?}"));
    // The remaining time is rounded up to a millisecond, and the embedded server's clock starts at
    // a fraction of one.
    assert!(
        left <= declared + Duration::from_millis(2) && left + Duration::from_secs(30) > declared,
        "{left:?} of {declared:?}"
    );
}

const TWO_HOURS: u64 = 2 * 60 * 60;

/// TTLs as constant expressions.
#[derive(Keyspace)]
#[keyspace(prefix = "computed-lifetimes", ttl = HOUR)]
#[allow(dead_code, reason = "fields are declarations")]
struct ComputedKeys {
    hour: fn(id: u64) -> Text,
    #[key(ttl = 60 * 60 * 2)]
    seconds: fn(id: u64) -> Text,
    #[key(ttl = TWO_HOURS)]
    constant: fn(id: u64) -> Text,
    #[key(ttl = Duration::from_millis(1500 * 1000))]
    call: fn(id: u64) -> Text,
}

#[test]
fn a_ttl_can_be_an_expression() {
    let ttls = ComputedKeys::META.templates().iter().map(|template| template.lifetime().duration());
    let two_hours = Some(Duration::from_secs(TWO_HOURS));
    assert_eq!(ttls.collect::<Vec<_>>(), [Some(HOUR), two_hours, two_hours, Some(Duration::from_secs(1500))]);
}

both_servers! {
    async fn a_write_sets_a_computed_lifetime(_redis: Redis) {
        ComputedKeys::hour(1).set("x").await.unwrap();
        assert_left(ComputedKeys::hour(1).ttl().await.unwrap(), HOUR);
        ComputedKeys::call(1).set("x").await.unwrap();
        assert_left(ComputedKeys::call(1).ttl().await.unwrap(), Duration::from_secs(1500));
    }

    async fn a_write_sets_the_lifetime_of_the_template(_redis: Redis) {
        assert_eq!(Keys::hour(1).ttl().await.unwrap(), Ttl::NoKey);
        Keys::hour(1).set("x").await.unwrap();
        assert_left(Keys::hour(1).ttl().await.unwrap(), HOUR);
        Keys::odd(1).set("x").await.unwrap();
        assert_left(Keys::odd(1).ttl().await.unwrap(), Duration::from_secs(90));
        Keys::forever(1).set("x").await.unwrap();
        assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
        Keys::hour(2).get_set("x").await.unwrap();
        assert_left(Keys::hour(2).ttl().await.unwrap(), HOUR);
        assert!(Keys::hour(3).set("x").only_if_absent().await.unwrap());
        assert_left(Keys::hour(3).ttl().await.unwrap(), HOUR);
        assert!(Keys::hour(3).set("x").ttl(MINUTE).only_if_present().await.unwrap());
        assert_left(Keys::hour(3).ttl().await.unwrap(), MINUTE);
        Key::set_many([(Keys::hour(4), "x"), (Keys::odd(4), "y")]).await.unwrap();
        assert_left(Keys::hour(4).ttl().await.unwrap(), HOUR);
        assert_left(Keys::odd(4).ttl().await.unwrap(), Duration::from_secs(90));
    }

    async fn a_plain_write_replaces_a_shorter_lifetime(_redis: Redis) {
        Keys::forever(1).set("x").ttl(MINUTE).await.unwrap();
        assert_left(Keys::forever(1).ttl().await.unwrap(), MINUTE);
        Keys::forever(1).set("x").await.unwrap();
        assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn keep_ttl_keeps_the_lifetime_and_never_removes_it(_redis: Redis) {
        let key = Keys::hour(1);
        key.set("a").ttl(MINUTE).await.unwrap();
        key.set("b").keep_ttl().await.unwrap();
        assert_left(key.ttl().await.unwrap(), MINUTE);
        assert_eq!(key.set("c").keep_ttl().returning_old().await.unwrap().as_deref(), Some("b"));
        assert!(key.set("d").keep_ttl().only_if_present().await.unwrap());
        assert!(!key.set("e").keep_ttl().only_if_absent().await.unwrap());
        assert_left(key.ttl().await.unwrap(), MINUTE);
        assert_eq!(key.get().await.unwrap().as_deref(), Some("d"));
        // On missing keys, with every combination.
        Keys::hour(2).set("x").keep_ttl().await.unwrap();
        assert_left(Keys::hour(2).ttl().await.unwrap(), HOUR);
        assert_eq!(Keys::hour(2).get().await.unwrap().as_deref(), Some("x"));
        assert_eq!(Keys::hour(3).set("x").keep_ttl().returning_old().await.unwrap(), None);
        assert_left(Keys::hour(3).ttl().await.unwrap(), HOUR);
        assert!(Keys::hour(4).set("x").keep_ttl().only_if_absent().await.unwrap());
        assert_left(Keys::hour(4).ttl().await.unwrap(), HOUR);
        assert!(!Keys::hour(5).set("x").keep_ttl().only_if_present().await.unwrap());
        assert_eq!(Keys::hour(5).ttl().await.unwrap(), Ttl::NoKey);
        // A key without an expiry keeps having none.
        key.persist().await.unwrap();
        key.set("f").keep_ttl().await.unwrap();
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry);
        Keys::forever(1).set("x").keep_ttl().await.unwrap();
        assert_eq!(Keys::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
        // An empty old value counts as a value.
        Keys::hour(6).set("").await.unwrap();
        assert_eq!(Keys::hour(6).set("x").keep_ttl().returning_old().await.unwrap().as_deref(), Some(""));
    }

    async fn keep_ttl_fails_on_another_type(redis: Redis) {
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::hour(1)), "x"]).await;
        Keys::hour(1).set("a").keep_ttl().await.unwrap();
        assert_eq!(Keys::hour(1).get().await.unwrap().as_deref(), Some("a"));
        raw::<u64>(&redis, &["RPUSH", &wire(&Keys::hour(2)), "x"]).await;
        let error = Keys::hour(2).set("a").keep_ttl().returning_old().await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::WrongType, Some("lifetimes:hour:2")));
    }

    async fn get_ex_renews_the_lifetime(_redis: Redis) {
        let key = Keys::hour(1);
        assert_eq!(key.get_ex().await.unwrap(), None);
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoKey, "reading creates nothing");
        key.set("x").ttl(MINUTE).await.unwrap();
        assert_eq!(key.get_ex().await.unwrap().as_deref(), Some("x"));
        assert_left(key.ttl().await.unwrap(), HOUR);
        key.get_ex().ttl(Duration::from_millis(77_777)).await.unwrap();
        assert_left(key.ttl().await.unwrap(), Duration::from_millis(77_777));
        key.get_ex().expire_at(SystemTime::now() + MINUTE).await.unwrap();
        assert_left(key.ttl().await.unwrap(), MINUTE);
        key.get_ex().persist().await.unwrap();
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry);
        key.get_ex().persist().await.unwrap();
        assert_eq!(key.get_ex().expire_at(UNIX_EPOCH + MINUTE).await.unwrap().as_deref(), Some("x"));
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoKey, "an expiry in the past deletes the key");
    }

    async fn get_ex_on_a_template_without_ttl_removes_the_lifetime(_redis: Redis) {
        let key = Keys::forever(1);
        key.set("x").ttl(MINUTE).await.unwrap();
        assert_eq!(key.get_ex().await.unwrap().as_deref(), Some("x"));
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry, "`get_ex` sets the template's lifetime");
    }

    async fn expire_and_persist_change_the_lifetime(_redis: Redis) {
        let key = Keys::hour(1);
        assert!(!key.expire(MINUTE).await.unwrap());
        assert!(!key.expire_at(SystemTime::now() + MINUTE).await.unwrap());
        assert!(!key.persist().await.unwrap());
        key.set("x").await.unwrap();
        assert!(key.expire(MINUTE).await.unwrap());
        assert_left(key.ttl().await.unwrap(), MINUTE);
        assert!(key.expire_at(SystemTime::now() + 2 * MINUTE).await.unwrap());
        assert_left(key.ttl().await.unwrap(), 2 * MINUTE);
        assert!(key.persist().await.unwrap());
        assert!(!key.persist().await.unwrap());
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry);
        assert!(key.expire(Duration::ZERO).await.unwrap());
        assert!(!key.exists().await.unwrap());
        key.set("x").await.unwrap();
        assert!(key.expire_at(UNIX_EPOCH).await.unwrap());
        assert!(!key.exists().await.unwrap());
        key.set("x").await.unwrap();
        assert!(key.expire_at(SystemTime::now() - MINUTE).await.unwrap());
        assert!(!key.exists().await.unwrap());
        key.set("x").expire_at(SystemTime::now() - MINUTE).await.unwrap();
        assert!(!key.exists().await.unwrap(), "written with an expiry in the past");
        key.set("x").expire_at(SystemTime::now() + MINUTE).await.unwrap();
        assert_left(key.ttl().await.unwrap(), MINUTE);
    }

    async fn short_lifetimes_expire(_redis: Redis) {
        Keys::hour(1).set("x").ttl(Duration::from_millis(30)).await.unwrap();
        Keys::hour(2).set("x").ttl(Duration::from_nanos(1)).await.unwrap();
        Keys::hour(3).set("x").await.unwrap();
        assert!(Keys::hour(3).expire(Duration::from_micros(1)).await.unwrap(), "rounded up, so the key existed");
        eventually("the keys expire", async || Key::get_many([1, 2, 3].map(Keys::hour)).await.unwrap() == [None, None, None]).await;
    }

    async fn lifetimes_beyond_the_range_of_redis_are_refused(_redis: Redis) {
        let key = Keys::hour(1);
        key.set("kept").await.unwrap();
        for error in [
            key.set("x").ttl(Duration::ZERO).await.unwrap_err(),
            key.set("x").ttl(Duration::MAX).await.unwrap_err(),
            key.get_ex().ttl(Duration::ZERO).await.unwrap_err(),
            key.get_ex().ttl(Duration::MAX).await.unwrap_err(),
            key.expire(Duration::MAX).await.unwrap_err(),
            key.expire(Duration::from_secs(u64::MAX / 1000)).await.unwrap_err(),
            Keys::hour(9).get_or_set(|| async { "x".to_owned() }).ttl(Duration::ZERO).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(!error.is_unavailable() && !error.is_timeout());
        }
        assert_left(key.ttl().await.unwrap(), HOUR);
        assert_eq!(key.get().await.unwrap().as_deref(), Some("kept"));
        // The longest durations that work: a thousand years, and an expiry a thousand years ahead.
        let long = Duration::from_secs(1000 * 365 * 24 * 3600);
        key.set("x").ttl(long).await.unwrap();
        assert_left(key.ttl().await.unwrap(), long);
        key.set("x").ttl(long + Duration::from_millis(1)).await.unwrap();
        assert!(key.expire_at(SystemTime::now() + long).await.unwrap());
        assert_left(key.ttl().await.unwrap(), long);
    }

    async fn a_time_before_1970_is_in_the_past(_redis: Redis) {
        let key = Keys::hour(1);
        key.set("x").await.unwrap();
        match key.expire_at(UNIX_EPOCH - MINUTE).await {
            Ok(there) => assert!(there && !key.exists().await.unwrap()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
        }
    }

    async fn a_key_is_renamed_within_its_template(_redis: Redis) {
        Keys::hour(1).set("x").await.unwrap();
        for refused in [Keys::hour(1).rename(&Keys::other(1)), Keys::hour(1).rename_if_absent(&Keys::forever(1))] {
            let error = refused.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.contains("lifetimes:hour:{id}") && text.contains("lifetimes:hour:1"), "{text}");
        }
        assert!(Keys::hour(1).exists().await.unwrap());
    }
}

/// Checks the exact commands on the wire.
#[test]
fn whole_seconds_are_sent_as_ex_and_others_as_px() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100).build();
        let redis = Redis::with_embedded_server(server.clone());
        redis
            .scope(async {
                Keys::hour(1).set("x").await.unwrap();
                Keys::hour(1).set("x").ttl(Duration::from_millis(1500)).await.unwrap();
                Keys::hour(1).set("x").ttl(Duration::from_nanos(2_000_000_001)).await.unwrap();
                Keys::forever(1).set("x").await.unwrap();
                Keys::hour(1).set("x").only_if_absent().returning_old().await.unwrap();
                Keys::hour(1).get_ex().await.unwrap();
                Keys::hour(1).get_ex().persist().await.unwrap();
                Keys::hour(1).del().await.unwrap();
            })
            .await;
        let commands: Vec<String> = (server.command_log().iter())
            .map(|command| {
                let is_script = command.arguments[0] == "EVAL";
                // Without the text of a script and its number of keys.
                let shown = command.arguments.iter().skip(if is_script { 3 } else { 0 });
                shown.map(|a| String::from_utf8_lossy(a)).collect::<Vec<_>>().join(" ")
            })
            .filter(|command| command.contains("lifetimes:"))
            .filter(|command| !(command.starts_with("UNLINK") && command.contains("%fill")))
            .collect();
        assert_eq!(
            commands,
            [
                "SET lifetimes:hour:1 x EX 3600",
                "SET lifetimes:hour:1 x PX 1500",
                "SET lifetimes:hour:1 x PX 2001",
                "SET lifetimes:forever:1 x",
                "lifetimes:hour:1 lifetimes:hour:1%fill{lifetimes:hour:1} x NX EX 3600 SET previous",
                "GETEX lifetimes:hour:1 EX 3600",
                "GETEX lifetimes:hour:1 PERSIST",
                "UNLINK lifetimes:hour:1",
            ]
        );
    });
}
