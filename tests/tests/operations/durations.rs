//! Every duration in every option, alone and in pairs: no call panics, hangs or loses a loaded
//! value.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use redis_keyspace::rate_limit::{FixedWindow, Rate};
use redis_keyspace::{
    Counter, Error, ErrorKind, Group, Json, Key, Keyspace, Lock, Once, RateLimit, Redis, Text,
};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, within};

/// Durations that programs use for "no limit" or "at once", or by accident.
const ODD: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_secs(3600),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

#[derive(Keyspace)]
#[keyspace(prefix = "durations", ttl = "1d")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    list: fn(id: u32) -> Json<Vec<u32>>,
    forever: fn(id: u32) -> Json<u32>,
    lock: fn(id: u32) -> Lock,
    rate: fn(id: u32) -> RateLimit,
    windows: fn(id: u32) -> RateLimit<FixedWindow>,
    count: fn(id: u32) -> Counter,
    group: fn(id: u32) -> Group,
    once: fn(id: u32) -> Once<Text>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "durations2", ttl = "1d", stale_for = "1d", negative_ttl = "1d")]
#[allow(dead_code, reason = "fields are declarations")]
struct Stale {
    text: fn(id: u32) -> Text,
}

/// Returns the id of a key that no other call uses.
fn id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Checks that the outcome is a value, or one of the errors of an invalid or a short duration.
#[track_caller]
fn expected<T>(outcome: Result<T, Error>, what: &str) -> Option<ErrorKind> {
    let kind = outcome.err().map(|error| (error.kind(), error));
    match &kind {
        None => {}
        Some((
            ErrorKind::InvalidInput
            | ErrorKind::Timeout
            | ErrorKind::LoaderTimeout
            | ErrorKind::LockTimeout
            | ErrorKind::ResultNotStored
            | ErrorKind::Conflict
            | ErrorKind::PoolBusy
            | ErrorKind::Unavailable,
            _,
        )) => {}
        Some((_, error)) => panic!("{what}: {error}"),
    }
    kind.map(|(kind, _)| kind)
}

/// Awaits the future of `$make` with each option and each pair of options, for all durations.
/// `$judge` checks the outcome.
macro_rules! all_options {
    ($make:expr, [$($option:ident),+], $judge:expr) => {
        all_options!(@each $make, [$($option),+], [$($option),+], $judge)
    };
    (@each $make:expr, [$($first:ident),+], $all:tt, $judge:expr) => {
        $( all_options!(@pairs $make, $first, $all, $judge); )+
    };
    (@pairs $make:expr, $first:ident, [$($second:ident),+], $judge:expr) => {
        for one in ODD {
            let what = format!("{}({one:?})", stringify!($first));
            let outcome = ($make)().$first(one).await;
            ($judge)(outcome, &what).await;
            $(
                for other in ODD {
                    let what = format!("{}({one:?}).{}({other:?})", stringify!($first), stringify!($second));
                    let outcome = ($make)().$first(one).$second(other).await;
                    ($judge)(outcome, &what).await;
                }
            )+
        }
    };
}

async fn plain<T>(outcome: Result<T, Error>, what: &str) {
    expected(outcome, what);
}

thread_local! {
    /// How often the loader of the current call ran. It runs on the thread of the test.
    static LOADED: Cell<u32> = const { Cell::new(0) };
}

