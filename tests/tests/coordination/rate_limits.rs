//! Rate limits: exactly the allowed number of calls, across all callers.

use std::time::Duration;

use proptest::prelude::*;
use redis_keyspace::command::Ttl;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{ErrorKind, Key, Keyspace, RateLimit, Redis};
use redis_keyspace_tests::{both_servers, eventually, raw, wire};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "limits", ttl = none)]
struct Keys {
    calls: fn(user: u64) -> RateLimit,
    #[key("short:{user}", ttl = "1m")]
    short: fn(user: u64) -> RateLimit,
}

async fn allowed(key: &Key<Keys, RateLimit>, rate: Rate) -> bool {
    key.check(rate).await.unwrap().allowed
}

both_servers! {
    async fn a_burst_is_allowed_and_no_more(_redis: Redis) {
        let (key, rate) = (Keys::calls(1), Rate::per_hour(5));
        for left in (0..5).rev() {
            let allowance = key.check(rate).await.unwrap();
            assert!(allowance.allowed && allowance.retry_after.is_none());
            assert_eq!((allowance.limit, allowance.remaining), (5, left));
            assert!(allowance.reset_after <= HOUR / 5 * (5 - u32::try_from(left).unwrap()));
        }
        for _ in 0..3 {
            let refused = key.check(rate).await.unwrap();
            assert!(!refused.allowed && refused.remaining == 0);
            let retry_after = refused.retry_after.unwrap();
            assert!(retry_after <= HOUR / 5 && retry_after > HOUR / 6, "{retry_after:?}");
            assert!(refused.reset_after <= HOUR && refused.reset_after > HOUR * 9 / 10);
        }
        assert!(allowed(&Keys::calls(2), rate).await, "another caller's limit");
        assert!(key.del().await.unwrap());
        assert!(allowed(&key, rate).await);
    }

    async fn costs_are_all_or_nothing_and_peeking_is_free(_redis: Redis) {
        let (key, rate) = (Keys::calls(1), Rate::per_hour(1).burst(10));
        let look = async |cost| key.peek(rate).cost(cost).await.unwrap();
        assert_eq!((look(1).await.remaining, look(10).await.allowed), (10, true));
        assert!(!key.exists().await.unwrap());
        assert_eq!(look(1).await.reset_after, Duration::ZERO);
        assert_eq!(key.check(rate).cost(7).await.unwrap().remaining, 3);
        let refused = key.check(rate).cost(4).await.unwrap();
        assert!(!refused.allowed && refused.remaining == 3 && refused.retry_after.unwrap() <= HOUR);
        assert!(!look(4).await.allowed && look(3).await.allowed && look(3).await.remaining == 3);
        assert!(refused.retry_after.unwrap() > HOUR / 2);
        assert_eq!(key.check(rate).cost(3).await.unwrap().remaining, 0);
        assert!(!look(1).await.allowed);
    }

    async fn the_limit_recovers_and_the_key_expires(_redis: Redis) {
        let (key, rate) = (Keys::calls(1), Rate::new(5, Duration::from_secs(3)));
        assert_eq!(key.check(rate).cost(5).await.unwrap().remaining, 0);
        let left = key.ttl().await.unwrap().remaining().unwrap();
        assert!(left <= Duration::from_millis(3002) && left > Duration::ZERO, "{left:?}");
        eventually("the limit recovers", async || allowed(&key, rate).await).await;
        eventually("the key expires", async || key.ttl().await.unwrap() == Ttl::NoKey).await;
    }

    async fn invalid_limits_are_refused_before_anything_is_sent(redis: Redis) {
        let key = Keys::calls(1);
        for (check, words) in [
            (key.check(Rate::per_minute(0)), "allows nothing"),
            (key.check(Rate::new(1, Duration::ZERO)), "allows nothing"),
            (key.check(Rate::per_minute(1).burst(0)), "allows nothing"),
            (key.check(Rate::per_minute(1)).cost(0), "`peek`"),
            (key.peek(Rate::per_minute(3)).cost(4), "a cost of 4 is more than 3, the most"),
            (Keys::short(1).check(Rate::per_minute(2).burst(3)), "TTL of 60s is shorter than the 90s"),
        ] {
            let error = check.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(words) && error.key().is_some(), "{error}");
        }
        assert!(allowed(&Keys::short(1), Rate::per_minute(60)).await, "exactly long enough");
        raw::<()>(&redis, &["SET", &wire(&key), "something else"]).await;
        let error = key.check(Rate::per_minute(1)).await.unwrap_err();
        assert!(error.is_decode() && !error.to_string().contains("something else"), "{error}");
        raw::<()>(&redis, &["DEL", &wire(&key)]).await;
        raw::<()>(&redis, &["RPUSH", &wire(&key), "x"]).await;
        assert_eq!(key.check(Rate::per_minute(1)).await.unwrap_err().kind(), ErrorKind::WrongType);
    }

    async fn many_tasks_get_exactly_the_burst(redis: Redis) {
        raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await;
        let key = Keys::calls(1).on(&redis);
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let key = key.clone();
                tokio::spawn(async move { allowed(&key, Rate::per_hour(50)).await })
            })
            .collect();
        let mut count = 0;
        for task in tasks {
            count += u32::from(task.await.unwrap());
        }
        // One more is allowed every 72 seconds, in case the test takes that long.
        assert!((50..=51).contains(&count), "{count}");
    }

    async fn the_rate_can_change(_redis: Redis) {
        let key = Keys::calls(1);
        assert!(key.check(Rate::per_hour(7)).cost(5).await.unwrap().allowed);
        // 5/7 of the hour's limit are used, so about 5/7 of another limit are, too.
        let other = key.peek(Rate::per_hour(700)).await.unwrap();
        assert!((199..=205).contains(&other.remaining), "{other:?}");
        let smaller = key.peek(Rate::per_hour(7).burst(2)).await.unwrap();
        assert!(!smaller.allowed && smaller.retry_after.unwrap() <= HOUR / 7 + Duration::from_micros(1), "{smaller:?}");
    }
}

