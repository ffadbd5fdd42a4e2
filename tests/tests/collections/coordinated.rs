//! The operations of locks, rate limits, idempotency keys and groups.

use std::time::Duration;

use redis_keyspace::once::OnceError;
use redis_keyspace::rate_limit::{FixedWindow, Rate};
use redis_keyspace::{Group, Json, Keyspace, Lock, Once, RateLimit, Text};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "coordinated", ttl = "1h")]
pub(crate) struct CoordinatedKeys {
    lock: fn(id: u64) -> Lock,
    #[key("calls:{id}", ttl = none)]
    calls: fn(id: u64) -> RateLimit,
    #[key("window:{id}", ttl = none)]
    window: fn(id: u64) -> RateLimit<FixedWindow>,
    receipt: fn(id: u64) -> Once<Json<Vec<u32>>>,
    group: fn(id: u64) -> Group,
    page: fn(id: u64) -> Text,
}

checks! {
    try_lock of Lock: async {
        let key = CoordinatedKeys::lock(1);
        let guard = key.try_lock().await.unwrap().unwrap();
        assert!(key.try_lock().await.unwrap().is_none());
        guard.release().await.unwrap();
        let again = key.try_lock().await.unwrap().unwrap();
        again.release().await.unwrap();
    },
    lock of Lock: async {
        let key = CoordinatedKeys::lock(2);
        let first = key.lock().await.unwrap();
        let (second, released) = tokio::join!(key.lock().wait(MINUTE), first.release());
        released.unwrap();
        let second = second.unwrap();
        assert!(!second.is_lost());
        second.release().await.unwrap();
    },
    with_lock of Lock: async {
        let key = CoordinatedKeys::lock(3);
        let fencing = key.with_lock(|held| async move { held.fencing() }).await.unwrap();
        assert!(fencing > 0 && !key.is_locked().await.unwrap());
        assert!(key.with_lock(|held| async move { held.fencing() }).await.unwrap() > fencing);
    },
    is_locked of Lock: async {
        let key = CoordinatedKeys::lock(4);
        assert!(!key.is_locked().await.unwrap());
        let guard = key.try_lock().await.unwrap().unwrap();
        assert!(key.is_locked().await.unwrap());
        guard.release().await.unwrap();
        assert!(!key.is_locked().await.unwrap());
    },
    check of RateLimit: async {
        let (key, rate) = (CoordinatedKeys::calls(5), Rate::per_hour(2));
        let first = key.check(rate).await.unwrap();
        assert!(first.allowed && first.remaining == 1);
        assert!(key.check(rate).await.unwrap().allowed);
        let refused = key.check(rate).await.unwrap();
        assert!(!refused.allowed && refused.retry_after.is_some());
        assert!(key.ttl().await.unwrap().remaining().is_some());
        let window = CoordinatedKeys::window(5);
        assert_eq!(window.check(rate).cost(2).await.unwrap().remaining, 0);
        assert!(!window.check(rate).await.unwrap().allowed);
    },
    peek of RateLimit: async {
        let (key, rate) = (CoordinatedKeys::calls(6), Rate::per_hour(2));
        assert_eq!(key.peek(rate).await.unwrap().remaining, 2);
        assert!(key.check(rate).await.unwrap().allowed);
        assert_eq!(key.peek(rate).await.unwrap().remaining, 1);
        assert_eq!(key.peek(rate).await.unwrap().remaining, 1, "a look takes nothing");
        assert_eq!(CoordinatedKeys::window(6).peek(rate).await.unwrap().remaining, 2);
    },
    allow_at_most of RateLimit: async {
        let rate = Rate::per_hour(3);
        let key = CoordinatedKeys::calls(7);
        assert_eq!(key.allow_at_most(rate, 2).await.unwrap().taken, 2);
        assert_eq!(key.allow_at_most(rate, 2).await.unwrap().taken, 1);
        assert_eq!(key.allow_at_most(rate, 2).await.unwrap().taken, 0);
        let window = CoordinatedKeys::window(7);
        assert_eq!(window.allow_at_most(rate, 5).await.unwrap().taken, 3);
    },
    run of Once: async {
        let key = CoordinatedKeys::receipt(8);
        assert_eq!(key.run(|| async { vec![1] }).await.unwrap(), [1]);
        assert_eq!(key.run(|| async { unreachable!("it has run") }).await.unwrap(), [1]);
        assert!(key.ttl().await.unwrap().remaining().is_some());
    },
    try_run of Once: async {
        let key = CoordinatedKeys::receipt(9);
        let failed = key.try_run(|| async { Err("no") }).await;
        assert!(matches!(failed, Err(OnceError::Work("no"))), "{failed:?}");
        assert_eq!(key.try_run(|| async { Ok::<_, &str>(vec![1]) }).await.unwrap(), [1]);
        assert_eq!(key.try_run(|| async { Err("it has run") }).await.unwrap(), [1]);
    },
    result of Once: async {
        let key = CoordinatedKeys::receipt(10);
        assert_eq!(key.result().await.unwrap(), None);
        key.run(|| async { vec![2] }).await.unwrap();
        assert_eq!(key.result().await.unwrap(), Some(vec![2]));
    },
    member of Group: async {
        let (group, page) = (CoordinatedKeys::group(11), CoordinatedKeys::page(11));
        let member = group.member(&page).await.unwrap();
        member.set("a").await.unwrap();
        assert_eq!(page.get().await.unwrap(), None, "the key itself has another name");
        assert_eq!(group.member(&page).await.unwrap().get().await.unwrap().as_deref(), Some("a"));
        let other = CoordinatedKeys::group(110).member(&page).await.unwrap();
        assert_eq!(other.get().await.unwrap(), None);
    },
    invalidate of Group: async {
        let (group, page) = (CoordinatedKeys::group(12), CoordinatedKeys::page(12));
        group.member(&page).await.unwrap().set("a").await.unwrap();
        group.invalidate().await.unwrap();
        assert_eq!(group.member(&page).await.unwrap().get().await.unwrap(), None);
    },
}
