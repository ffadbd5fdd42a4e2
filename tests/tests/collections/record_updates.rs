//! Updates of records that race.

use std::collections::HashMap;

use redis_keyspace::{ErrorKind, Hash, Keyspace, Redis, Text};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealServer, eventually, on_embedded, on_real, raw, require_command,
    shared_cluster, shared_server, unique_namespace, wire, within,
};

use crate::records::ann;
use crate::{Keys, Profile};

#[derive(Keyspace)]
#[keyspace(prefix = "filled_names", ttl = "1h")]
struct FilledKeys {
    #[key("{id}", fills = true)]
    names: fn(id: u32) -> Hash<Text, Text>,
}

const TASKS: u64 = 24;
const ROUNDS: u64 = 12;

/// Tasks update a record while others write single fields of it. No change is lost. `other` is a
/// second connection, whose tasks do not take turns with those of the first.
async fn race(redis: Redis, other: Redis) {
    let profile = Keys::profile(31).on(&redis);
    profile.save(&Profile { visits: 0, age: 0, score: 0.0, ..ann() }).await.unwrap();
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (profile, is_update) =
            (Keys::profile(31).on(if task % 2 == 0 { &redis } else { &other }), task % 3 != 0);
        tasks.push(tokio::spawn(async move {
            for _ in 0..ROUNDS {
                if is_update {
                    let updated = profile.update(|profile| profile.visits += 1).attempts(10_000);
                    updated.timeout(PATIENCE).await.unwrap().unwrap();
                } else {
                    profile.incr(Profile::VISITS, 1).await.unwrap();
                    profile.incr(Profile::SCORE, 1.0).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (visits, score) = profile.get((Profile::VISITS, Profile::SCORE)).await.unwrap();
    assert_eq!(visits, Some(TASKS * ROUNDS));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let scored = (TASKS.div_ceil(3) * ROUNDS) as f64;
    assert_eq!(score, Some(scored));
}

#[test]
fn no_update_is_lost_on_the_embedded_server() {
    on_embedded(async |redis| {
        let other = redis.clone();
        race(redis, other).await;
    });
}

#[test]
fn no_update_is_lost_on_a_real_server() {
    on_real(async |redis| {
        let other = redis.clone();
        race(redis, other).await;
    });
}

#[test]
fn no_update_is_lost_on_a_cluster() {
    let cluster: &RealCluster = shared_cluster();
    let namespace = unique_namespace();
    let redis = |name: &str| {
        let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
        // Another name is another pool.
        builder.namespace(namespace.clone()).unwrap().client_name(name).build().unwrap()
    };
    within(PATIENCE, race(redis("one"), redis("other")));
}

#[test]
fn a_conflict_ends_after_the_last_attempt() {
    on_embedded(async |redis| {
        let profile = Keys::profile(32);
        profile.save(&ann()).await.unwrap();
        let server = redis.clone();
        let error = profile
            .update(|profile| {
                profile.visits += 1;
                let intruder = Keys::profile(32).on(&server);
                // Another writer, between the read and the write.
                elsewhere(async move { intruder.incr(Profile::VISITS, 1).await.unwrap() });
            })
            .attempts(3)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(profile.get(Profile::VISITS).await.unwrap(), Some(6));
    });
}

#[test]
fn other_fields_do_not_conflict() {
    on_embedded(async |redis| {
        let profile = Keys::profile(33);
        profile.save(&ann()).await.unwrap();
        let mut runs = 0;
        let server = redis.clone();
        profile
            .update(|profile| {
                runs += 1;
                profile.visits += 1;
                let wire = server.wire_key(&Keys::profile(33)).unwrap();
                let server = server.clone();
                elsewhere(async move {
                    let _: i64 = raw(&server, &["HSET", &wire, "unknown", "x"]).await;
                });
            })
            .await
            .unwrap();
        assert_eq!(runs, 1);
    });
}

/// Runs a future on a thread and a runtime of its own.
fn elsewhere<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    })
    .join()
    .unwrap()
}

/// Another program encodes a field in another way, or a newer version with parts that this one does
/// not know.
async fn untouched_fields_stay(redis: Redis) {
    let profile = Keys::profile(36).on(&redis);
    profile.save(&ann()).await.unwrap();
    let newer = r#"{"font": 12, "dark": true}"#;
    for (field, value) in [("prefs", newer), ("score", "1e-1")] {
        let _: i64 = raw(&redis, &["HSET", &wire(&profile), field, value]).await;
    }
    profile.update(|profile| profile.visits += 1).await.unwrap().unwrap();
    for (field, expected) in [("prefs", newer), ("score", "1e-1")] {
        let value: String = raw(&redis, &["HGET", &wire(&profile), field]).await;
        assert_eq!(value, expected, "{field}");
    }
    profile.update(|profile| profile.prefs.dark = false).await.unwrap().unwrap();
    let value: String = raw(&redis, &["HGET", &wire(&profile), "prefs"]).await;
    assert_eq!(value, r#"{"dark":false}"#, "what changes is written as a whole");
}

#[test]
fn an_update_leaves_untouched_fields_as_they_are_on_the_embedded_server() {
    on_embedded(untouched_fields_stay);
}

#[test]
fn an_update_leaves_untouched_fields_as_they_are_on_a_real_server() {
    on_real(untouched_fields_stay);
}

/// Starts a server that does not delete a hash whose fields have all expired; `None` if fields have
/// no lifetimes.
fn with_emptied_hashes() -> Option<RealServer> {
    if !require_command(shared_server(), "HPEXPIRE") {
        return None;
    }
    let server = RealServer::builder().arg("--enable-debug-command").arg("yes").start();
    server.redis_cli(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    Some(server)
}

/// Creates a hash whose fields have all expired.
async fn empty(server: &RealServer, key: &str) {
    let nothing = server.redis_cli(&["HGETALL", key]);
    server.redis_cli(&["HSET", key, "name", "old"]);
    server.redis_cli(&["HPEXPIRE", key, "1", "FIELDS", "1", "name"]);
    // Not HEXISTS, which would delete the field.
    eventually("the field expires", async || server.redis_cli(&["HGETALL", key]) == nothing).await;
    assert_eq!(server.redis_cli(&["EXISTS", key]), "1");
}

#[test]
fn an_update_of_expired_fields_creates_the_record() {
    let Some(server) = with_emptied_hashes() else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        let profile = Keys::profile(77).on(&redis);
        empty(&server, &redis.wire_key(&profile).unwrap()).await;
        profile.update_or_insert(ann, |profile| profile.visits += 1).attempts(1).await.unwrap();
        assert_eq!(profile.load().await.unwrap(), Some(Profile { visits: ann().visits + 1, ..ann() }));
        assert!(profile.ttl().await.unwrap().remaining().is_some(), "the declared lifetime starts");
    });
}

#[test]
fn a_load_of_expired_fields_stores_the_hash() {
    let Some(server) = with_emptied_hashes() else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        let hash = FilledKeys::names(7).on(&redis);
        empty(&server, &redis.wire_key(&hash).unwrap()).await;
        let loaded = || async { HashMap::from([("name".to_owned(), "new".to_owned())]) };
        assert_eq!(hash.get_or_set(loaded).await.unwrap()["name"], "new");
        assert_eq!(hash.hget("name").await.unwrap().as_deref(), Some("new"), "it is stored");
        assert!(hash.ttl().await.unwrap().remaining().is_some(), "the declared lifetime starts");
    });
}
