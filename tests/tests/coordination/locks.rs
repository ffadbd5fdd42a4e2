//! Locks: never two holders while renewal works, and a holder that loses its lock is notified.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::lock::LockGuard;
use redis_keyspace::{ErrorKind, Key, Keyspace, Lock, Redis, Text};
use redis_keyspace_embedded::{Fault as ServerFault, Server};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, both_servers, child_test, eventually, eventually_rises, manager,
    pool_builder, raw, wire, within,
};
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);
/// Short enough to wait for, long enough for a renewal on a busy machine.
const SECOND: Duration = Duration::from_secs(1);
/// The lifetime of a renewed lock: long enough for a renewal on a busy machine, and short enough to
/// wait for.
const LIFETIME: Duration = Duration::from_secs(3);

#[derive(Keyspace)]
#[keyspace(prefix = "locks", ttl = "1m")]
struct Keys {
    lock: fn(job: &str) -> Lock,
    count: fn(job: &str) -> Text,
}

fn job() -> Key<Keys, Lock> {
    Keys::lock("nightly")
}

async fn free(key: &Key<Keys, Lock>) {
    eventually("the lock is free", async || !key.is_locked().await.unwrap()).await;
}

async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Increments a counter in two steps, which loses counts if another task does the same meanwhile.
async fn add_one(redis: &Redis) {
    let count = Keys::count("x").on(redis);
    let before: u32 = count.get().await.unwrap().map_or(0, |text| text.parse().unwrap());
    tokio::task::yield_now().await;
    count.set(&(before + 1).to_string()).await.unwrap();
}

