//! Records next to other programs and versions: unknown fields, earlier names, lifetimes, other
//! types.

use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_tests::{both_servers, raw, wire};

use crate::records::ann;
use crate::{Keys, Prefs, Profile, Session, Sparse};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    ttl.remaining().is_some_and(|left| left <= lifetime && left > lifetime / 2)
}

both_servers! {
    async fn fields_of_other_versions_stay(redis: Redis) {
        let profile = Keys::profile(21);
        profile.save(&ann()).await.unwrap();
        let _: i64 = raw(&redis, &["HSET", &wire(&profile), "unknown", "value"]).await;
        profile.save(&Profile { email: None, ..ann() }).await.unwrap();
        profile.update(|profile| profile.visits = 0).await.unwrap();
        let unknown: String = raw(&redis, &["HGET", &wire(&profile), "unknown"]).await;
        assert_eq!(unknown, "value");
        let names: Vec<String> = raw(&redis, &["HKEYS", &wire(&profile)]).await;
        assert!(names.iter().any(|name| name == "n") && !names.iter().any(|name| name == "visits"), "{names:?}");
    }

    async fn other_programs_see_plain_fields(redis: Redis) {
        let (profile, sparse) = (Keys::profile(22), Keys::sparse(22));
        profile.save(&ann()).await.unwrap();
        sparse.save(&Sparse { first_part: Some(-5), second_part: None }).await.unwrap();
        for (key, field, expected) in [
            (wire(&profile), "name", "Ann"),
            (wire(&profile), "n", "3"),
            (wire(&profile), "score", "0.1"),
            (wire(&profile), "prefs", r#"{"dark":true}"#),
            (wire(&profile), "guest", r#"{"dark":false}"#),
            (wire(&sparse), "firstPart", "-5"),
        ] {
            let value: String = raw(&redis, &["HGET", &key, field]).await;
            assert_eq!(value, expected);
        }
    }

    async fn a_field_is_found_under_its_earlier_names(redis: Redis) {
        let profile = Keys::profile(23);
        profile.save(&ann()).await.unwrap();
        let rename = async |field: &str, value: &str| {
            let _: i64 = raw(&redis, &["HDEL", &wire(&profile), "age"]).await;
            let _: i64 = raw(&redis, &["HSET", &wire(&profile), field, value]).await;
        };
        let names = async || -> Vec<String> {
            let mut names: Vec<String> = raw(&redis, &["HKEYS", &wire(&profile)]).await;
            names.retain(|name| ["age", "years", "old_age"].contains(&name.as_str()));
            names
        };
        rename("years", "40").await;
        assert_eq!(profile.load().await.unwrap().unwrap().age, 40);
        assert_eq!(profile.get((Profile::AGE, Profile::NAME)).await.unwrap().0, Some(40));
        assert!(profile.exists_field(Profile::AGE).await.unwrap());
        assert_eq!(profile.incr(Profile::AGE, 2).await.unwrap(), 42);
        assert_eq!(names().await, ["age"]);
        rename("old_age", "50").await;
        profile.update(|profile| profile.visits += 1).await.unwrap();
        assert_eq!(names().await, ["old_age"], "an unchanged field stays where it is");
        profile.update(|profile| profile.age += 1).await.unwrap();
        assert_eq!((names().await, profile.get(Profile::AGE).await.unwrap()), (vec!["age".to_owned()], Some(51)));
        rename("years", "60").await;
        profile.set(Profile::AGE, &61).await.unwrap();
        assert_eq!((names().await, profile.get(Profile::AGE).await.unwrap()), (vec!["age".to_owned()], Some(61)));
        rename("years", "70").await;
        profile.save(&Profile { email: None, ..ann() }).await.unwrap();
        assert_eq!(names().await, ["age"]);
    }

    async fn writes_keep_the_lifetime_of_the_key(redis: Redis) {
        let profile = Keys::profile(24);
        profile.save(&Profile { email: None, ..ann() }).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), HOUR));
        assert!(profile.expire(MINUTE).await.unwrap());
        profile.save(&Profile { email: None, ..ann() }).await.unwrap();
        profile.set(Profile::NAME, "Bob").await.unwrap();
        profile.set(Profile::AGE, &1).await.unwrap();
        profile.incr(Profile::VISITS, 1).await.unwrap();
        profile.incr(Profile::AGE, 1).await.unwrap();
        profile.update(|profile| profile.score += 1.0).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), MINUTE));
        // Each way to create a record sets its lifetime, also another one.
        for (nth, write) in [profile.set(Profile::AGE, &1), profile.set(Profile::NAME, "x")].into_iter().enumerate() {
            profile.del().await.unwrap();
            let write = if nth == 0 { write.ttl(2 * HOUR) } else { write };
            write.await.unwrap();
            assert!(is_new(profile.ttl().await.unwrap(), if nth == 0 { 2 * HOUR } else { HOUR }));
        }
        profile.del().await.unwrap();
        profile.incr(Profile::AGE, 1).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), HOUR));
        profile.del().await.unwrap();
        profile.update_or_insert(Profile::default, |_| ()).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), HOUR));
        profile.update(|profile| profile.age += 1).ttl(MINUTE).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), MINUTE));
        // Within a batch and a transaction, too.
        profile.del().await.unwrap();
        redis.batch((profile.save(&Profile { email: None, ..ann() }), profile.load())).await.unwrap();
        assert!(is_new(profile.ttl().await.unwrap(), HOUR));
        profile.del().await.unwrap();
        let (_, sum) = redis
            .transaction((profile.set(Profile::AGE, &5), profile.incr(Profile::AGE, -1)))
            .await
            .unwrap();
        assert_eq!(sum, 4);
        assert!(is_new(profile.ttl().await.unwrap(), HOUR));
    }

    async fn a_declaration_can_renew_or_omit_the_lifetime(_redis: Redis) {
        let renewed = Keys::renewed_profile(25);
        renewed.save(&ann()).await.unwrap();
        for write in 0..3 {
            assert!(renewed.expire(MINUTE).await.unwrap());
            match write {
                0 => renewed.save(&Profile { email: None, ..ann() }).await.unwrap(),
                1 => drop(renewed.incr(Profile::AGE, 1).await.unwrap()),
                _ => drop(renewed.update(|profile| profile.visits += 1).await.unwrap()),
            }
            assert!(is_new(renewed.ttl().await.unwrap(), HOUR), "{write}");
        }
        let forever = Keys::forever_profile(25);
        forever.save(&Profile { email: None, ..ann() }).await.unwrap();
        forever.incr(Profile::AGE, 1).await.unwrap();
        forever.update(|profile| profile.visits += 1).await.unwrap();
        assert_eq!(forever.ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn a_key_of_another_type_is_not_touched(redis: Redis) {
        let profile = Keys::profile(26);
        let () = raw(&redis, &["SET", &wire(&profile), "foreign"]).await;
        for error in [
            profile.load().await.unwrap_err(),
            profile.save(&ann()).await.unwrap_err(),
            profile.save(&Profile { email: None, ..ann() }).await.unwrap_err(),
            profile.get(Profile::NAME).await.unwrap_err(),
            profile.set(Profile::AGE, &1).await.unwrap_err(),
            profile.incr(Profile::AGE, 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert!(error.to_string().contains("expected hash (Record<Profile>), found string"), "{error}");
        }
        for error in [
            profile.update(|profile| profile.age += 1).await.unwrap_err(),
            profile.update_or_insert(Profile::default, |profile| profile.age += 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        }
        assert_eq!(profile.ttl().await.unwrap(), Ttl::NoExpiry);
        let value: String = raw(&redis, &["GET", &wire(&profile)]).await;
        assert_eq!(value, "foreign");
    }

    async fn a_value_that_is_none_is_a_decode_error(redis: Redis) {
        let profile = Keys::profile(27);
        profile.save(&ann()).await.unwrap();
        let _: i64 = raw(&redis, &["HSET", &wire(&profile), "age", "old"]).await;
        for error in [
            profile.load().await.unwrap_err(),
            profile.get((Profile::NAME, Profile::AGE)).await.unwrap_err(),
            profile.update(|profile| profile.visits += 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
            assert!(error.to_string().contains("the field `age`"), "{error}");
        }
        assert_eq!(profile.get(Profile::PREFS).await.unwrap(), Some(Prefs { dark: true }));
    }

    /// A sum that fails leaves the field under its earlier name.
    async fn a_failed_increment_moves_no_field(redis: Redis) {
        let session = Keys::session(27);
        let old = ["HSET", &wire(&session), "user", "7", "visits", "1", "pin", "9223372036854775807"];
        let _: i64 = raw(&redis, &old).await;
        session.incr(Session::CODE, 1).await.unwrap_err();
        let names: Vec<String> = raw(&redis, &["HKEYS", &wire(&session)]).await;
        assert!(names.iter().any(|name| name == "pin") && !names.iter().any(|name| name == "code"), "{names:?}");
    }
}
