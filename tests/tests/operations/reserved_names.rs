//! Verbatim arguments that spell the names of the library's own keys: nothing is sent for such a
//! key, and scans do not return it.

use std::time::{Duration, SystemTime};

use redis_keyspace::cache::FillError;
use redis_keyspace::once::OnceError;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::update::Change;
use redis_keyspace::{
    Counter, Error, ErrorKind, Group, Key, KeyArgument, Keyspace, Lock, Once, RateLimit, Raw, Redis, Text,
};
use redis_keyspace_tests::{PATIENCE, both_servers, raw, wired, within};

const MINUTE: Duration = Duration::from_secs(60);

/// An argument type of the application that is verbatim, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
struct Path(Raw<String>);

#[derive(Keyspace)]
#[keyspace(prefix = "old", ttl = "1h", stale_for = "1h", negative_ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Old {
    #[key("t:{path}")]
    text: fn(path: Raw<&str>) -> Text,
    #[key("p:{path}")]
    path: fn(path: Path) -> Text,
    #[key("m:{id}:{path}")]
    mixed: fn(id: &str, path: Raw<&str>) -> Text,
    #[key("c:{path}")]
    count: fn(path: Raw<&str>) -> Counter,
    #[key("l:{path}")]
    lock: fn(path: Raw<&str>) -> Lock,
    #[key("o:{path}")]
    once: fn(path: Raw<&str>) -> Once<Text>,
    #[key("r:{path}")]
    limit: fn(path: Raw<&str>) -> RateLimit,
    #[key("g:{path}")]
    group: fn(path: Raw<&str>) -> Group,
    #[key("all", ttl = "2h")]
    all: Group,
}

/// Arguments that produce such names, each with the text that the error contains.
const RESERVED: [(&str, &str); 8] = [
    ("a%fill{old:t:a}", "%fill"),
    ("a{b}%fill", "%fill"),
    ("a%fence{old:t:a}", "%fence"),
    ("a{b}%fence", "%fence"),
    ("a%payload{old:t:a}", "%payload"),
    ("%swept:{}", "%swept:"),
    ("a%g0123456789abcdef", "%g"),
    ("a%g0123456789abcdef%fill{old:t:a%g0123456789abcdef}", "%fill"),
];

#[track_caller]
fn assert_refused(error: impl Into<Error>, text: &str) {
    let error = error.into();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let message = error.to_string();
    assert!(message.contains(&format!("`{text}`")) && message.contains("Raw"), "{message}");
}

fn redis_error<E: std::fmt::Debug>(error: FillError<E>) -> Error {
    match error {
        FillError::Redis(error) => error,
        other => panic!("{other:?}"),
    }
}

/// No server is running, so a command that is sent would fail with a different error.
#[test]
fn every_operation_refuses_reserved_names_before_sending() {
    within(PATIENCE, async {
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        nowhere.scope(every_operation(&nowhere)).await;
    });
}