both_servers! {
    async fn only_one_task_holds_the_lock(redis: Redis) {
        assert!(!job().is_locked().await.unwrap());
        let guard = job().try_lock().await.unwrap().unwrap();
        assert!(job().is_locked().await.unwrap() && !guard.is_lost() && guard.check().is_ok());
        assert!(job().try_lock().await.unwrap().is_none());
        let other = Keys::lock("other").try_lock().await.unwrap().unwrap();
        assert!((50..=60).contains(&job().ttl().await.unwrap().remaining().unwrap().as_secs()));
        let token: String = raw(&redis, &["GET", &wire(&job())]).await;
        assert!(token.len() == 32 && token.bytes().all(|digit| digit.is_ascii_hexdigit()), "{token}");
        let printed = format!("{guard:?} {:?} {:?}", guard.held(), job().lock());
        assert!(printed.contains("locks:lock:nightly") && !printed.contains(&token), "{printed}");
        let (first, held) = (guard.fencing(), guard.held());
        guard.release().await.unwrap();
        assert!(!job().is_locked().await.unwrap() && held.is_lost());
        assert_eq!(held.lost().await.kind(), ErrorKind::LockLost);
        other.release().await.unwrap();
        let second = job().lock().await.unwrap();
        assert!(second.fencing() > first && first > 1_700_000_000_000_000 && second.fencing() < 1 << 53);
        second.release().await.unwrap();
    }

    async fn fencing_tokens_grow_regardless_of_the_clock(redis: Redis) {
        let ahead = 8_000_000_000_000_000_u64;
        let fence = format!("{}%fence{{{}}}", wire(&job()), wire(&job()));
        let take = async || {
            let guard = job().lock().await.unwrap();
            let number = guard.fencing();
            guard.release().await.unwrap();
            number
        };
        take().await;
        let kept = raw::<i64>(&redis, &["PTTL", &fence]).await;
        assert!(kept > 86_000_000, "{kept}");
        raw::<()>(&redis, &["SET", &fence, &ahead.to_string()]).await;
        assert_eq!([take().await, take().await, take().await], [ahead + 1, ahead + 2, ahead + 3]);
        raw::<()>(&redis, &["DEL", &fence]).await;
        let by_the_clock = take().await;
        assert!(by_the_clock < ahead && take().await > by_the_clock);
        raw::<()>(&redis, &["SET", &fence, "no number"]).await;
        assert!(take().await > by_the_clock);
    }

    async fn tasks_hold_the_lock_one_at_a_time(redis: Redis) {
        let (inside, numbers) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let (redis, inside, numbers) = (redis.clone(), Arc::clone(&inside), Arc::clone(&numbers));
                let key = job().on(&redis);
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let guard = key.lock().wait(MINUTE).await.unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        numbers.lock().unwrap().push(guard.fencing());
                        add_one(&redis).await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if guard.fencing() % 2 == 0 {
                            guard.release().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(Keys::count("x").get().await.unwrap().as_deref(), Some("320"));
        assert!(numbers.lock().unwrap().is_sorted_by(|one, next| one < next));
        free(&job()).await;
    }

    async fn waiters_get_the_lock_in_order(_redis: Redis) {
        let order = Mutex::new(Vec::new());
        let guard = job().lock().await.unwrap();
        let waiting = async |number| {
            let guard = job().lock().wait(MINUTE).await.unwrap();
            order.lock().unwrap().push(number);
            guard.release().await.unwrap();
        };
        // Each one joins the queue when it is first polled, in this order. The last future releases
        // the lock.
        tokio::join!(waiting(0), waiting(1), waiting(2), waiting(3), async { drop(guard) });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    }

    async fn waiting_has_a_limit(redis: Redis) {
        let guard = job().lock().await.unwrap();
        for wait in [Duration::ZERO, Duration::from_millis(100)] {
            let started = Instant::now();
            let error = job().lock().wait(wait).await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::LockTimeout, Some("locks:lock:nightly")), "{error}");
            assert!(started.elapsed() >= wait);
        }
        guard.release().await.unwrap();
        // Another process holds the lock and does not renew it.
        raw::<()>(&redis, &["SET", &wire(&job()), "theirs", "PX", "60000"]).await;
        let error = job().lock().wait(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
        raw::<()>(&redis, &["PEXPIRE", &wire(&job()), "300"]).await;
        job().lock().wait(MINUTE).await.unwrap().release().await.unwrap();
        let error = job().lock().ttl(Duration::from_millis(9)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        raw::<()>(&redis, &["RPUSH", &wire(&job()), "x"]).await;
        assert_eq!(job().try_lock().await.unwrap_err().kind(), ErrorKind::WrongType);
    }

    async fn renewal_extends_the_lock(_redis: Redis) {
        let guard = job().lock().ttl(LIFETIME).await.unwrap();
        let until = Instant::now() + LIFETIME + SECOND;
        while Instant::now() < until {
            assert!(job().try_lock().await.unwrap().is_none());
            guard.check().unwrap();
            sleep(Duration::from_millis(50)).await;
        }
        assert!(job().persist().await.unwrap());
        eventually("the lock has a lifetime again", async || job().ttl().await.unwrap() != Ttl::NoExpiry).await;
        guard.release().await.unwrap();
    }

    async fn a_holder_that_loses_its_lock_is_notified(redis: Redis) {
        for how in ["del", "taken", "renamed"] {
            let guard = job().lock().ttl(LIFETIME).await.unwrap();
            match how {
                "del" => assert!(job().del().await.unwrap()),
                // By another program: locks have no such method.
                "renamed" => raw::<()>(&redis, &["RENAME", &wire(&job()), &wire(&Keys::lock("other"))]).await,
                _ => raw::<()>(&redis, &["SET", &wire(&job()), "theirs", "PX", "60000"]).await,
            }
            let error = guard.lost().await;
            assert_eq!((error.kind(), error.key()), (ErrorKind::LockLost, Some("locks:lock:nightly")), "{error}");
            assert!(guard.is_lost() && guard.check().unwrap_err().kind() == ErrorKind::LockLost);
            assert_eq!(guard.release().await.unwrap_err().kind(), ErrorKind::LockLost);
            if how == "taken" {
                assert_eq!(raw::<String>(&redis, &["GET", &wire(&job())]).await, "theirs", "the lock of another holder is kept");
                assert!(job().del().await.unwrap());
            }
        }
        // A release detects the loss, too.
        let guard = job().lock().await.unwrap();
        raw::<()>(&redis, &["SET", &wire(&job()), "theirs"]).await;
        assert_eq!(guard.release().await.unwrap_err().kind(), ErrorKind::LockLost);
        assert_eq!(raw::<String>(&redis, &["GET", &wire(&job())]).await, "theirs");
    }

    async fn work_under_a_lock_is_stopped_when_it_is_lost(redis: Redis) {
        struct Noted(Arc<AtomicBool>);
        impl Drop for Noted {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let number = job().with_lock(|held| async move { held.fencing() }).await.unwrap();
        assert!(number > 0 && !job().is_locked().await.unwrap());
        let stopped = Arc::new(AtomicBool::new(false));
        let noted = Noted(Arc::clone(&stopped));
        let work = job().lock().ttl(LIFETIME).with_lock(|held| async move {
            let _noted = noted;
            assert!(job().is_locked().await.unwrap() && !held.is_lost());
            raw::<()>(&redis, &["SET", &wire(&job()), "theirs"]).await;
            std::future::pending::<()>().await;
        });
        assert_eq!(work.await.unwrap_err().kind(), ErrorKind::LockLost);
        assert!(stopped.load(Ordering::SeqCst));
        assert!(job().is_locked().await.unwrap(), "the lock of another holder is kept");
        job().del().await.unwrap();
        // If the lock turns out to be lost after the work, the result is an error.
        let late = job().with_lock(|_| async { job().del().await.unwrap() }).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::LockLost);
        // Dropping the future releases the lock.
        let begun = tokio::sync::Notify::new();
        let dropped = job().with_lock(|_| async {
            begun.notify_one();
            std::future::pending::<()>().await;
        });
        tokio::select! {
            ended = dropped => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
        free(&job()).await;
    }

    async fn dropping_the_guard_frees_the_lock(_redis: Redis) {
        drop(job().lock().await.unwrap());
        free(&job()).await;
        for round in 0..50 {
            let dropped = async {
                if round % 2 == 0 { job().try_lock().await.unwrap() } else { job().lock().await.ok() }
            };
            poll_once(dropped).await;
            let dropped = tokio::time::timeout(Duration::from_micros(round * 20), job().lock().into_future());
            drop(dropped.await);
        }
        let guard = job().lock().await.unwrap();
        // A waiting caller that is dropped gives its turn to the next one.
        for _ in 0..10 {
            assert!(poll_once(job().lock().into_future()).await.is_none());
        }
        guard.release().await.unwrap();
        job().lock().wait(MINUTE).await.unwrap().release().await.unwrap();
    }

    async fn flushed_scripts_are_sent_again(redis: Redis) {
        for _ in 0..3 {
            let flush = async || raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await;
            flush().await;
            let guard = job().lock().ttl(LIFETIME).await.unwrap();
            flush().await;
            let left = async || raw::<i64>(&redis, &["PTTL", &wire(&job())]).await;
            eventually_rises("the lock is renewed", left).await;
            guard.check().unwrap();
            flush().await;
            guard.release().await.unwrap();
        }
    }

    async fn one_process_does_not_starve_the_others(redis: Redis) {
        // A different configuration has a different pool, so it acts like another process.
        let other = redis.for_keyspace::<Slow>().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..8)
            .map(|_| {
                let (key, done) = (job().on(&redis), Arc::clone(&done));
                tokio::spawn(async move {
                    while !done.load(Ordering::Acquire) {
                        let guard = key.lock().wait(MINUTE).await.unwrap();
                        sleep(Duration::from_millis(20)).await;
                        guard.release().await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            let guard = job().lock().wait(MINUTE).on(&other).await.unwrap();
            guard.release().await.unwrap();
        }
        done.store(true, Ordering::Release);
        for task in busy {
            task.await.unwrap();
        }
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "slow", ttl = "1m", timeout = "3s")]
struct Slow {
    #[allow(dead_code, reason = "only for its options")]
    text: Text,
}

/// Uses connections of the application, and runs in a separate task.
#[test]
fn locks_work_on_an_application_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let pool = pool_builder().max_size(4).build(manager(&server.url())).await.unwrap();
        let redis = Redis::from_pool(pool);
        let key = job().on(&redis);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (work, redis) = (key.clone(), redis.clone());
                tokio::spawn(async move { work.with_lock(|_| async { add_one(&redis).await }).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(Keys::count("x").on(&redis).get().await.unwrap().as_deref(), Some("8"));
    });
}

#[tokio::test(start_paused = true)]
async fn a_lock_can_be_held_for_hours() {
    let redis = Redis::embedded();
    let key = job().on(&redis);
    let guard = key.lock().await.unwrap();
    for _ in 0..100 {
        sleep(MINUTE).await;
        guard.check().unwrap();
        assert!(key.try_lock().await.unwrap().is_none());
    }
    // A closed handle renews nothing, so the lock ends with its lifetime.
    let other = Redis::embedded();
    let lost = Keys::lock("x").on(&other).lock().await.unwrap();
    other.close().await;
    let started = Instant::now();
    let error = lost.lost().await;
    assert!(error.kind() == ErrorKind::LockLost && error.to_string().contains("closed"), "{error}");
    assert!(started.elapsed() <= MINUTE);
    assert_eq!(lost.release().await.unwrap_err().kind(), ErrorKind::Closed);
    guard.release().await.unwrap();
}

/// The holder knows before another one can acquire the lock, even if its runtime had no time to
/// notify it.
#[test]
fn a_disconnected_holder_is_notified_before_the_next_one_acquires() {
    for fault in [Fault::BlackHole, Fault::CutRequest, Fault::BlackHoleReply] {
        within(PATIENCE, async {
            let server = RealServer::start();
            let proxy = Proxy::start(server.address());
            let redis = Redis::open(&server.url_through(&proxy)).unwrap();
            let other = Redis::open(&server.url()).unwrap();
            let guard = job().lock().ttl(SECOND).on(&redis).await.unwrap();
            proxy.set(fault);
            proxy.cut_all();
            let next = job().lock().wait(MINUTE).on(&other).await.unwrap();
            assert!(guard.is_lost(), "{fault:?}");
            assert_eq!(guard.lost().await.kind(), ErrorKind::LockLost);
            assert!(next.fencing() > guard.fencing());
            proxy.set(Fault::Pass);
            // The late guard does not release the lock of the other holder.
            drop(guard);
            sleep(SECOND / 5).await;
            next.check().unwrap();
            next.release().await.unwrap();
        });
    }
}

#[test]
fn an_unavailable_server_stops_the_work() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        for gone in [false, true] {
            let key = job().on(&redis);
            let work = key.lock().ttl(SECOND).wait(MINUTE).with_lock(|_| {
                if gone {
                    server.kill()
                } else {
                    server.pause()
                }
                std::future::pending::<()>()
            });
            let error = work.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
            if !gone {
                server.resume();
                free(&key).await;
            }
        }
    });
}

/// A request that is sent twice acquires the lock once, with the fencing token of the first time.
#[test]
fn lost_replies_do_not_block_the_lock() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis =
            Redis::builder().url(&server.url_through(&proxy)).unwrap().shared_connections(1).build().unwrap();
        let key = job().on(&redis);
        key.lock().await.unwrap().release().await.unwrap();
        proxy.on("EVALSHA", Fault::CutReply);
        let guard = key.lock().await.unwrap();
        assert_eq!(proxy.unused(), 0);
        let last = server.redis_cli(&["GET", "locks:lock:nightly%fence{locks:lock:nightly}"]);
        assert_eq!(guard.fencing().to_string(), last);
        guard.check().unwrap();
        // The command that releases depends on the server, but contains the token.
        let token = || server.redis_cli(&["GET", "locks:lock:nightly"]);
        proxy.on(token(), Fault::CutReply);
        let error = guard.release().await.unwrap_err();
        assert!(error.is_connection_lost(), "{error}");
        free(&key).await;
        let guard = key.lock().await.unwrap();
        proxy.on(token(), Fault::CutRequest);
        assert!(guard.release().await.unwrap_err().is_connection_lost());
        free(&key).await;
    });
}

