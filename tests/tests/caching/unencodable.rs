//! A loaded value that cannot be encoded: `get_or_set` and `get_or_set_many` treat it alike.

use std::sync::Arc;

use redis_keyspace::cache::FillError;
use redis_keyspace::kind::{DecodeError, EncodeError, Kind, SingleValue};
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis};
use redis_keyspace_tests::{both_servers, eventually, raw, wire};
use tokio::sync::Notify;

/// Even numbers. Odd ones cannot be encoded.
struct Even;

impl Kind for Even {
    const WIRE_FORMAT: &'static str = "a number";
}

impl SingleValue for Even {
    type Owned = u32;
    type Borrowed = u32;

    fn borrow(value: &u32) -> &u32 {
        value
    }

    fn encode(value: &u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if value % 2 == 1 {
            return Err(EncodeError::new("odd numbers have no encoding"));
        }
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<u32, DecodeError> {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| DecodeError::new("no number"))
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "unencodable", ttl = "1h")]
struct Keys {
    even: fn(id: u32) -> Even,
}

/// Returns whether another caller would have to wait for a lease of this key.
async fn is_leased(redis: &Redis, id: u32) -> bool {
    let key = wire(&Keys::even(id));
    let companion = format!("{key}%fill{{{key}}}");
    raw::<bool>(redis, &["HEXISTS", &companion, "lease"]).await
}

both_servers! {
    async fn a_load_of_one_key_counts_as_failed_and_leaves_no_lease(redis: Redis) {
        let error = Keys::even(1).get_or_set(|| async { 1 }).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Encode, Some("unencodable:even:1")));
        assert!(!is_leased(&redis, 1).await);
        let fills = redis.stats().fills;
        assert_eq!((fills.misses, fills.failed, fills.not_stored), (1, 1, 0));
        assert_eq!(Keys::even(1).get_or_set(|| async { 2 }).await.unwrap(), 2, "the key is not blocked");
    }

    async fn a_load_of_many_keys_fails_for_its_own_key_only(redis: Redis) {
        let load = async |ids: Vec<u32>| ids.into_iter().map(|id| (id, id)).collect::<Vec<_>>();
        let error = Key::get_or_set_many([2, 3, 4], Keys::even, load).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Encode, Some("unencodable:even:3")));
        for id in [2, 3, 4] {
            assert!(!is_leased(&redis, id).await, "{id}");
        }
        assert_eq!(Keys::even(2).get().await.unwrap(), Some(2), "the other values are stored");
        assert_eq!(Keys::even(3).get().await.unwrap(), None);
        assert_eq!(Keys::even(4).get().await.unwrap(), Some(4));
        let fills = redis.stats().fills;
        assert_eq!((fills.misses, fills.failed, fills.not_stored), (3, 1, 0));
    }

    async fn waiting_callers_are_notified_and_load_themselves(redis: Redis) {
        for many in [false, true] {
            let id = 10 + u32::from(many);
            let (started, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let leader = tokio::spawn({
                let (redis, started, end) = (redis.clone(), Arc::clone(&started), Arc::clone(&end));
                async move {
                    let load = async |ids: Vec<u32>| {
                        started.notify_one();
                        end.notified().await;
                        ids.into_iter().map(|id| (id, 1)).collect::<Vec<_>>()
                    };
                    if many {
                        let filling = Key::get_or_set_many([id], Keys::even, load).on(&redis);
                        filling.await.map(drop).unwrap_err()
                    } else {
                        let load = || async { load(vec![id]).await.pop().map_or(1, |(_, value)| value) };
                        Keys::even(id).on(&redis).get_or_set(load).await.map(drop).unwrap_err()
                    }
                }
            });
            started.notified().await;
            let followers: Vec<_> = (0..10)
                .map(|_| {
                    let key = Keys::even(id).on(&redis);
                    tokio::spawn(async move { key.get_or_set(|| async { 2 }).await.unwrap() })
                })
                .collect();
            end.notify_one();
            assert_eq!(leader.await.unwrap().kind(), ErrorKind::Encode);
            for follower in followers {
                assert_eq!(follower.await.unwrap(), 2);
            }
            eventually("no lease is left", async || !is_leased(&redis, id).await).await;
        }
    }

    async fn a_caller_that_waits_for_two_failures_gets_the_error(redis: Redis) {
        let (started, end) = (Arc::new(Notify::new()), Arc::new(tokio::sync::Semaphore::new(0)));
        let load = |key: Key<Keys, Even>| {
            let (started, end) = (Arc::clone(&started), Arc::clone(&end));
            tokio::spawn(async move {
                let load = || async {
                    started.notify_one();
                    end.acquire().await.unwrap().forget();
                    1
                };
                key.get_or_set(load).await.unwrap_err()
            })
        };
        let leader = load(Keys::even(30).on(&redis));
        started.notified().await;
        let followers: Vec<_> = (0..10).map(|_| load(Keys::even(30).on(&redis))).collect();
        let waiting = async || redis.stats().fills.misses;
        assert_eq!(waiting().await, 1);
        end.add_permits(100);
        assert_eq!(leader.await.unwrap().kind(), ErrorKind::Encode);
        for follower in followers {
            let error = follower.await.unwrap();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Encode, Some("unencodable:even:30")), "{error}");
        }
    }

    async fn fallible_loaders_distinguish_encoding_errors_from_their_own(_redis: Redis) {
        let one = Keys::even(20).try_get_or_set(|| async { Ok::<_, std::io::Error>(1) }).await;
        assert!(matches!(one, Err(FillError::Redis(error)) if error.kind() == ErrorKind::Encode));
        let load = async |ids: Vec<u32>| Ok::<_, std::io::Error>(ids.into_iter().map(|id| (id, 1)));
        let many = Key::try_get_or_set_many([20], Keys::even, load).await;
        assert!(matches!(many, Err(FillError::Redis(error)) if error.kind() == ErrorKind::Encode));
    }
}