async fn every_operation(redis: &Redis) {
    for (argument, text) in RESERVED {
        let (key, good) = (Old::text(Raw(argument)), Old::text(Raw("good")));
        let count = Old::count(Raw(argument));
        assert_eq!(key.to_string(), format!("old:t:{argument}"), "the key prints unchanged");
        for error in [
            key.get().await.map(drop).unwrap_err(),
            key.set("x").await.unwrap_err(),
            key.set("x").only_if_absent().await.map(drop).unwrap_err(),
            key.get_set("x").await.map(drop).unwrap_err(),
            key.get_del().await.map(drop).unwrap_err(),
            key.get_ex().await.map(drop).unwrap_err(),
            key.strlen().await.map(drop).unwrap_err(),
            key.del().await.map(drop).unwrap_err(),
            key.exists().await.map(drop).unwrap_err(),
            key.ttl().await.map(drop).unwrap_err(),
            key.expire(MINUTE).await.map(drop).unwrap_err(),
            key.expire_at(SystemTime::now() + MINUTE).await.map(drop).unwrap_err(),
            key.persist().await.map(drop).unwrap_err(),
            key.rename(&good).await.map(drop).unwrap_err(),
            good.rename(&key).await.map(drop).unwrap_err(),
            good.rename_if_absent(&key).await.map(drop).unwrap_err(),
            key.update(|text| text.push('x')).await.map(drop).unwrap_err(),
            key.update_with(|_| Change::Delete).await.map(drop).unwrap_err(),
            key.get_or_set(|| async { panic!("nothing is loaded") }).await.map(drop).unwrap_err(),
            key.get_or_set(|| async { panic!("nothing is loaded") })
                .across_processes()
                .await
                .map(drop)
                .unwrap_err(),
            key.get_or_set(|| async { panic!("nothing is loaded") }).refresh().await.map(drop).unwrap_err(),
            key.get_or_set_optional(|| async { panic!("nothing is loaded") }).await.map(drop).unwrap_err(),
            Old::path(Path(Raw(argument.into()))).get().await.map(drop).unwrap_err(),
            Old::mixed("%:*", Raw(argument)).get().await.map(drop).unwrap_err(),
            count.incr().await.map(drop).unwrap_err(),
            count.set(7).await.map(drop).unwrap_err(),
            Key::get_many([good.clone(), key.clone()]).await.map(drop).unwrap_err(),
            Key::set_many([(good.clone(), "a"), (key.clone(), "b")]).await.map(drop).unwrap_err(),
            Key::del_many([good.clone(), key.clone()]).await.map(drop).unwrap_err(),
            redis.batch((key.get(), count.incr())).await.map(drop).unwrap_err(),
            redis.transaction((good.get(), count.incr())).await.map(drop).unwrap_err(),
            Old::lock(Raw(argument)).try_lock().await.map(drop).unwrap_err(),
            Old::lock(Raw(argument)).lock().wait(MINUTE).await.map(drop).unwrap_err(),
            Old::lock(Raw(argument)).is_locked().await.map(drop).unwrap_err(),
            Old::once(Raw(argument)).run(|| async { panic!("nothing runs") }).await.map(drop).unwrap_err(),
            Old::once(Raw(argument)).result().await.map(drop).unwrap_err(),
            Old::limit(Raw(argument)).check(Rate::per_minute(1)).await.map(drop).unwrap_err(),
            Old::limit(Raw(argument)).peek(Rate::per_minute(1)).await.map(drop).unwrap_err(),
            Old::group(Raw(argument)).member(&good).await.map(drop).unwrap_err(),
            Old::group(Raw(argument)).invalidate().await.unwrap_err(),
            Old::all().member(&key).await.map(drop).unwrap_err(),
            Old::text_keys().path(Raw(argument)).count().await.map(drop).unwrap_err(),
            Old::text_keys().path(Raw(argument)).exists().await.map(drop).unwrap_err(),
            Old::text_keys().path(Raw(argument)).scan().next().await.unwrap().map(drop).unwrap_err(),
            Old::text_keys().path(Raw(argument)).values().next().await.unwrap().map(drop).unwrap_err(),
            Old::mixed_keys().path(Raw(argument)).count().await.map(drop).unwrap_err(),
        ] {
            assert_refused(error, text);
        }
        let sweep = || Old::text_keys().path(Raw(argument));
        assert_refused(sweep().delete().await.unwrap_err(), text);
        assert_refused(sweep().delete().dry_run().await.unwrap_err(), text);
        assert_refused(sweep().expire(MINUTE).await.unwrap_err(), text);
        assert_refused(Old::mixed_keys().path(Raw(argument)).delete().await.unwrap_err(), text);
        let filled = key.try_get_or_set(|| async { Err::<String, _>("nothing is loaded") }).await;
        assert_refused(redis_error(filled.unwrap_err()), text);
        let many = Key::get_or_set_many(
            ["good", argument],
            |path| Old::text(Raw(path)),
            |_| async { panic!("nothing is loaded") as Vec<(&str, String)> },
        );
        assert_refused(many.await.map(drop).unwrap_err(), text);
        let once = Old::once(Raw(argument)).try_run(|| async { Err::<String, _>("nothing runs") }).await;
        assert!(matches!(once, Err(OnceError::Redis(error)) if error.kind() == ErrorKind::InvalidInput));

        // Such a key does not parse.
        assert!(Old::parse(key.as_str()).is_err() && Old::identify(key.as_str()).is_none());
        assert_eq!(key.arguments(), None);
    }
    // Similar names are ordinary keys.
    for argument in ["a%fillet", "a%g0123", "100%", "a%3Afill", "a%FENCE", "a%sweptaway"] {
        let key = Old::text(Raw(argument));
        assert!(key.get().await.unwrap_err().is_unavailable(), "{argument}");
        assert_eq!(key.arguments(), Some(ParsedOld::Text { path: Raw(argument.into()) }));
    }
}

both_servers! {
    /// One key of a batch is rejected, and the others are not.
    async fn other_commands_of_the_batch_run(redis: Redis) {
        for (argument, text) in RESERVED {
            let (good, bad) = redis
                .batch((Old::count(Raw("good")).incr(), Old::text(Raw(argument)).set("x")))
                .each()
                .await
                .unwrap();
            assert!(good.unwrap() > 0);
            assert_refused(bad.unwrap_err(), text);
        }
    }

    /// The library's own keys are not keys of the template: operations on all keys of the template
    /// skip them.
    async fn companion_keys_are_neither_found_nor_deleted(redis: Redis) {
        let key = Old::text(Raw("a"));
        key.get_or_set(|| async { "x".to_owned() }).stale_for(MINUTE).await.unwrap();
        let member = Old::all().member(&key).await.unwrap();
        member.set("member").await.unwrap();
        let guard = Old::lock(Raw("a")).lock().await.unwrap();
        let companion_key = wired(format!("old:t:a%fill{{{}}}", wired("old:t:a")));
        let fence = wired(format!("old:l:a%fence{{{}}}", wired("old:l:a")));
        for name in [&companion_key, &fence, &wired(&member), &wired("old:t:%swept:{}")] {
            assert_eq!(raw::<i64>(&redis, &["EXISTS", name]).await, 1, "{name}");
        }
        // A string with a name like the companion key of another key. Its Redis type is the same as
        // a value's.
        let alike = wired("old:t:b%fill{old:t:b}");
        raw::<()>(&redis, &["SET", &alike, "x"]).await;
        let mut scan = Old::text_keys().scan();
        let found = scan.next().await.unwrap().unwrap();
        assert_eq!(found.key(), &key);
        assert!(scan.next().await.is_none());
        assert_eq!(Old::text_keys().count().await.unwrap(), 1);
        assert_eq!(Old::text_keys().all().delete().await.unwrap().affected, 1);
        for name in [&alike, &wired(&member), &fence] {
            assert_eq!(raw::<i64>(&redis, &["EXISTS", name]).await, 1, "{name}");
        }
        guard.release().await.unwrap();
    }
}