/// The command acquires the lock, but its reply arrives after the caller stopped waiting.
#[test]
fn a_lock_acquired_too_late_is_released() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = Redis::open(&server.url_through(&proxy)).unwrap();
        let direct = Redis::open(&server.url()).unwrap();
        let (key, seen) = (job().on(&redis), job().on(&direct));
        key.lock().await.unwrap().release().await.unwrap();
        // Each holder has its own fencing token.
        let fence = || server.redis_cli(&["GET", "locks:lock:nightly%fence{locks:lock:nightly}"]);
        let before = fence();
        proxy.on("EVALSHA", Fault::Delay(SECOND));
        tokio::select! {
            taken = key.try_lock().into_future() => panic!("the reply is delayed: {taken:?}"),
            () = eventually("the command is in flight", async || proxy.unused() == 0) => {}
        }
        eventually("the lock is acquired", async || fence() != before).await;
        free(&seen).await;
        // The command fails for the caller but acquires the lock.
        let before = fence();
        proxy.on("EVALSHA", Fault::Delay(SECOND));
        let error = key.try_lock().timeout(SECOND / 4).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        eventually("the lock is acquired", async || fence() != before).await;
        free(&seen).await;
    });
}

/// The lock is acquired, the reply is lost, and the server refuses the next attempts.
#[test]
fn a_lock_behind_a_lost_reply_and_refusals_is_released() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).build().unwrap();
        let key = job().on(&redis);
        key.lock().await.unwrap().release().await.unwrap();
        server.inject(ServerFault::close_after().on("EVALSHA").times(1)).keep();
        let loading = ServerFault::error("LOADING Redis is loading the dataset in memory");
        let refusing = server.inject(loading.on("EVALSHA"));
        let error = key.try_lock().ttl(60 * MINUTE).await.unwrap_err();
        assert!(error.to_string().contains("LOADING"), "{error}");
        assert!(error.is_connection_lost(), "an earlier attempt may have been executed: {error}");
        drop(refusing);
        free(&key).await;
    });
}