/// A reference model: the used amount drains at the rate, in units of a microsecond divided by
/// `count`.
struct Model {
    count: u128,
    period: u128,
    burst: u128,
    used: u128,
}

/// Returns whether the call is allowed, the remaining count, the time to retry after, and the time
/// until full recovery.
type Answer = (bool, u128, Option<u128>, u128);

impl Model {
    fn check(&mut self, cost: u64, takes: bool) -> Answer {
        let (all, cost) = (self.burst * self.period, u128::from(cost) * self.period);
        let allowed = self.used + cost <= all;
        if allowed && takes {
            self.used += cost;
        }
        let micros = |parts: u128| parts.div_ceil(self.count);
        let retry_after = (!allowed).then(|| micros(self.used + cost - all));
        (allowed, (all - self.used) / self.period, retry_after, micros(self.used))
    }
}

fn step() -> impl Strategy<Value = (u64, u64, bool)> {
    // Pauses of about the time for one more unit, and pauses in which the limit fully recovers.
    (
        prop_oneof![Just(0_u64), 1..1000_u64, 1..2_000_000_u64, Just(400_000_000)],
        1..6_u64,
        proptest::bool::weighted(0.8),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn limits_match_the_reference_model(
        count in prop_oneof![1..20_u64, Just(3_000_001)],
        period in prop_oneof![1..100_u64, 1_000_000..7_000_000_u64],
        burst in 5..12_u64,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let redis = Redis::embedded(); // its clock starts here, paused
            let rate = Rate::new(count, Duration::from_micros(period)).burst(burst);
            let [count, period, burst] = [count, period, burst].map(u128::from);
            let mut model = Model { count, period, burst, used: 0 };
            let mut last = tokio::time::Instant::now();
            for (pause, cost, takes) in steps {
                tokio::time::advance(Duration::from_micros(pause)).await;
                model.used = model.used.saturating_sub(last.elapsed().as_micros() * count);
                last = tokio::time::Instant::now();
                let expected = model.check(cost, takes);
                let key = Keys::calls(1).on(&redis);
                let check = if takes { key.check(rate) } else { key.peek(rate) };
                let is = check.cost(cost).await.unwrap();
                assert_eq!(last.elapsed(), Duration::ZERO, "the clock is paused");
                let retry_after = is.retry_after.map(|time| time.as_micros());
                let is = (is.allowed, u128::from(is.remaining), retry_after, is.reset_after.as_micros());
                assert_eq!(is, expected, "cost {cost}, takes {takes}");
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_paused_clock_exactly_the_burst_is_allowed() {
    let redis = Redis::embedded();
    let rate = Rate::per_second(100).burst(30);
    let check = || {
        let key = Keys::calls(1).on(&redis);
        tokio::spawn(async move { allowed(&key, rate).await })
    };
    for round in 0..3 {
        let tasks: Vec<_> = (0..100).map(|_| check()).collect();
        let mut count = 0;
        for task in tasks {
            count += u32::from(task.await.unwrap());
        }
        assert_eq!(count, if round == 0 { 30 } else { 7 });
        tokio::time::advance(Duration::from_millis(70)).await;
    }
    tokio::time::advance(MINUTE).await;
    assert_eq!(Keys::calls(1).ttl().on(&redis).await.unwrap(), Ttl::NoKey);
    // A check after exactly `retry_after` is allowed, and one a microsecond earlier is not.
    let key = Keys::calls(2).on(&redis);
    let rate = Rate::per_second(3).burst(1);
    assert!(allowed(&key, rate).await);
    let wait = key.check(rate).await.unwrap().retry_after.unwrap();
    assert_eq!(wait, Duration::from_micros(333_334));
    tokio::time::advance(wait - Duration::from_micros(1)).await;
    assert!(!allowed(&key, rate).await);
    tokio::time::advance(Duration::from_micros(1)).await;
    assert!(allowed(&key, rate).await);
}

/// The native version of the script on the embedded server gives the same replies for the same
/// state and time. The stored time is far in the future, so the replies do not depend on the
/// servers' clocks.
#[test]
fn both_servers_give_equal_replies() {
    use redis_keyspace_tests::{PATIENCE, RealServer, within};

    within(PATIENCE, async {
        let real = RealServer::start();
        let (real, embedded) =
            (Redis::open(&real.url()).map(|redis| (real, redis)).unwrap(), Redis::embedded());
        let (_server, real) = real;
        let key = Keys::calls(1);
        for (count, there) in [
            (7, "9000000000000000+3/7"),
            (7, "9000000000000000+3/8"),
            (1, "9000000000000000+0/1"),
            (5, "x"),
            (5, "1+2/"),
            (5, "0+0/5"),
        ] {
            let rate = Rate::per_hour(count).burst(10);
            let mut answers = Vec::new();
            for redis in [&real, &embedded] {
                raw::<()>(redis, &["SET", key.as_str(), there]).await;
                let mut of_one = Vec::new();
                for cost in [1, 3, 10] {
                    of_one.push(match key.check(rate).cost(cost).on(redis).await {
                        Ok(is) => format!(
                            "{} {} {:?}",
                            is.allowed,
                            is.remaining,
                            is.retry_after.map(|time| time.as_secs() / 60)
                        ),
                        Err(error) => error.to_string(),
                    });
                }
                answers.push(of_one);
            }
            assert_eq!(answers[0], answers[1], "{there}");
        }
    });
}
