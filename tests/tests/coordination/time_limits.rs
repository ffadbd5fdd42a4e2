//! Rate limits: `allow_at_most`, `wait` and fixed windows. Locks: `max_hold`.

use std::time::Duration;

use redis_keyspace::rate_limit::{FixedWindow, Rate};
use redis_keyspace::{ErrorKind, Keyspace, Lock, RateLimit, Redis};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire};

const HOUR: Duration = Duration::from_secs(3600);
/// A time limit that expires in the test.
const SHORT: Duration = Duration::from_millis(30);

#[derive(Keyspace)]
#[keyspace(prefix = "times", ttl = none)]
struct Keys {
    calls: fn(user: u64) -> RateLimit,
    windows: fn(user: u64) -> RateLimit<FixedWindow>,
    #[key("lock:{id}", ttl = "1h")]
    lock: fn(id: u64) -> Lock,
}

both_servers! {
    async fn permits_are_granted_up_to_the_limit(redis: Redis) {
        let rate = Rate::per_hour(100);
        let at_most = async |n| Keys::calls(1).allow_at_most(rate, n).await.unwrap();
        let some = at_most(70).await;
        assert_eq!((some.allowed, some.taken, some.remaining, some.retry_after), (true, 70, 30, None));
        let rest = at_most(70).await;
        assert_eq!((rest.allowed, rest.taken, rest.remaining), (true, 30, 0));
        let none = at_most(70).await;
        assert_eq!((none.allowed, none.taken, none.remaining), (false, 0, 0));
        // The time until one unit is allowed, not all of them.
        assert!(none.retry_after.unwrap() <= HOUR / 100);
        let windows = async |n| Keys::windows(1).allow_at_most(rate, n).await.unwrap();
        assert_eq!((windows(70).await.taken, windows(70).await.taken, windows(70).await.taken), (70, 30, 0));
        // More units than are ever allowed at once.
        assert_eq!(Keys::calls(2).allow_at_most(rate, 1000).on(&redis).await.unwrap().taken, 100);
        let zero = Keys::calls(3).allow_at_most(rate, 0).await;
        assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    async fn concurrent_callers_take_exactly_the_limit(redis: Redis) {
        let rate = Rate::per_hour(1000);
        let tasks: Vec<_> = (1..50)
            .map(|most| tokio::spawn(Keys::calls(1).on(&redis).allow_at_most(rate, most).into_future()))
            .collect();
        let mut taken = 0;
        for task in tasks {
            taken += task.await.unwrap().unwrap().taken;
        }
        // One more is allowed every 3.6 s while the test runs.
        assert!((1000..1100).contains(&taken), "{taken}");
    }

    async fn waiting_ends_when_a_permit_is_available(redis: Redis) {
        let rate = Rate::new(1, SHORT);
        for _ in 0..3 {
            assert!(Keys::calls(1).check(rate).wait(PATIENCE).await.unwrap().allowed);
            assert!(Keys::windows(1).check(rate).wait(PATIENCE).await.unwrap().allowed);
        }
        // Fails at once if the check can't be allowed in time.
        let slow = Rate::per_hour(1);
        assert!(Keys::calls(2).check(slow).wait(PATIENCE).await.unwrap().allowed);
        let refused = Keys::calls(2).check(slow).wait(PATIENCE).await.unwrap();
        assert!(!refused.allowed && refused.retry_after.unwrap() > PATIENCE);
        assert!(Keys::calls(3).check(slow).cost(1).wait(Duration::MAX).await.unwrap().allowed);
        drop(redis);
    }

    async fn a_window_allows_exactly_its_count(redis: Redis) {
        let (key, rate) = (Keys::windows(1), Rate::per_hour(5));
        let look = key.peek(rate).await.unwrap();
        assert_eq!((look.allowed, look.remaining, look.taken, look.reset_after), (true, 5, 0, Duration::ZERO));
        assert!(!key.exists().await.unwrap());
        for left in (0..5).rev() {
            let decision = key.check(rate).await.unwrap();
            assert_eq!((decision.allowed, decision.taken, decision.limit, decision.remaining), (true, 1, 5, left));
            // The whole count is allowed again when the window ends.
            assert!(decision.reset_after <= HOUR && decision.reset_after > HOUR * 9 / 10);
        }
        let refused = key.check(rate).await.unwrap();
        assert_eq!((refused.allowed, refused.taken, refused.remaining), (false, 0, 0));
        assert!(refused.retry_after.unwrap() > HOUR * 9 / 10);
        let ttl = key.ttl().await.unwrap().remaining().unwrap();
        assert!(ttl <= HOUR + Duration::from_millis(3) && ttl > HOUR * 9 / 10);
        assert!(!key.check(rate).cost(3).await.unwrap().allowed);
        assert!(key.check(Rate::per_hour(8)).cost(3).await.unwrap().allowed, "a larger count in the same window");
        assert!(key.del().await.unwrap());
        assert_eq!(key.check(rate).cost(5).await.unwrap().remaining, 0);
        // A shorter period ends the window sooner.
        let sooner = key.check(Rate::new(5, SHORT)).await.unwrap();
        assert!(!sooner.allowed && sooner.retry_after.unwrap() <= SHORT);
        drop(redis);
    }

    async fn a_window_ends(redis: Redis) {
        let (key, rate) = (Keys::windows(1), Rate::new(2, SHORT));
        let mut allowed = 0;
        eventually("three windows pass", async || {
            allowed += u64::from(key.check(rate).await.unwrap().allowed);
            allowed > 6
        })
        .await;
        eventually("the key expires", async || !key.exists().await.unwrap()).await;
        drop(redis);
    }

    async fn windows_have_no_burst_and_ignore_other_limits(redis: Redis) {
        let error = Keys::windows(1).check(Rate::per_hour(5).burst(9)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("burst"), "{error}");
        let _ = Keys::calls(1).check(Rate::per_hour(5)).await.unwrap();
        let state: String = raw(&redis, &["GET", &wire(&Keys::calls(1))]).await;
        let () = raw(&redis, &["SET", &wire(&Keys::windows(1)), &state]).await;
        let error = Keys::windows(1).check(Rate::per_hour(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let _ = Keys::windows(2).check(Rate::per_hour(5)).await.unwrap();
        let state: String = raw(&redis, &["GET", &wire(&Keys::windows(2))]).await;
        let () = raw(&redis, &["SET", &wire(&Keys::calls(2)), &state]).await;
        let error = Keys::calls(2).check(Rate::per_hour(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    }

    async fn a_lock_is_held_for_no_longer_than_its_limit(redis: Redis) {
        let guard = Keys::lock(1).lock().max_hold(SHORT).await.unwrap();
        let lost = guard.lost().await;
        assert_eq!(lost.kind(), ErrorKind::LockLost);
        assert!(lost.to_string().contains("max_hold"), "{lost}");
        assert!(guard.is_lost());
        // The lock was released, although its TTL is an hour.
        let next = Keys::lock(1).lock().wait(PATIENCE).await.unwrap();
        assert!(next.fencing() > guard.fencing());
        let error = guard.release().await.unwrap_err();
        assert!(error.kind() == ErrorKind::LockLost && error.to_string().contains("max_hold"), "{error}");
        next.check().unwrap();
        next.release().await.unwrap();
        drop(redis);
    }

    async fn hanging_work_is_dropped_and_its_lock_released(redis: Redis) {
        let hangs = Keys::lock(1).lock().max_hold(SHORT).with_lock(async |_| std::future::pending::<()>().await);
        let error = hangs.await.unwrap_err();
        assert!(error.kind() == ErrorKind::LockLost && error.to_string().contains("max_hold"), "{error}");
        eventually("the lock is free", async || !Keys::lock(1).is_locked().await.unwrap()).await;

        let guard = Keys::lock(1).try_lock().max_hold(HOUR).await.unwrap().expect("it is free");
        guard.check().unwrap();
        guard.release().await.unwrap();
        let endless = Keys::lock(1).lock().max_hold(Duration::MAX).await.unwrap();
        endless.release().await.unwrap();
        let zero = Keys::lock(1).lock().max_hold(Duration::ZERO).await;
        assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
        drop(redis);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_renewed_until_its_limit() {
    let redis = Redis::with_embedded_server(Server::new());
    let guard = Keys::lock(1).on(&redis).lock().ttl(Duration::from_secs(3)).max_hold(HOUR).await.unwrap();
    let started = tokio::time::Instant::now();
    let lost = guard.lost().await;
    assert!(lost.to_string().contains("max_hold"), "{lost}");
    assert!((3590..=3600).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}