#[test]
fn a_fencing_number_outlives_its_lock_by_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let guard = job().on(&redis).lock().ttl(3 * DAY).await.unwrap();
        let fence = "locks:lock:nightly%fence{locks:lock:nightly}";
        let left = async || {
            redis.raw(async |mut c| redis::cmd("PTTL").arg(fence).query_async::<u64>(&mut c).await).await
        };
        assert!(u128::from(left().await.unwrap()) > (3 * DAY + DAY / 2).as_millis());
        guard.release().await.unwrap();
    });
}

#[test]
fn a_guard_can_be_dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let redis = Redis::embedded();
    let key = job().on(&redis);
    let take = || -> LockGuard { runtime.block_on(key.lock().into_future()).unwrap() };
    drop(take());
    runtime.block_on(free(&key));
    // After the runtime has ended, the drop does nothing and does not panic.
    let guard = take();
    drop(runtime);
    drop(guard);
}

/// Not a test by itself: the next test runs it in several processes.
#[test]
fn several_processes_child() {
    let Ok(url) = std::env::var("LOCKS_CHILD") else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&url).unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    let key = job().on(&redis);
                    for round in 0..15 {
                        let guard = key.lock().wait(MINUTE).await.unwrap();
                        assert_eq!(raw::<i64>(&redis, &["INCR", "inside"]).await, 1);
                        raw::<()>(&redis, &["RPUSH", "numbers", &guard.fencing().to_string()]).await;
                        add_one(&redis).await;
                        assert_eq!(raw::<i64>(&redis, &["DECR", "inside"]).await, 0);
                        // The last guard is released explicitly, before the process ends.
                        if (task + round) % 2 == 0 || round == 14 {
                            guard.release().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn several_processes_never_overlap() {
    const PROCESSES: u64 = 4;
    let server = RealServer::start();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| child_test!("several_processes_child").env("LOCKS_CHILD", server.url()).spawn())
        .collect();
    for child in children {
        child.passes();
    }
    let times = PROCESSES * 4 * 15;
    assert_eq!(server.redis_cli(&["GET", "locks:count:x"]), times.to_string());
    let numbers = AtomicU64::new(0);
    for index in 0..times {
        let number: u64 = server.redis_cli(&["LINDEX", "numbers", &index.to_string()]).parse().unwrap();
        assert!(
            numbers.swap(number, Ordering::Relaxed) < number,
            "fencing tokens increase from holder to holder"
        );
    }
}