both_servers! {
    async fn durations_of_plain_commands(redis: Redis) {
        let _ = redis;
        for (one, what) in ODD.map(|it| (it, format!("{it:?}"))) {
            expected(Keys::text(1).expire(one).await, &what);
            expected(Keys::text(1).get().timeout(one).await, &what);
            let batch = redis.batch((Keys::text(1).get().timeout(one), Keys::text(2).get())).timeout(one);
            expected(batch.await.map(drop), &what);
            let sweep = Keys::text_keys().all().expire(one).timeout(one);
            expected(sweep.await.map_err(Error::from).map(drop), &what);
            let health = redis.health().timeout(one).await;
            assert!(health.healthy || health.error.is_some());
        }
        for time in [
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX >> 1),
        ] {
            expected(Keys::text(1).set("x").expire_at(time).await, "set");
            expected(Keys::text(1).get_ex().expire_at(time).await, "get_ex");
            expected(Keys::text(1).expire_at(time).await, "expire_at");
        }
        all_options!(|| Keys::text(1).set("x"), [ttl, timeout], plain);
        all_options!(|| Keys::text(1).get_ex(), [ttl, timeout], plain);
        all_options!(|| Keys::count(id()).incr(), [ttl, timeout], plain);
        all_options!(|| Key::set_many([(Keys::text(1), "x"), (Keys::text(2), "y")]), [ttl, timeout], plain);
    }

    async fn durations_of_updates_locks_limits_groups_and_work(redis: Redis) {
        let _ = redis;
        let update = || Keys::list(id() % 4).update_or_insert(Vec::new, |list| list.truncate(3));
        all_options!(update, [ttl, timeout], plain);
        all_options!(|| Keys::lock(id()).try_lock(), [ttl, max_hold, timeout], plain);
        all_options!(|| Keys::lock(id()).lock(), [ttl, max_hold, wait, timeout], plain);
        for period in ODD {
            all_options!(|| Keys::rate(id()).check(Rate::new(3, period)), [wait, timeout], plain);
            all_options!(|| Keys::windows(id()).check(Rate::new(3, period)), [wait, timeout], plain);
            all_options!(|| Keys::rate(id()).allow_at_most(Rate::new(3, period), 7), [timeout], plain);
            all_options!(|| Keys::rate(id()).check(Rate::new(3, period).burst(u64::MAX)), [timeout], plain);
            all_options!(|| Keys::rate(id()).peek(Rate::new(u64::MAX, period)), [timeout], plain);
        }
        all_options!(|| Keys::group(id() % 4).member(&Keys::text(1)), [cached_for, timeout], plain);
        all_options!(|| Keys::group(id() % 4).invalidate(), [timeout], plain);
        let work = || Keys::once(id()).run(|| ready("done".to_owned())).payload_bytes("a");
        all_options!(work, [wait, ttl, timeout], plain);
        let done = id();
        Keys::once(done).run(|| ready("done".to_owned())).payload_bytes("a").await.unwrap();
        let again = || Keys::once(done).run(|| ready("again".to_owned())).payload_bytes("a");
        all_options!(again, [wait, timeout], plain);
    }

    /// A miss, a hit and, if there is no error, a third read. An invalid lifetime is an error
    /// before the loader runs.
    async fn durations_of_fills(redis: Redis) {
        let _ = redis;
        /// An invalid lifetime is reported before the loader runs, so no loaded value is lost.
        async fn refused_before_sending<T>(outcome: Result<T, Error>, what: &str) {
            if expected(outcome, what) == Some(ErrorKind::InvalidInput) {
                assert_eq!(LOADED.get(), 0, "{what}: the loaded value was lost");
            }
            LOADED.set(0);
        }
        fn counted() -> Ready<String> {
            LOADED.set(LOADED.get() + 1);
            ready("loaded".to_owned())
        }
        let miss = || Stale::text(id()).get_or_set(counted as fn() -> Ready<String>);
        all_options!(miss, [ttl, stale_for, soft_timeout, hard_timeout, wait_timeout, timeout], refused_before_sending);
        let hit = || Stale::text(7).get_or_set(counted as fn() -> Ready<String>).early_refresh(0.5);
        all_options!(hit, [ttl, stale_for, soft_timeout, hard_timeout, wait_timeout, timeout], refused_before_sending);
        let hit = || Keys::text(7).get_or_set(counted as fn() -> Ready<String>).ttl_jitter(1e-300);
        all_options!(hit, [ttl, hard_timeout, wait_timeout, timeout], refused_before_sending);
        let absent = || Stale::text(id()).get_or_set_optional(|| ready(None)).ttl_jitter(0.5);
        all_options!(absent, [ttl, stale_for, negative_ttl, hard_timeout, wait_timeout, timeout], plain);
        let many = || {
            let load = async |ids: Vec<u32>| ids.into_iter().map(|id| (id, "x".to_owned())).collect::<Vec<_>>();
            Key::get_or_set_many([id(), id(), 7], Keys::text, load).ttl_jitter(0.1)
        };
        all_options!(many, [ttl, negative_ttl, hard_timeout, wait_timeout, timeout], plain);
        // A lifetime that depends on the value is known only after the load, so it is clamped.
        for chosen in ODD {
            for early in [0.0, 0.5, 1.0] {
                let key = Keys::text(id());
                for _ in 0..2 {
                    let fill = key.get_or_set(counted as fn() -> Ready<String>).ttl_by(move |_| chosen);
                    let value = fill.ttl_jitter(0.9).early_refresh(early).await;
                    assert_eq!(value.unwrap(), "loaded", "{chosen:?}");
                }
                let stays = chosen > Duration::from_secs(1);
                if stays || chosen.is_zero() {
                    assert_eq!(key.exists().await.unwrap(), stays, "{chosen:?}");
                }
            }
        }
    }
}

/// A handle either refuses a duration when it is built, or works with it.
#[test]
fn durations_of_handles_and_keyspaces() {
    within(PATIENCE, async {
        let with = async |builder: redis_keyspace::RedisBuilder, what: &str| {
            let redis = match builder.build() {
                Ok(redis) => redis,
                Err(error) => return assert!(error.is_configuration(), "{what}: {error}"),
            };
            match Keys::text(1).get().on(&redis).await {
                Err(error) if error.is_configuration() => {}
                outcome => drop(expected(outcome, what)),
            }
        };
        let embedded = || Redis::builder().embedded(Server::new());
        type Set = fn(redis_keyspace::RedisBuilder, Duration) -> redis_keyspace::RedisBuilder;
        let options: [(&str, Set); 7] = [
            ("timeout", |builder, it| builder.timeout(it)),
            ("connect_timeout", |builder, it| builder.connect_timeout(it)),
            ("retry_delay", |builder, it| builder.retry_delay(it)),
            ("breaker", |builder, it| builder.breaker(1, it)),
            ("keyspace timeout", |builder, it| builder.keyspace::<Keys>(|options| options.timeout(it))),
            ("keyspace retry_delay", |builder, it| {
                builder.keyspace::<Keys>(|options| options.retry_delay(it))
            }),
            ("keyspace ttl", |builder, it| builder.keyspace::<Keys>(|options| options.ttl(it))),
        ];
        for (name, set) in options {
            for one in ODD {
                with(set(embedded(), one), &format!("{name}({one:?})")).await;
                for (other_name, other_set) in options {
                    for other in ODD {
                        let what = format!("{name}({one:?}).{other_name}({other:?})");
                        with(other_set(set(embedded(), one), other), &what).await;
                    }
                }
            }
        }
    });
}
